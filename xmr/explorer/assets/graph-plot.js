// The graph as a drawing: the query in the middle, results as pictures, edges between similar ones.
import { sized } from "./api.js";
import { describe } from "./cards.js";
import { h, number, put, s } from "./dom.js";
import { Camera, Gestures } from "./gestures.js";
import { nextPlace, placed } from "./graph-layout.js";
import { HUES } from "./hues.js";
import { queryOf } from "./state.js";

const TICK = "M-3.6 .3 -1 3 4-3";
const shortened = (text, most = 22) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const line = (kind, from, to, style) => s("line", { class: kind, x1: from.x, y1: from.y, x2: to.x, y2: to.y, style });
export const tint = (cluster) => HUES[cluster % HUES.length];

/** A circle around (0, 0) with words in it. */
function wordDisc(words, radius) {
  const frame = { x: -radius, y: -radius, width: 2 * radius, height: 2 * radius }, size = Math.min(Math.max(radius * 0.26, 7), 13);
  return [s("circle", { class: "graph-back", r: radius - 2 }), s("foreignObject", frame, h("div", { class: "graph-words", style: { "font-size": `${size}px` } }, h("span", {}, words)))];
}

/** An entry in a circle around (0, 0): a picture, or the words of a text. */
function disc(entry, radius) {
  if (entry.modality === "text") return wordDisc(describe(entry), radius);
  const inner = radius - 2, back = s("circle", { class: "graph-back pictured", r: inner });
  if (!entry.picture) return [back, s("text", { class: "graph-letter", dy: ".35em", "font-size": radius }, "?")];
  const frame = { x: -inner, y: -inner, width: 2 * inner, height: 2 * inner };
  return [back, s("image", { ...frame, href: sized(entry.picture, 192), preserveAspectRatio: "xMidYMid slice", "clip-path": "url(#graph-clip)" })];
}

export class GraphPlot {
  /** `onPoint(index or null)` is told which node the user looks at. */
  constructor(onPoint) {
    this.onPoint = onPoint;
    this.scene = s("g", {});
    this.svg = s("svg", { class: "graph-svg", role: "group", "aria-label": "Graph of the results" },
      s("defs", {}, s("clipPath", { id: "graph-clip", clipPathUnits: "objectBoundingBox" }, s("circle", { cx: 0.5, cy: 0.5, r: 0.5 }))), this.scene);
    this.camera = new Camera(() => ({ scale: 1, x: 0, y: 0 }), () => this.moved(), { least: 0.7, most: 6 });
    this.gestures = new Gestures(this.svg, this.camera, { arrows: false });
    this.element = h("div", { class: "graph-plot" }, this.svg, this.gestures.buttons());
    this.size = [0, 0];
    this.observer = new ResizeObserver(() => this.resized());
    this.observer.observe(this.svg);
    this.listen();
  }

  stop() {
    this.observer.disconnect();
  }

  moved() {
    this.scene.setAttribute("transform", `translate(${this.camera.x} ${this.camera.y}) scale(${this.camera.scale})`);
  }

  measured() {
    const { width, height } = this.svg.getBoundingClientRect();
    return [Math.round(width), Math.round(height)];
  }

  resized() {
    if (this.answer && this.measured()[0] && String(this.measured()) !== String(this.size)) this.paint();
  }

  draw(answer, context) {
    Object.assign(this, { answer, context, current: 0 });
    this.camera.fit();
    this.paint();
  }

  paint() {
    this.size = this.measured();
    const { nodes, edges, query } = this.answer;
    Object.assign(this, placed(nodes, ...this.size));
    this.lines = edges.map(({ a, b, weight }) => line("graph-edge", this.circles[a], this.circles[b], { "--weight": weight }));
    this.links = nodes.map((node, at) => this.node(node, at));
    this.over = s("g", { class: "graph-over", "aria-hidden": "true" });
    this.says = s("g", { class: "graph-says", "aria-hidden": "true" });
    const heaviestLast = edges.map((_, at) => at).sort((one, other) => edges[one].weight - edges[other].weight).map((at) => this.lines[at]);
    put(this.scene, heaviestLast, this.over, this.center(query), this.links, this.says);
    this.svg.setAttribute("aria-label", `Graph of ${nodes.length} results around the query`);
  }

