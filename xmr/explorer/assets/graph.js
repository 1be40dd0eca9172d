// The graph page: the first results of one model, clustered, with edges between those that resemble each other.
import { ApiError, post } from "./api.js";
import { count, duration, h, plural, put } from "./dom.js";
import { GraphPlot } from "./graph-plot.js";
import { clusterList, legend, nodeCard } from "./graph-side.js";
import { empty, failure, loading, slowly } from "./messages.js";
import { indexFor, indexSelect, sourceSelect } from "./sources.js";
import { asked, bodyOf } from "./state.js";

// Own keys: gsource, gindex (else those of the first column), gn (how many results), gk (how many clusters), gc (the cluster that stays lit).
const LENGTHS = [20, 50, 100], FIRST = 50, MOST_CLUSTERS = 10;
const SLOW = "Still working: the first query of a model reads its vectors and weights, which takes seconds, or minutes for a large one.";
let view = null;

export async function show(root, state, context) {
  view ??= new GraphPage(root);
  await view.show(state, context);
}

export function leave() {
  view?.plot.stop();
  view = null;
}

const whole = (text, least, most) => (/^\d+$/.test(text ?? "") && Number(text) >= least && Number(text) <= most ? Number(text) : null);

class GraphPage {
  constructor(root) {
    this.tools = h("div", { class: "row graph-tools" });
    this.notice = h("div", { class: "graph-notice" });
    this.plot = new GraphPlot((at) => this.point(at));
    this.card = h("div", { class: "panel graph-card" });
    this.legend = h("div", {});
    this.clusters = h("div", {});
    this.body = h("div", { class: "graph-body", hidden: true }, this.plot.element, h("aside", { class: "graph-side", "aria-label": "Scores and clusters" }, this.card, this.legend, this.clusters));
    put(root, this.tools, this.notice, this.body);
  }

  /** What the server is asked for; the same text, the same answer. */
  request({ query, columns, among, labels, gsource, gindex, gn, gk }) {
    const column = { source: gsource ?? columns[0].source, index: gindex ?? columns[0].index };
    return { query: bodyOf(query), column, among, labels, n: whole(gn, 1, 200) ?? FIRST, clusters: whole(gk, 1, 12) };
  }

  async show(state, context) {
    const asks = this.request(state), fromGraph = this.plot.svg.contains(document.activeElement);
    Object.assign(this, { state, context, asks });
    this.drawTools();
    if (!asked(state.query)) return this.note(empty("Nothing is asked yet", "Describe what you look for, drop a picture anywhere, or take a query of the evaluation above: its first results are drawn here as a graph of what resembles what."));
    if (this.answered === JSON.stringify(asks)) return this.pin();
    try {
      await this.ask(asks);
    } catch (error) {
      if (context.signal.aborted || !(error instanceof ApiError)) throw error;
      return this.note(failure(error, () => context.go({}, { replace: true })));
    }
    if (fromGraph) this.plot.focus(0);
  }

  note(element) {
    this.answered = null;
    this.body.hidden = true;
    put(this.notice, element);
  }

  async ask(asks) {
    const { signal } = this.context, wait = loading("Searching, clustering and placing the results…");
    if (this.body.hidden) put(this.notice, wait);
    slowly(wait, SLOW);
    this.body.setAttribute("aria-busy", "true");
    const answer = await post("/api/graph", asks, signal);
    if (signal.aborted) return;
    this.body.removeAttribute("aria-busy");
    if (answer.nodes.length === 0) return this.note(this.nothing());
    this.answered = JSON.stringify(asks);
    this.draw(answer);
  }

  nothing() {
    const { labels, among } = this.state, all = h("button", { type: "button", onclick: () => this.context.go({ labels: [] }) }, "Search in all labels");
    if (labels.length > 0) return empty("Nothing has these labels", `No ${among} of this source has the label ${labels.join(" or ")}.`, all);
    return empty("Nothing to search in", `This source holds no ${among}s other than the query itself.`);
  }

