// One map: its points on a canvas, how they are moved and picked, and what is drawn over them.
import { address, ApiError, floats, get } from "./api.js";
import { count, h, percent, put } from "./dom.js";
import { Camera, Gestures } from "./gestures.js";
import { Lasso } from "./lasso.js";
import { Entries } from "./map-entries.js";
import { FlatPoints } from "./map-flat.js";
import { GLPoints } from "./map-gl.js";
import { SHAPES } from "./map-groups.js";
import { Grid } from "./map-index.js";
import { paintOver } from "./map-over.js";
import { Pace } from "./map-pace.js";
import { loading } from "./messages.js";

const PADDING = 26, EVERY = 1000, MOST = 400, REACH = { mouse: 10, pen: 14, touch: 22 };
const NAMES = { pca: "PCA", tsne: "t-SNE", umap: "UMAP" };
const SLOW = { pca: "PCA takes seconds.", tsne: "t-SNE of 5,000 points takes about a minute on two cores; it is kept for the next time.", umap: "UMAP of 10,000 points takes about a minute on two cores; it is kept for the next time." };

const pause = (ms, signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
});

/** Blocks of a map's numbers, y downwards as on the screen. */
function blocksOf(numbers, size) {
  const [x, y, label, modality, correct, cluster] = Array.from({ length: 6 }, (_, at) => numbers.subarray(at * size, (at + 1) * size));
  return { x, y: y.map((value) => -value), label, modality, correct, cluster };
}