  node(node, at) {
    const { x, y, radius } = this.circles[at], edge = radius * 0.72;
    const name = [`rank ${node.rank}`, describe(node), node.relevant && "correct", `similarity ${number(node.similarity, 3)}`, `cluster ${node.cluster + 1}`].filter(Boolean).join(", ");
    const small = Math.min(1, Math.max(radius / 28, 0.7)), corner = (kind, x, ...children) => s("g", { class: kind, transform: `translate(${x} ${-edge}) scale(${small})` }, children);
    const rank = corner("graph-rank", -edge, s("circle", { r: 8.5 }), s("text", { dy: ".35em" }, node.rank)), tick = corner("graph-tick", edge, s("circle", { r: 8 }), s("path", { d: TICK }));
    const link = { href: this.context.href({ query: queryOf(node) }), "aria-label": name, tabindex: at === this.current ? 0 : -1 };
    return s("a", { class: "graph-node", ...link, transform: `translate(${x} ${y})`, style: { "--tint": tint(node.cluster) }, dataset: { at, key: node.key, cluster: node.cluster } },
      disc(node, radius), s("circle", { class: "graph-ring", r: radius - 1.5 }), rank, node.relevant && tick);
  }

  center({ description, picture, text, entry }) {
    const { x, y, radius } = this.middle, shown = picture ?? (entry?.modality === "text" ? null : entry?.picture), words = text || (!shown && description);
    const inside = disc(shown ? { picture: shown, modality: "image" } : { text: words, modality: "text" }, radius);
    const below = shown && s("text", { class: "graph-name", y: radius + 13 }, shortened(words || "the query", 30));
    return s("g", { class: "graph-query", transform: `translate(${x} ${y})` }, s("title", {}, `The query: ${description}`), inside, s("circle", { class: "graph-ring", r: radius }), below);
  }

  listen() {
    const at = (event) => event.target.closest?.(".graph-node")?.dataset.at;
    const point = (event) => this.onPoint(at(event) === undefined ? this.focused() : Number(at(event)));
    this.svg.addEventListener("pointerover", (event) => event.pointerType !== "touch" && point(event));
    this.svg.addEventListener("pointerleave", () => this.onPoint(this.focused()));
    this.svg.addEventListener("focusin", point);
    this.svg.addEventListener("focusout", () => this.onPoint(null));
    this.svg.addEventListener("keydown", (event) => at(event) !== undefined && this.key(event, Number(at(event))));
    let seen; // a finger has no hover: its first tap shows, its second asks
    this.svg.addEventListener("pointerdown", (event) => (seen = event.pointerType !== "touch" || this.lit === Number(at(event))), { capture: true });
    this.svg.addEventListener("click", (event) => {
      if (seen !== false || at(event) === undefined) return;
      event.preventDefault();
      this.onPoint(Number(at(event)));
    });
  }

  focused() {
    const { activeElement: active } = document;
    return this.svg.contains(active) && active.matches(".graph-node:focus-visible") ? Number(active.dataset.at) : null;
  }

  key(event, at) {
    const ends = { Home: 0, End: this.links.length - 1 };
    const next = ends[event.key] ?? nextPlace(this.circles, at, event.key);
    if (event.key === "i") this.context.details(this.answer.nodes[at]);
    if (next === null) return;
    event.preventDefault();
    this.focus(next);
  }

  /** Give node `at` the focus, and bring it into the view. */
  focus(at) {
    this.links[this.current].setAttribute("tabindex", -1);
    this.links[at].setAttribute("tabindex", 0);
    this.current = at;
    const { camera, size } = this, circle = this.circles[at], border = circle.radius * camera.scale, x = circle.x * camera.scale + camera.x, y = circle.y * camera.scale + camera.y;
    const into = (value, most) => Math.max(border - value, 0) + Math.min(most - border - value, 0);
    if (camera.scale > 1) camera.pan(into(x, size[0]), into(y, size[1]));
    this.links[at].focus({ preventScroll: true });
  }

  /** Show only these nodes and the edges that `keeps(edge)`; null: everything. */
  light(nodes, keeps) {
    this.svg.classList.toggle("pointed", nodes !== null);
    this.links?.forEach((link, at) => link.classList.toggle("lit", nodes?.has(at) ?? false));
    this.lines?.forEach((line, at) => line.classList.toggle("lit", nodes !== null && keeps(this.answer.edges[at])));
    put(this.over);
    put(this.says);
    this.lit = null;
  }

  lightNode(at) {
    const { edges } = this.answer, own = edges.filter(({ a, b }) => a === at || b === at);
    this.light(new Set([at, ...own.map(({ a, b }) => (a === at ? b : a))]), ({ a, b }) => a === at || b === at);
    this.lit = at;
    const here = this.circles[at], said = (from, to, similarity) => s("text", { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2, dy: ".35em" }, number(similarity));
    put(this.over, line("graph-spoke", this.middle, here));
    put(this.says, own.map(({ a, b, similarity }) => said(this.circles[a], this.circles[b], similarity)), said(this.middle, here, this.answer.nodes[at].similarity));
  }

  lightCluster(cluster) {
    const members = new Set(this.answer.nodes.flatMap((node, at) => (node.cluster === cluster ? [at] : [])));
    this.light(members, ({ a, b }) => members.has(a) && members.has(b));
  }
}
