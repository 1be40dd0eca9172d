// The queries that two models answer most differently, each with a way to see both answers.
import { get } from "./api.js";
import { describe, thumb } from "./cards.js";
import { button, count, h, number, put } from "./dom.js";
import { empty } from "./messages.js";
import { arrow, choice, isRank, probability, share, signed, titleOf } from "./metrics-parts.js";
import { segments, sourceSelect } from "./sources.js";
import { queryOf } from "./state.js";

const SAID = "Ranking the evaluation's queries with both models…";
const SLOW = "Still working: the first time, vectors of both models are read and every query is ranked.";
const FIRST_RANK = "first_rank", MANY = [20, 50, 100, 200];
const SIDES = new Set(["both", "one", "other"]);
const PLAIN = { first_rank: "rank of the first correct" };
const nameOf = (metric) => PLAIN[metric] ?? metric.replaceAll("_", " ");
const asRank = (rank) => (Number.isInteger(rank) ? count(rank) : rank.toFixed(1));
const shared = (one, other) => (one?.directions ?? []).filter((each) => other?.directions.includes(each));

/** The two models: those of the address, else of the first two columns, else one that can be compared. */
function chosen(state, { catalog: { sources }, source }) {
  const open = [...new Set(state.columns.map((column) => column.source))], one = state.one ?? open[0];
  const fits = (other) => other.id !== one && other.data.name === source(one)?.data.name && shared(source(one), other).length > 0;
  const other = state.other ?? open.find((id) => id !== one && source(id) && fits(source(id))) ?? sources.find(fits)?.id ?? sources.find(({ id }) => id !== one)?.id;
  return { one, other };
}

export async function drawDifferences(section, state, context) {
  const { catalog, go } = context, { one, other } = chosen(state, context);
  if (catalog.sources.length < 2) {
    put(section.tools);
    return section.say(empty("Only one model is open", "To see where models differ, start the explorer with two or more of the same data: python scripts/explore.py runs/one runs/other"));
  }
  const directions = shared(context.source(one), context.source(other)), direction = directions.find((each) => each === state.direction) ?? directions.find((each) => each.endsWith(`_to_${state.among}`)) ?? directions[0];
  const metric = state.dmetric ?? FIRST_RANK, side = SIDES.has(state.side) ? state.side : "both", many = MANY.find((each) => String(each) === state.many) ?? MANY[0];
  const asked = { one, other, direction, metric, side, count: many };
  const tools = (metrics) => drawTools(section, asked, { directions, metrics }, context);
  tools([...new Set([metric, FIRST_RANK])]);
  if (one === other) return section.say(empty("The same model twice", "Choose another one on either side."));
  if (directions.length === 0) return section.say(empty("These two can't be compared", unlike(one, other, context)));
  const ask = () => get("/api/metrics/differences", asked, context.signal);
  const draw = (answer) => {
    tools(answer.metrics);
    return page(answer, asked, context);
  };
  await section.fill(JSON.stringify(asked), ask, draw, { said: SAID, slow: SLOW, context });
}

function unlike(one, other, context) {
  const has = (id) => {
    const source = context.source(id);
    if (!source) return `${id} is not open here`;
    return `${source.title} has ${source.directions.map(arrow).join(" and ") || "no evaluation"}`;
  };
  return `They have no direction of evaluation in common: ${has(one)}, ${has(other)}.`;
}

const model = (at, select) => h("div", { class: "metrics-versus" }, h("i", { class: `metrics-dot of-${at}`, "aria-hidden": "true" }), select);

function drawTools(section, { one, other, direction, metric, side }, { directions, metrics }, context) {
  const { catalog, go } = context;
  const sides = [{ value: "both", text: "Either" }, { value: "one", text: "First" }, { value: "other", text: "Second" }];
  put(section.tools,
    model(0, sourceSelect(catalog, one, (to) => go({ one: to, other }), "First model")),
    model(1, sourceSelect(catalog, other, (to) => go({ one, other: to }), "Second model")),
    directions.length > 1 && segments("Direction", directions.map((each) => ({ value: each, text: arrow(each) })), direction, (to) => go({ direction: to })),
    choice("by", metrics.map((each) => [each, nameOf(each)]), metric, (to) => go({ dmetric: to === FIRST_RANK ? null : to })),
    h("div", { class: "row tight" }, h("span", { class: "muted small" }, "better"), segments("Better model", sides, side, (to) => go({ side: to === "both" ? null : to }))));
}

const meanOf = (metric, value) => (isRank(metric) ? number(value, 1) : share(value));