export class MapPane {
  /** `page` is told of hover(pane, row, event), tap(pane, row, event), choose(pane, rows, words), draw(pane, outline) and moved(pane). */
  constructor(page) {
    Object.assign(this, { page, map: null, key: null, size: { width: 0, height: 0, density: 1 }, hidden: 0, visible: [], marks: {}, query: null, outline: null, frame: 0 });
    this.base = h("canvas", { class: "map-base", "aria-hidden": "true" });
    this.over = h("canvas", { class: "map-over", tabindex: 0, role: "application" });
    this.cover = h("div", { class: "map-cover" });
    this.foot = h("p", { class: "map-foot small muted" });
    this.pace = new Pace(() => this.draw());
    this.camera = new Camera(() => this.home(), () => this.moved(), { least: 0.3, most: MOST });
    this.lasso = new Lasso(this.over, () => this.draw({ points: false }), (path) => this.page.draw(this, path.map(([x, y]) => this.shareOf(...this.pointAt(x, y)))));
    this.gestures = new Gestures(this.over, this.camera, { claims: (event) => this.lasso.pointer !== null || this.lasso.takes(event) });
    this.lassoButton = h("button", { type: "button", "aria-pressed": "false", title: "Draw an outline around points (or hold Shift and drag)", onclick: () => this.switchLasso(!this.lasso.on) }, "Lasso");
    const inView = h("button", { type: "button", title: "List the points that are in view: for the keyboard, move with the arrows, zoom with + and −", onclick: () => this.chooseView() }, "List view");
    this.plot = h("div", { class: "map-plot" }, this.base, this.over, this.gestures.buttons(this.lassoButton, inView), this.cover);
    this.root = h("section", { class: "map-pane" }, this.plot, this.foot);
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.plot);
    this.listen();
  }

  stop() {
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
    this.pace.stop();
    this.root.remove();
    this.renderer?.stop();
  }

  /** Load a map, waiting while the server makes it; raises ApiError. True when it is another than before. */
  async load(source, method, signal) {
    const key = JSON.stringify([source.id, method]);
    if (this.key === key && this.map) return false;
    if (this.key !== key) this.began = performance.now();
    Object.assign(this, { key, map: null, codes: null, marks: {}, query: null });
    this.root.setAttribute("aria-label", `Map of ${source.title}`);
    put(this.foot);
    const status = await this.status(source, method, signal);
    const numbers = await floats(address("/api/map/points", { source: source.id, method }), signal);
    const points = blocksOf(numbers, status.count), [left, low, right, high] = status.bounds;
    const bounds = [left, -high, right, -low], shape = status.modalities.map((name) => SHAPES.indexOf(name));
    this.map = { status, points, bounds, grid: new Grid(points.x, points.y, bounds), shapes: Uint8Array.from(points.modality, (code) => shape[code]), entries: new Entries(source.id, method), source };
    this.start();
    this.renderer.setPoints(points.x, points.y, this.map.shapes);
    this.over.setAttribute("aria-label", `Map of ${source.title} by ${NAMES[method]}: ${count(status.count)} points. Arrow keys move it, plus and minus zoom, 0 shows all.`);
    put(this.cover);
    this.camera.put(this.home());
    return true;
  }

  async status(source, method, signal) {
    const element = loading(`Asking for the map of ${source.title}…`), hint = h("p", { class: "small" }, SLOW[method]);
    put(this.cover, h("div", { class: "map-wait" }, element));
    for (;;) {
      const status = await get("/api/map", { source: source.id, method }, signal);
      if (status.state === "ready") return status;
      if (status.state === "failed") throw new ApiError("unavailable", status.message);
      const seconds = Math.round((performance.now() - this.began) / 1000);
      element.querySelector(".loading-text").textContent = `Computing: ${status.message}${seconds > 2 ? ` (${seconds}\u00a0s)` : ""}`;
      if (seconds > 2 && !hint.isConnected) element.after(hint);
      await pause(EVERY, signal);
    }
  }

  /** The renderer, made once: WebGL 2 where the browser has it. */
  start() {
    if (this.renderer) return;
    const gl = this.base.getContext("webgl2", { antialias: false, alpha: true, premultipliedAlpha: true });
    this.renderer = gl ? new GLPoints(this.base, gl, () => this.draw()) : new FlatPoints(this.base);
    this.plot.dataset.drawn = gl ? "webgl2" : "canvas";
  }

  /** What the map shows and how, and more `parts` on the query. */
  say(...parts) {
    const { status, source } = this.map;
    const axes = status.variance && `the axes hold ${status.variance.map(percent).join(" and ")} of the variance`;
    const slower = this.plot.dataset.drawn === "canvas" && "drawn without WebGL 2, which this browser lacks: slower";
    const limit = status.count < status.total && `${NAMES[status.method]} draws at most ${count(status.limit)}`;
    put(this.foot, h("b", {}, source.title), " ", [status.said, limit, axes, slower].filter(Boolean).join(" · "), parts);
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.plot, density = devicePixelRatio || 1, view = this.map && this.view();
    this.size = { width, height, density };
    for (const canvas of [this.base, this.over]) [canvas.width, canvas.height] = [Math.round(width * density), Math.round(height * density)];
    if (view && width) this.look(view);
  }

  /** The camera that shows everything, one unit as long in both directions. */
  home() {
    const [left, top, right, bottom] = this.map?.bounds ?? [0, 0, 1, 1], { width, height } = this.size;
    const scale = Math.min((width - 2 * PADDING) / Math.max(right - left, 1e-9), (height - 2 * PADDING) / Math.max(bottom - top, 1e-9));
    return { scale, x: width / 2 - (scale * (left + right)) / 2, y: height / 2 - (scale * (top + bottom)) / 2 };
  }

  /** What is seen, whatever the size of the canvas: the middle as shares of the map's box, and the zoom. */
  view() {
    return [...this.shareOf(...this.pointAt(this.size.width / 2, this.size.height / 2)), this.camera.scale / this.camera.base];
  }

  /** A place as shares of the map's box, and back. */
  shareOf(x, y) {
    const [left, top, right, bottom] = this.map.bounds;
    return [(x - left) / (right - left || 1), (y - top) / (bottom - top || 1)];
  }

  placeOf(across, along) {
    const [left, top, right, bottom] = this.map.bounds;
    return [left + across * (right - left || 1), top + along * (bottom - top || 1)];
  }

  look([across, along, zoom]) {
    const { width, height } = this.size, home = this.home(), scale = home.scale * Math.min(Math.max(zoom, 0.3), MOST), [x, y] = this.placeOf(across, along);
    this.camera.put({ scale, x: width / 2 - scale * x, y: height / 2 - scale * y });
    this.draw();
  }

  moved() {
    this.pace.moved();
    this.draw();
    if (this.map) this.page.moved(this);
  }

  pointAt(x, y) {
    return [(x - this.camera.x) / this.camera.scale, (y - this.camera.y) / this.camera.scale];
  }

  pixelOf(x, y) {
    return [this.camera.x + this.camera.scale * x, this.camera.y + this.camera.scale * y];
  }

  get radius() {
    const many = this.map.status.count, crowd = many > 100_000 ? 1.4 : many > 20_000 ? 2 : many > 5000 ? 2.8 : many > 1500 ? 3.6 : many > 400 ? 4.6 : 6;
    return crowd * Math.min(Math.max((this.camera.scale / this.camera.base) ** 0.3, 0.8), 3);
  }

  /** Draw in the next frame: the points too, or only what lies over them. */
  draw({ points = true } = {}) {
    this.stale ||= points;
    if (this.frame || !this.map) return;
    this.frame = requestAnimationFrame((now) => {
      this.frame = 0;
      if (!this.map || !this.codes || !this.size.width) return;
      if (this.stale) this.renderer.draw(this.camera, { ...this.size, radius: this.radius, hidden: this.hidden, paper: this.theme.rgb, most: this.pace.most(now, this.map.status.count) });
      this.stale = false;
      paintOver(this);
    });
  }

  /** Colours: the group of each point, [r, g, b, alpha] of each group and whether it is shown, a bit for each hidden shape, and the page's own colours. */
  colour({ codes, looks, visible, hidden, theme }) {
    if (this.codes !== codes) this.renderer.setGroups(codes);
    Object.assign(this, { codes, visible, hidden, theme });
    this.renderer.setLooks(looks);
    this.draw();
  }

  isShown = (row) => this.visible[this.codes[row]] && !((this.hidden >> this.map.shapes[row]) & 1);

  /** Ring these rows: {hovered, linked, near}. */
  mark(marks) {
    Object.assign(this.marks, marks);
    this.draw({ points: false });
  }

  /** Emphasise these rows; null: none. */
  setChosen(rows) {
    if (!this.map) return;
    const chosen = rows && new Uint8Array(this.map.status.count);
    for (const row of rows ?? []) chosen[row] = 1;
    this.renderer.setChosen(chosen);
    this.draw();
  }

  /** Show an outline [[across, along], ...] in shares of the map's box, or none: the rows of the shown points in it. */
  setOutline(corners) {
    this.outline = corners?.map((corner) => this.placeOf(...corner)) ?? null;
    this.draw({ points: false });
    return this.outline ? this.map.grid.inside(this.outline, this.isShown) : [];
  }

  chooseView() {
    if (!this.map) return;
    const { width, height } = this.size, corners = [[0, 0], [width, 0], [width, height], [0, height]];
    this.page.choose(this, this.map.grid.inside(corners.map(([x, y]) => this.pointAt(x, y)), this.isShown), "in view");
  }

  switchLasso(on) {
    this.lasso.on = on;
    this.lassoButton.setAttribute("aria-pressed", String(on));
    this.over.classList.toggle("lassoing", on);
  }

  nearest(event) {
    if (!this.map || !this.codes) return null;
    const [x, y] = this.pointAt(...this.gestures.at(event));
    return this.map.grid.nearest(x, y, (REACH[event.pointerType] ?? REACH.mouse) / this.camera.scale, this.isShown);
  }

  listen() {
    this.over.addEventListener("pointermove", (event) => event.pointerType === "mouse" && this.page.hover(this, event.buttons ? null : this.nearest(event), event));
    this.over.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && this.page.hover(this, null, event));
    this.over.addEventListener("click", (event) => this.lasso.on || event.shiftKey || this.page.tap(this, this.nearest(event), event));
  }
}