  draw(answer) {
    this.answer = answer;
    put(this.notice);
    this.body.hidden = false;
    this.plot.draw(answer, this.context);
    put(this.legend, legend(answer, answer.nodes.some(({ relevant }) => relevant !== null)));
    this.point(null);
    this.drawTools();
    this.pin();
    const { nodes, clusters } = answer, correct = nodes.filter(({ relevant }) => relevant).length;
    this.context.announce(`${plural(nodes.length, "result")} in ${plural(clusters.count, "cluster")}${correct ? `, ${correct} correct` : ""}.`);
  }

  drawTools() {
    const { state, context, asks } = this, { catalog, go } = context;
    const option = (value, text, chosen) => h("option", { value, selected: value === chosen }, text);
    const chosen = String(asks.clusters ?? ""), numbers = Array.from({ length: MOST_CLUSTERS - 1 }, (_, at) => String(at + 2));
    if (chosen && !numbers.includes(chosen)) numbers.push(chosen);
    const clusters = h("select", { "aria-label": "How many clusters", onchange: (event) => go({ gk: event.target.value || null, gc: null }) },
      option("", "as many as fit best", chosen), numbers.map((many) => option(many, many, chosen)));
    const lengths = [...new Set([...LENGTHS, asks.n])].sort((one, other) => one - other);
    const length = h("select", { "aria-label": "How many results", onchange: (event) => go({ gn: event.target.value === String(FIRST) ? null : event.target.value, gc: null }) },
      lengths.map((many) => option(String(many), many, String(asks.n))));
    const shown = asked(state.query) && this.answered && this.answer, saved = indexFor(catalog, asks.column.index) !== asks.column.index;
    put(this.tools,
      sourceSelect(catalog, asks.column.source, (source) => go({ gsource: source, gindex: saved ? "exact" : state.gindex, gc: null }), "Model of the graph"),
      indexSelect(catalog, { ...asks.column, among: state.among }, (index) => go({ gindex: index, gc: null }), "Index of the graph"),
      h("label", { class: "row tight" }, h("span", { class: "muted small" }, "first"), length),
      h("label", { class: "row tight" }, h("span", { class: "muted small" }, "clusters"), clusters),
      shown && h("span", { class: "muted small tabular push" }, this.summary()));
  }

  summary() {
    const { nodes, timing } = this.answer, known = nodes.some(({ relevant }) => relevant !== null);
    return [plural(nodes.length, "result"), known && `${count(nodes.filter(({ relevant }) => relevant).length)} correct`, duration(timing.total_ms)].filter(Boolean).join(" · ");
  }

  point(at) {
    if (!this.answer) return;
    if (at === null) this.rest();
    else this.plot.lightNode(at);
    nodeCard(this.card, this.answer, at, this.context);
  }

  /** What is lit while nothing is pointed at: the pinned cluster, or everything. */
  rest() {
    if (this.pinned === null || this.pinned === undefined) this.plot.light(null);
    else this.plot.lightCluster(this.pinned);
  }

  /** Draw the list of clusters with the one that the address keeps lit. */
  pin() {
    const { answer, state, context } = this, focused = document.activeElement?.closest?.(".graph-clusters li")?.dataset.cluster;
    this.pinned = whole(state.gc, 1, answer.clusters.count);
    if (this.pinned !== null) this.pinned -= 1;
    const lights = (cluster) => (cluster === null ? this.rest() : this.plot.lightCluster(cluster));
    const pins = (cluster) => context.go({ gc: cluster === null ? null : String(cluster + 1) }, { replace: true });
    put(this.clusters, clusterList(answer, this.pinned, { context, lights, points: (at) => this.point(at), pins }));
    this.rest();
    if (focused !== undefined) this.clusters.querySelector(`li[data-cluster="${focused}"] button`)?.focus();
  }
}
