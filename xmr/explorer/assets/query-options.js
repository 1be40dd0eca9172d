// The row below the query box: queries of the evaluation, label filter, how many results, among what.
import { button, h, sign } from "./dom.js";
import { evaluationDrawer } from "./drawer.js";
import { labelsDialog } from "./labels.js";
import { segments } from "./sources.js";

const LENGTHS = [10, 20, 30, 50, 100, 200];
const KINDS = { random: "Random", hard: "Hard", failed: "Failed" };
const MODALITIES = [
  { value: "image", text: "images" },
  { value: "text", text: "texts" },
];
const tight = (...children) => h("span", { class: "row tight" }, children);
const said = (...children) => h("span", { class: "muted small" }, children);

function lengthSelect({ k }, go) {
  const lengths = [...new Set([...LENGTHS, k])].sort((one, other) => one - other);
  const options = lengths.map((each) => h("option", { value: each, selected: each === k }, each));
  const choose = (event) => go({ k: Number(event.target.value) });
  return h("label", { class: "row tight" }, said("first"), h("select", { "aria-label": "How many results", onchange: choose }, options));
}

function labelFilter(state, context) {
  const { labels } = state;
  const chips = labels.map((label) => {
    const without = () => context.go({ labels: labels.filter((each) => each !== label) });
    return button([h("span", {}, label), sign("cross")], without, { class: "chip", "aria-label": `Stop filtering by ${label}` });
  });
  const name = labels.length > 0 ? "Labels" : "All labels";
  return [button([sign("filter"), name], () => labelsDialog(state, context), { class: "quiet" }), chips];
}

/** The row's parts for a state. */
export function queryOptions(state, context) {
  const evaluation = Object.entries(KINDS).map(([kind, name]) =>
    button(name, () => evaluationDrawer(kind, state, context), { class: "quiet" }));
  const among = segments("What is searched", MODALITIES, state.among, (value) => context.go({ among: value }));
  return [
    tight(said("queries", h("span", { class: "long" }, " of the evaluation")), evaluation),
    h("span", { class: "row tight push" }, labelFilter(state, context)),
    // the graph has a length of its own, the map shows all there is
    ...(state.page === "search" ? [lengthSelect(state, context.go)] : []),
    ...(state.page === "map" ? [] : [tight(said("among"), among)]),
  ];
}
