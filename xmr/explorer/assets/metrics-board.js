// The leaderboard of the runs that are open: a table for each protocol, with intervals and letters of significance.
import { get } from "./api.js";
import { h, plural } from "./dom.js";
import { empty } from "./messages.js";
import { choice, figureOf, fullName, inWords, isRank, sortHead } from "./metrics-parts.js";

const PLAIN = /(^|\/)(recall@\d+|median_rank|mean_recall)$/;
const SAID = "Reading the results of the runs and testing their differences…";
const SLOW = "Still testing: each pair of models is compared query by query, which takes some seconds for large evaluations.";

export async function drawBoard(section, state, context) {
  const { metric } = state, ask = () => get("/api/metrics/board", { metric }, context.signal);
  await section.fill(`board ${metric}`, ask, (answer) => page(section, answer, state, context), { said: SAID, slow: SLOW, context });
}

function page(section, answer, state, context) {
  const left = leftOut(answer.left_out);
  if (answer.boards.length === 0) {
    const how = "A run's results are written when its training ends, or by python scripts/evaluate.py checkpoint=RUN. Start the explorer again afterwards.";
    section.tools.replaceChildren();
    return h("div", { class: "stack" }, empty("No results to rank", `None of what is open here was evaluated. ${how}`), left);
  }
  const all = Boolean(state.ball), metrics = [...new Set(answer.boards.flatMap((board) => board.metrics))];
  const change = (event) => context.go({ ball: event.target.checked ? "1" : null });
  const box = h("input", { type: "checkbox", checked: all, onchange: change, "aria-label": "All metrics" });
  section.tools.replaceChildren(
    metricSelect(metrics, answer.boards[0].sorted_by, (metric) => context.go({ metric, bsort: null, bturn: null })),
    h("label", { class: "row tight small" }, box, "all metrics"));
  return h("div", { class: "metrics-boards" }, answer.boards.map((board) => boardOf(board, all, state, context)), left);
}

/** All metrics, those over all directions first. */
function metricSelect(metrics, chosen, onChange) {
  const order = metrics.toSorted((one, other) => one.includes("/") - other.includes("/"));
  return choice("ranked and tested by", order.map((metric) => [metric, fullName(metric)]), chosen, onChange);
}

/** What is not on a board, and why. */
function leftOut(results) {
  if (results.length === 0) return null;
  const row = ({ path, reason }) => h("li", {}, h("b", {}, path), `: ${reason}`);
  return h("div", { class: "panel small metrics-left-out" }, h("h3", {}, `${plural(results.length, "result is", "results are")} left out`),
    h("ul", {}, results.map(row)));
}

function facts({ protocol, rows }) {
  const { gallery, similarity, exclude, folds } = protocol;
  const excluded = exclude && exclude !== "nothing" && `${exclude} left out`;
  return [gallery && `gallery: ${gallery}`, similarity, excluded, folds > 1 && `${folds} folds`, plural(rows.length, "model")].filter(Boolean).join(" · ");
}

function boardOf(board, all, state, context) {
  const { sorted_by: focus } = board, known = board.rows.some(({ mean }) => focus in mean);
  const others = board.metrics.filter((metric) => metric !== focus && (all || PLAIN.test(metric)));
  const columns = known ? [focus, ...others] : others;
  return h("section", { class: "metrics-board" },
    h("h2", {}, board.title), h("p", { class: "muted small" }, facts(board)),
    !known && h("p", { class: "muted small" }, `No model of this board has ${fullName(focus)}.`),
    h("div", { class: "metrics-scroll", tabindex: "0", role: "group", "aria-label": `Results of ${board.title}` },
      h("table", { class: "table" }, heads(columns, focus, state, context), bodyOf(board, columns, state, context))),
    h("p", { class: "muted small" }, "Ranks as they are, all other metrics in %. The bar spans the 95 % confidence interval, the dot is the mean; ± is the standard deviation over seeds."),
    known && letters(board));
}

const isTurned = (state) => Boolean(state.bturn);

/** Two lines of heads: directions, and the metrics below them. */
function heads(columns, focus, state, context) {
  const sortedBy = state.bsort ?? focus;
  const turned = (name, falls) => (name === sortedBy ? (falls !== isTurned(state) ? "descending" : "ascending") : undefined);
  const turn = (name) => () => {
    if (name === sortedBy) context.go({ bturn: isTurned(state) ? null : "1" });
    else if (name === "model" || name === "seeds") context.go({ bsort: name, bturn: null });
    else context.go({ metric: name, bsort: null, bturn: null });
  };
  const groups = [];
  for (const metric of columns) {
    const [group] = inWords(metric), last = groups.at(-1);
    if (last?.group === group) last.span++;
    else groups.push({ group, span: 1 });
  }
  const metricHead = (metric) => sortHead(inWords(metric)[1], turned(metric, !isRank(metric)), turn(metric), { title: fullName(metric) });
  return h("thead", {},
    h("tr", { class: "metrics-groups" }, h("td", {}), h("td", {}), groups.map(({ group, span }) => h("th", { colspan: span, scope: "colgroup" }, group))),
    h("tr", {}, sortHead("model", turned("model", false), turn("model"), { number: false }), sortHead("seeds", turned("seeds", true), turn("seeds")), columns.map(metricHead)));
}

