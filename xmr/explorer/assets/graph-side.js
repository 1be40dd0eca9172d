// Beside the graph: what the node in focus is, what lines and rings mean, and the clusters with their members.
import { describe, figure, thumb } from "./cards.js";
import { h, number, percent, plural, put, s, sign } from "./dom.js";
import { tint } from "./graph-plot.js";
import { queryOf } from "./state.js";

const SAMPLES = [0, 0.25, 0.5, 0.75, 1], NEAREST = 3;
const hint = () => h("p", { class: "muted small" }, "Point at a picture, or reach it with Tab and the arrow keys, to see its scores and what it resembles. A click or Enter searches with it.");

/** The most frequent label among entries and how many have it; null where there are none. */
function usual(entries) {
  const counts = new Map();
  for (const { label } of entries) if (label) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts].sort((one, other) => other[1] - one[1])[0] ?? null;
}

/** The card of node `at` of an answer, or a hint. */
export function nodeCard(card, answer, at, context) {
  if (at === null) return put(card, hint());
  const node = answer.nodes[at];
  const near = answer.edges.filter(({ a, b }) => a === at || b === at).map(({ a, b, similarity }) => ({ node: answer.nodes[a === at ? b : a], similarity }))
    .sort((one, other) => other.similarity - one.similarity).slice(0, NEAREST);
  const fact = (name, value) => [h("dt", {}, name), h("dd", { class: "tabular" }, value)];
  put(card, figure(node, { className: "graph-card-picture" }), h("div", { class: "graph-card-facts" },
    h("p", { class: "graph-card-name", title: describe(node) }, describe(node)),
    h("dl", { class: "facts" }, fact("Rank", [node.rank, node.relevant && h("span", { class: "graph-correct" }, h("span", { class: "tick" }, sign("tick")), "correct")]),
      fact("Similarity", number(node.similarity, 3)), node.score !== node.similarity && fact("Index score", number(node.score, 3)),
      fact("Cluster", [h("i", { class: "graph-dot", style: { "--tint": tint(node.cluster) } }), node.cluster + 1]),
      node.silhouette !== null && fact("Silhouette", number(node.silhouette)))),
    h("div", { class: "graph-card-foot" },
      node.label && h("p", { class: "small muted graph-card-label", title: node.label }, node.label),
      near.length > 0 && h("div", { class: "graph-nears small muted" }, "resembles", near.map(({ node: other, similarity }) =>
        h("span", { class: "graph-near", title: describe(other) }, thumb(other), number(similarity)))),
      h("button", { type: "button", class: "quiet graph-details", onclick: () => context.details(node) }, sign("info"), "Details")));
}

/** What lines, rings and ticks mean; `known`: whether it is known what is correct. */
export function legend({ scale, edges }, known) {
  const lines = s("svg", { class: "graph-scale", viewBox: "0 0 210 20", role: "img", "aria-label": "Thicker and less saturated edges join more similar results" },
    SAMPLES.map((weight, at) => s("line", { class: "graph-edge", x1: 4 + 42 * at, x2: 38 + 42 * at, y1: 10, y2: 10, style: { "--weight": weight } })));
  return h("div", { class: "graph-legend small" },
    edges.length > 0 && h("div", {}, h("h3", {}, "Edges: how similar two results are"), lines,
      h("div", { class: "graph-ends tabular muted" }, h("span", {}, `${number(scale.low)} less`), h("span", {}, `more ${number(scale.high)}`)),
      h("p", { class: "muted" }, "Each is joined to its 4 most similar: the thicker and the greyer, the more similar.")),
    h("p", { class: "muted" }, "A ring's colour is its cluster; the larger a picture, the more similar to the query in the middle."),
    known && h("p", { class: "row tight" }, h("span", { class: "tick" }, sign("tick")), "correct for this query"));
}

function spoken({ count, chosen, silhouette, sizes }) {
  if (count === 1) return "One cluster: there is nothing to divide.";
  const mean = silhouette === null ? "" : `mean silhouette ${number(silhouette)}`;
  return chosen ? `k-means; of 2 to 8 clusters, ${sizes.length} have the best ${mean}.` : `k-means with ${plural(count, "cluster")}${mean && `; ${mean}`}.`;
}

/** The clusters, each with its members; `lights(cluster or null)` and `points(at or null)` highlight, `pins(cluster)` keeps. */
export function clusterList(answer, pinned, { context, lights, points, pins }) {
  const { clusters, nodes } = answer;
  const items = clusters.sizes.map((size, cluster) => {
    const members = nodes.map((node, at) => ({ node, at })).filter(({ node }) => node.cluster === cluster), label = usual(members.map(({ node }) => node));
    const head = h("button", { type: "button", class: "graph-cluster", "aria-pressed": String(pinned === cluster), onclick: () => pins(pinned === cluster ? null : cluster),
      onfocus: () => lights(cluster), onblur: () => lights(null) },
      h("i", { class: "graph-dot", style: { "--tint": tint(cluster) } }), h("b", {}, `Cluster ${cluster + 1}`), h("span", { class: "tabular" }, plural(size, "result")),
      label && h("span", { class: "muted graph-label", title: `${label[0]}: ${label[1]} of ${size}` }, `${label[0].split("/").at(-1)} ${percent(label[1] / size)}`));
    const links = members.map(({ node, at }) => h("a", { href: context.href({ query: queryOf(node) }), tabindex: -1, title: `${node.rank}. ${describe(node)}`, "aria-label": `rank ${node.rank}, ${describe(node)}`,
      class: node.relevant ? "relevant" : null, onpointerenter: () => points(at), onpointerleave: () => points(null) }, thumb(node)));
    return h("li", { onpointerenter: () => lights(cluster), onpointerleave: () => lights(null), dataset: { cluster } }, head, h("div", { class: "graph-members" }, links));
  });
  return h("div", { class: "graph-clusters" }, h("h3", {}, plural(clusters.count, "cluster")), h("p", { class: "muted small" }, spoken(clusters)), h("ul", {}, items));
}