/** The means, their difference with its interval, and what it means. */
function summary({ metric, queries, one, other, difference, differing }, side, context) {
  const names = [one, other].map(({ source }) => titleOf(context, source));
  const figure = ({ mean }, at) => h("p", { class: "metrics-figure" }, h("b", { class: "tabular" }, meanOf(metric, mean)), h("span", { class: "muted small" }, h("i", { class: `metrics-dot of-${at}` }), names[at]));
  const scaled = (value) => (isRank(metric) ? signed(value, 1) : `${signed(100 * value, 1)} points`);
  const kinds = { both: "differ", one: `are better answered by ${names[0]}`, other: `are better answered by ${names[1]}` };
  const ahead = names[(isRank(metric) ? -difference?.value : difference?.value) > 0 ? 0 : 1];
  const verdict = difference && (difference.p < 0.05 ? `${ahead} is significantly better` : "this may be chance");
  return h("div", { class: "row metrics-figures" }, [one, other].map(figure),
    difference && h("p", { class: "metrics-figure" }, h("b", { class: "tabular" }, scaled(difference.value)), h("span", { class: "muted small" }, `difference, 95 % interval ${scaled(difference.low)} to ${scaled(difference.high)}`)),
    h("p", { class: "small metrics-said" }, `Mean ${nameOf(metric)} over ${count(queries)} queries of both. `, difference && `The first minus the second: ${verdict} (${probability(difference.p)}). `, h("span", { class: "muted" }, `${count(differing)} of the queries ${kinds[side]}.`)));
}

function page(answer, asked, context) {
  const head = summary(answer, asked.side, context), { rows, metric } = answer;
  if (rows.length === 0) return h("div", { class: "stack" }, head, empty("No such query", `No query has another ${nameOf(metric)}${asked.side === "both" ? "" : " in favour of this model"}.`));
  const most = Math.max(...rows.flatMap(({ one_rank: one, other_rank: other }) => [one, other]), 2);
  const axis = h("div", { class: "metrics-difference metrics-axis small muted", "aria-hidden": "true" }, h("span", {}, "query"),
    h("span", { class: "metrics-rank-axis tabular" }, h("span", {}, "rank 1"), h("span", {}, "first correct entry"), h("span", {}, `rank ${asRank(most)}`)), h("span", { class: "metrics-ranks" }, metric === FIRST_RANK ? "ranks" : `ranks, ${nameOf(metric)}`));
  const more = MANY.find((each) => each > rows.length), next = rows.length === asked.count && answer.differing > rows.length && more;
  return h("div", { class: "stack" }, head,
    h("p", { class: "muted small" }, "The queries that differ most come first; ranks are on a logarithmic scale. A click searches with both models, side by side."),
    h("div", {}, axis, h("ol", { class: "metrics-differences-list", "aria-label": "Queries that differ most" }, rows.map((row) => rowOf(row, { most, metric, asked }, context)))),
    next && h("div", {}, button(`Show the first ${next}`, () => context.go({ many: String(next) }))));
}

function rowOf({ entry, one, other, one_rank: first, other_rank: second }, { most, metric, asked }, context) {
  const columns = [asked.one, asked.other].map((source) => ({ source, index: "exact" })), among = asked.direction.split("_to_")[1];
  const href = context.href({ page: "search", query: queryOf(entry), columns, among, labels: [] });
  const values = metric === FIRST_RANK ? null : [one, other], names = [asked.one, asked.other].map((id) => titleOf(context, id));
  const said = [first, second].map((rank, at) => h("span", {}, h("i", { class: `metrics-dot of-${at}`, title: names[at] }), h("b", { class: "tabular" }, asRank(rank)), values && h("span", { class: "muted tabular" }, number(values[at]))));
  const spoken = [first, second].map((rank, at) => `${names[at]} rank ${asRank(rank)}${values ? `, ${nameOf(metric)} ${number(values[at])}` : ""}`).join("; ");
  return h("li", { dataset: { id: entry.id } }, h("a", { class: "metrics-difference", href, "aria-label": `${describe(entry)}: ${spoken}` },
    h("span", { class: "metrics-query" }, thumb(entry), h("span", { class: "metrics-query-text" }, describe(entry), entry.label && h("span", { class: "muted small" }, entry.label))),
    dumbbell(first, second, most), h("span", { class: "metrics-ranks" }, said)));
}

/** Both ranks on one logarithmic line, joined: a disc for the first model, a diamond for the second. */
function dumbbell(first, second, most) {
  const at = (rank) => (100 * Math.log(rank)) / Math.log(most), ends = [at(first), at(second)];
  const joint = { left: `${Math.min(...ends)}%`, width: `${Math.abs(ends[0] - ends[1])}%` };
  return h("span", { class: "metrics-dumbbell", "aria-hidden": "true" }, h("i", { class: "metrics-joint", style: joint }),
    ends.map((end, model) => h("i", { class: `metrics-dot of-${model}`, style: { left: `${end}%` } })));
}
