// One plot: tabs, a canvas that is drawn anew after each change, and how it is moved.
class Pane {
  constructor(parent, tab) {
    this.root = make("section", parent, { className: "pane" });
    this.buttons = make("div", this.root, { className: "tabs" }, { role: "tablist" });
    tabs.forEach((each, at) => {
      const button = make("button", this.buttons, { type: "button", textContent: each.name }, { role: "tab" });
      button.addEventListener("click", () => this.open(at));
    });
    this.buttons.hidden = tabs.length < 2;
    const plot = make("div", this.root, { className: "plot" });
    this.canvas = make("canvas", plot, { tabIndex: 0 }, { role: "img" });
    this.count = make("div", plot, { className: "count" });
    const zoom = make("div", plot, { className: "zoom" });
    const control = (text, label, act) =>
      make("button", zoom, { type: "button", textContent: text }, { "aria-label": label, title: label }).addEventListener("click", act);
    control("−", "zoom out", () => this.zoomAtMiddle(1 / 1.5));
    control("+", "zoom in", () => this.zoomAtMiddle(1.5));
    control("⌂", "see all", () => this.fit());
    this.pointers = new Map();
    this.listen();
    new ResizeObserver(() => this.resize()).observe(plot);
    this.open(tab);
  }

  open(at) {
    this.tab = tabs[at];
    [...this.buttons.children].forEach((button, n) => button.setAttribute("aria-selected", n === at));
    this.canvas.setAttribute("aria-label", `${this.tab.name}: ${this.tab.entry.length} points`);
    this.fit();
  }

  resize() {
    const { clientWidth, clientHeight } = this.canvas, density = window.devicePixelRatio || 1;
    const changed = this.width !== clientWidth || this.height !== clientHeight;
    [this.width, this.height] = [clientWidth, clientHeight];
    [this.canvas.width, this.canvas.height] = [clientWidth * density, clientHeight * density];
    changed ? this.fit() : this.draw();
  }

  /** Show all points, one unit as long in both directions. */
  fit() {
    const { x, y } = this.tab;
    const range = (values) => values.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [Infinity, -Infinity]);
    const [left, right] = range(x), [low, high] = range(y), padding = 26;
    const across = Math.max(right - left, 1e-9), along = Math.max(high - low, 1e-9);
    this.scale = Math.min(((this.width || 300) - 2 * padding) / across, ((this.height || 300) - 2 * padding) / along);
    this.originX = this.width / 2 - (this.scale * (left + right)) / 2;
    this.originY = this.height / 2 + (this.scale * (low + high)) / 2;
    this.fitted = this.scale;
    this.draw();
  }

  place(at) {
    return [this.originX + this.scale * this.tab.x[at], this.originY - this.scale * this.tab.y[at]];
  }

  zoom(factor, x, y) {
    const scale = Math.min(Math.max(this.scale * factor, this.fitted / 4), this.fitted * 400);
    const real = scale / this.scale;
    this.originX = x + (this.originX - x) * real;
    this.originY = y + (this.originY - y) * real;
    this.scale = scale;
    this.draw();
  }

  zoomAtMiddle(factor) { this.zoom(factor, this.width / 2, this.height / 2); }

  get radius() {
    const crowd = this.tab.entry.length > 1500 ? 3 : this.tab.entry.length > 400 ? 4 : 5.5;
    return crowd * Math.min(Math.max((this.scale / this.fitted) ** 0.25, 0.8), 2);
  }

  draw() {
    if (!this.width) return;
    const pen = this.canvas.getContext("2d"), density = window.devicePixelRatio || 1;
    const style = getComputedStyle(document.documentElement);
    const outline = style.getPropertyValue("--outline"), ink = style.getPropertyValue("--ink");
    pen.setTransform(density, 0, 0, density, 0, 0);
    pen.clearRect(0, 0, this.width, this.height);
    let shown = 0, at = -1;
    const r = this.radius;
    const point = (n, size, edge, width) => {
      const entry = entries[this.tab.entry[n]], path = marker(modalities[entry.modality].shape, ...this.place(n), size);
      pen.fillStyle = classes[entry.class][darkPage.matches ? "dark" : "colour"];
      pen.fill(path);
      pen.strokeStyle = edge; pen.lineWidth = width;
      pen.stroke(path);
    };
    for (let n = 0; n < this.tab.entry.length; n++) {
      const entry = entries[this.tab.entry[n]];
      if (!isShown(entry)) continue;
      shown++;
      if (this.tab.entry[n] === hovered) { at = n; continue; }
      pen.globalAlpha = emphasised === null ? 0.85 : emphasised === entry.class ? 1 : 0.12;
      point(n, r, outline, 1);
    }
    pen.globalAlpha = 1;
    if (at >= 0) point(at, 1.7 * r, ink, 2);
    const all = this.tab.entry.length.toLocaleString("en");
    this.count.textContent = shown === this.tab.entry.length ? `${all} points` : `${shown.toLocaleString("en")} of ${all} points`;
  }

  /** The entry nearest to (x, y), within a finger's or a pointer's reach; null when there is none. */
  nearest(x, y, reach) {
    let best = reach * reach, found = null;
    for (let n = 0; n < this.tab.entry.length; n++) {
      if (!isShown(entries[this.tab.entry[n]])) continue;
      const [px, py] = this.place(n), distance = (px - x) ** 2 + (py - y) ** 2;
      if (distance <= best) { best = distance; found = this.tab.entry[n]; }
    }
    return found;
  }

  listen() {
    const canvas = this.canvas;
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.03 : 0.0015)), event.offsetX, event.offsetY);
    }, { passive: false });
    canvas.addEventListener("dblclick", () => this.fit());
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
      if (event.pointerType !== "mouse") this.point(event, 22);
    });
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => {
        this.pointers.delete(event.pointerId);
        canvas.classList.remove("held");
      });
    }
    canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") hover(null); });
    canvas.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] }[event.key];
      if (moves) { this.originX += moves[0]; this.originY += moves[1]; this.draw(); }
      else if (event.key === "+" || event.key === "=") this.zoomAtMiddle(1.5);
      else if (event.key === "-") this.zoomAtMiddle(1 / 1.5);
      else if (event.key === "0") this.fit();
      else return;
      event.preventDefault();
    });
  }

  move(event) {
    const before = this.pointers.get(event.pointerId), now = [event.offsetX, event.offsetY];
    if (!before) { this.point(event, 10); return; }
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.pointers.set(event.pointerId, now);
    if (other) {
      const apart = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]) || 1;
      this.zoom(apart(now) / apart(before), other[0], other[1]);
    } else {
      this.originX += now[0] - before[0];
      this.originY += now[1] - before[1];
      this.draw();
    }
    if (Math.hypot(now[0] - before[0], now[1] - before[1]) > 1) { this.canvas.classList.add("held"); hover(null); }
  }

  point(event, reach) { hover(this.nearest(event.offsetX, event.offsetY, reach), event); }
}
