// Precision of each class: its name is the query, a bar is the share of its images among the first k.
import { get } from "./api.js";
import { h, plural, put } from "./dom.js";
import { choice, deafNote, deafOf, keyOf, rivalSelect, share, titleOf } from "./metrics-parts.js";
import { segments, sourceSelect } from "./sources.js";
import { wordsOf } from "./state.js";

const DEPTHS = ["10", "50", "100"], DEPTH = "100", MOST_SEARCHED = 200;
const SAID = "Asking the model for every class by its name…";
const SLOW = "Still working: the first time, the model's weights and vectors are read.";

export async function drawClasses(section, state, context) {
  const first = state.msource ?? state.columns[0].source, ids = [first, state.mother].filter(Boolean), k = DEPTHS.includes(state.mk) ? state.mk : DEPTH;
  drawTools(section, { first, k }, state, context);
  if (deafOf(ids, context)) return section.say(deafNote(ids, context));
  const ask = () => Promise.all(ids.map((source) => get("/api/metrics/classes", { source, k }, context.signal)));
  await section.fill(JSON.stringify([ids, k]), ask, (answers) => page(answers, ids, state, context), { said: SAID, slow: SLOW, context });
}

function drawTools(section, { first, k }, state, context) {
  const { go } = context, sorts = [{ value: "precision", text: "Precision" }, { value: "name", text: "Name" }, { value: "count", text: "Images" }];
  if (state.mother) sorts.push({ value: "difference", text: "Difference", title: "where the two differ most" });
  put(section.tools,
    sourceSelect(context.catalog, first, (msource) => go({ msource, mother: msource === state.mother ? null : state.mother }), "Model of the classes"),
    rivalSelect(context, first, state.mother ?? "", (mother) => go({ mother: mother || null, msort: mother || state.msort !== "difference" ? state.msort : null })),
    choice("precision at", DEPTHS.map((depth) => [depth, depth]), k, (depth) => go({ mk: depth === DEPTH ? null : depth })),
    h("div", { class: "row tight" }, h("span", { class: "muted small" }, "sorted by"),
      segments("Sorted by", sorts, state.msort ?? "precision", (msort) => go({ msort: msort === "precision" ? null : msort }))));
}

/** Classes by label, each with the values of all models: {label, query, count, possible, values}. */
function classesOf(answers) {
  const rest = answers.slice(1).map(({ classes }) => new Map(classes.map((each) => [each.label, each.precision])));
  return answers[0].classes.map((each) => ({ ...each, values: [each.precision, ...rest.map((of) => of.get(each.label) ?? null)] }));
}

const KEYS = {
  name: ({ label }) => [label],
  count: ({ count, label }) => [-count, label],
  precision: ({ values, possible, label }) => [-values[0], possible, label],
  difference: ({ values, label }) => [-Math.abs((values[1] ?? values[0]) - values[0]), label],
};

/** Smaller keys first, part by part. */
function byKey(key) {
  return (one, other) => {
    const ours = key(one), theirs = key(other), at = ours.findIndex((part, place) => part !== theirs[place]);
    return at < 0 ? 0 : ours[at] < theirs[at] ? -1 : 1;
  };
}

/** The first round number that holds the value: the end of the bars' axis. */
const axisFor = (value) => [0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8].find((end) => value <= end + 1e-9) ?? 1;

function page(answers, ids, state, context) {
  const classes = classesOf(answers), [{ k, said }] = answers;
  const end = axisFor(Math.max(...classes.map(({ possible, values }) => Math.max(possible, ...values))));
  const order = classes.toSorted(byKey(KEYS[state.msort] ?? KEYS.precision));
  const best = classes.reduce((sum, { possible }) => sum + possible, 0) / classes.length;
  const figure = ({ mean }, at) => h("p", { class: "metrics-figure" }, h("b", { class: "tabular" }, share(mean)), h("span", { class: "muted small" }, ids.length > 1 ? `mean of ${titleOf(context, ids[at])}` : "mean"));
  const legend = [answers.length > 1 && keyOf(context, ids), h("span", { class: "metrics-key" }, h("span", {}, h("i", { class: "metrics-possible-sign" }), "best possible"), h("span", {}, h("i", { class: "metrics-mean-sign" }), "mean"))];
  return h("div", { class: "stack" },
    h("div", { class: "row metrics-figures" }, answers.map(figure),
      h("p", { class: "metrics-figure" }, h("b", { class: "tabular" }, share(best)), h("span", { class: "muted small" }, "best possible mean")),
      h("p", { class: "muted small metrics-said" }, said, ` A class with fewer than ${k} images can't fill them all: its best possible value is marked. A click searches for the class.`)),
    h("div", {},
      h("div", { class: "metrics-class metrics-axis small muted", "aria-hidden": "true" }, h("span", {}, plural(classes.length, "class", "classes")), h("span", { class: "metrics-count" }, "images"),
        h("span", { class: "metrics-ends tabular" }, h("span", {}, "0"), legend, h("span", {}, share(end))), h("span", {})),
      h("ol", { class: "metrics-classes-list", "aria-label": `Precision at ${k} by class` }, order.map((each) => classRow(each, { answers, end, ids, k, context })))));
}

function classRow({ label, query, count, possible, values }, { answers, end, ids, k, context }) {
  const part = (value) => `${(100 * value) / end}%`, names = values.length > 1 ? ids.map((id) => titleOf(context, id)) : [""];
  const columns = ids.map((source) => ({ source, index: "exact" }));
  const href = context.href({ page: "search", query: wordsOf(query), columns, among: "image", labels: [], k: Math.min(Math.max(k, 1), MOST_SEARCHED) });
  const spoken = values.map((value, at) => `${names[at]} ${value === null ? "unknown" : share(value)}`.trim()).join(", ");
  const bars = values.map((value, at) => value !== null && h("i", { class: `metrics-bar of-${at}`, style: { width: part(value) } }));
  const means = answers.map(({ mean }, at) => h("i", { class: `metrics-mean of-${at}`, style: { left: part(mean) } }));
  return h("li", { dataset: { label } }, h("a", { class: "metrics-class", href, title: `${label}: search for “${query}”`, "aria-label": `${label}, ${plural(count, "image")}: precision ${spoken}; best possible ${share(possible)}` },
    h("span", { class: "metrics-name" }, parents(label), h("b", {}, query)), h("span", { class: "metrics-count tabular muted" }, count),
    h("span", { class: "metrics-track" }, means, bars, h("i", { class: "metrics-possible", style: { left: part(possible) } })),
    h("span", { class: "metrics-value tabular" }, values.map((value) => h("span", {}, value === null ? "–" : share(value))))));
}

const parents = (label) => label.includes("/") && h("span", { class: "muted" }, `${label.split("/").slice(0, -1).join(" / ")} / `);