function sorted(rows, focus, state) {
  const by = { model: ({ label }) => label, seeds: ({ seeds }) => -seeds }[state.bsort];
  const value = by ?? ((row) => (row.mean[focus] ?? NaN) * (isRank(focus) ? 1 : -1));
  const compare = (one, other) => (by === undefined && Number.isNaN(value(one)) ? 1 : value(one) < value(other) ? -1 : value(one) > value(other) ? 1 : 0);
  const order = rows.toSorted(compare);
  return isTurned(state) ? order.reverse() : order;
}

function bodyOf(board, columns, state, context) {
  const { rows, sorted_by: focus } = board;
  const ends = rows.flatMap(({ mean, intervals }) => [mean[focus], ...(intervals[focus] ?? [])]).filter((value) => value !== undefined);
  const axis = { low: Math.min(...ends), high: Math.max(...ends) };
  const best = Object.fromEntries(columns.map((metric) => {
    const values = rows.map(({ mean }) => mean[metric]).filter((value) => value !== undefined);
    return [metric, isRank(metric) ? Math.min(...values) : Math.max(...values)];
  }));
  const cell = (row, metric) => h("td", { class: metric === focus ? "number metrics-focus" : "number", title: range(row, metric) },
    h("div", { class: "metrics-line" },
      metric === focus && row.letters[focus] && h("span", { class: "metrics-letters", title: "Models that share a letter can't be told apart" }, [...row.letters[focus]].join(" ")),
      h("span", { class: row.mean[metric] === best[metric] ? "metrics-best" : null }, figureOf(metric, row.mean[metric])),
      row.deviation[metric] !== undefined && h("small", { class: "muted" }, `±${figureOf(metric, row.deviation[metric])}`)),
    metric === focus && interval(row, metric, axis));
  return h("tbody", {}, sorted(rows, focus, state).map((row) => h("tr", {},
    modelCell(row, context), h("td", { class: "number" }, row.seeds || "–"), columns.map((metric) => cell(row, metric)))));
}

const range = ({ intervals }, metric) =>
  intervals[metric] && `95 % interval: ${intervals[metric].map((end) => figureOf(metric, end)).join(" to ")}`;

function interval(row, metric, { low, high }) {
  const ends = row.intervals[metric], at = (value) => `${(100 * (value - low)) / (high - low || 1)}%`;
  if (!ends || row.mean[metric] === undefined) return null;
  return [h("div", { class: "metrics-interval", "aria-hidden": "true", style: { "--low": at(ends[0]), "--high": at(ends[1]), "--mean": at(row.mean[metric]) } }),
    h("small", { class: "muted metrics-range" }, ends.map((end) => figureOf(metric, end)).join(" – "))];
}

function modelCell(row, context) {
  const about = (id) => h("button", { type: "button", class: "chip", title: `About ${id}`, onclick: () => context.about(id) }, h("span", {}, id.split("-").at(-1)));
  return h("th", { scope: "row", class: "metrics-model" }, h("div", {}, row.label),
    h("div", { class: "row tight" }, row.state !== "finished" && h("span", { class: "badge" }, row.state), row.sources.map(about)));
}

const listed = (names) => (names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`);

/** What the letters say of the first model, in words, and how it was tested. */
function letters({ rows, sorted_by: focus, notes }) {
  const tested = rows.filter((row) => row.letters[focus]), [first, ...rest] = tested;
  const near = rest.filter((row) => [...row.letters[focus]].some((letter) => first.letters[focus].includes(letter)));
  const name = fullName(focus);
  const verdict = near.length > 0
    ? `${listed(near.map(({ label }) => label))} ${near.length === 1 ? "shares" : "share"} a letter with it: these queries can't tell ${near.length === 1 ? "the two" : "them"} apart.`
    : "No other model shares a letter with it: its lead is larger than chance explains.";
  return h("div", { class: "panel small metrics-letters-said" },
    rest.length > 0 && h("p", {}, h("b", {}, `${first.label} is first in ${name}.`), " ", verdict),
    rest.length > 0 && h("p", {}, "How to read the letters: two models without a common letter differ significantly; two that share one may differ by chance alone."),
    rest.length === 0 && h("p", {}, rows.length === 1 ? "There is only one model of this protocol, so there is nothing to compare it with." : "Nothing could be tested here, so there are no letters."),
    notes.map((note) => h("p", { class: "muted" }, `${note[0].toUpperCase()}${note.slice(1)}.`)));
}
