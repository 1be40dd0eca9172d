// Moving a view by hand: dragging, the wheel, two fingers and keys become pan, zoom and fit.
import { h } from "./dom.js";

const STILL = 4, STEP = 60, FACTOR = 1.5;
const ARROWS = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] };

/** A view of a plane: pixel = (x, y) + scale * point. `home()` is the view of everything: {scale, x, y}. */
export class Camera {
  constructor(home, changed, { least = 0.5, most = 8 } = {}) {
    Object.assign(this, { home, changed, least, most, scale: 1, x: 0, y: 0, base: 1 });
  }

  /** Set what is seen without telling anybody. */
  put({ scale, x, y }) {
    this.base = this.home().scale;
    Object.assign(this, { scale: Math.min(Math.max(scale, this.base * this.least), this.base * this.most), x, y });
  }

  fit() {
    this.put(this.home());
    this.changed();
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.changed();
  }

  /** Zoom so that the point under the pixel (x, y) stays there. */
  zoom(factor, x, y) {
    const before = this.scale;
    this.put({ scale: before * factor, x: this.x, y: this.y });
    const real = this.scale / before;
    this.x = x + (this.x - x) * real;
    this.y = y + (this.y - y) * real;
    this.changed();
  }
}

const apart = ([x1, y1], [x2, y2]) => Math.hypot(x1 - x2, y1 - y2);

/** Hands of the user on `element`, moving `camera`; `claims(event)` says that a pointer is somebody else's. */
export class Gestures {
  constructor(element, camera, { claims = () => false, arrows = true } = {}) {
    Object.assign(this, { element, camera, claims, arrows, pointers: new Map(), start: null, dragged: false });
    const listen = (name, handle, options) => element.addEventListener(name, (event) => handle.call(this, event), options);
    listen("wheel", this.wheel, { passive: false });
    listen("dblclick", (event) => event.target.closest("a, button") || camera.fit());
    listen("pointerdown", this.down);
    listen("pointermove", this.move);
    listen("pointerup", this.up);
    listen("pointercancel", this.up);
    listen("keydown", this.key);
    listen("dragstart", (event) => event.preventDefault());
    listen("click", (event) => { // the end of a drag is no click on what lies below
      if (!this.dragged) return;
      event.preventDefault();
      event.stopPropagation();
    }, { capture: true });
  }

  at(event) {
    const { left, top } = this.element.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  middle() {
    const { width, height } = this.element.getBoundingClientRect();
    return [width / 2, height / 2];
  }

  wheel(event) {
    event.preventDefault();
    this.camera.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.03 : 0.0015)), ...this.at(event));
  }

  down(event) {
    this.dragged = false;
    if (event.button !== 0 || this.claims(event)) return;
    this.start = this.at(event);
    this.pointers.set(event.pointerId, this.start);
  }

  move(event) {
    const before = this.pointers.get(event.pointerId), now = this.at(event);
    if (!before || (!this.dragged && apart(now, this.start) < STILL)) return;
    if (!this.element.hasPointerCapture(event.pointerId)) this.element.setPointerCapture(event.pointerId);
    this.dragged = true;
    this.element.classList.add("held");
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.pointers.set(event.pointerId, now);
    if (other) this.camera.zoom(apart(now, other) / (apart(before, other) || 1), ...other);
    else this.camera.pan(now[0] - before[0], now[1] - before[1]);
  }

  up(event) {
    this.pointers.delete(event.pointerId);
    if (this.pointers.size === 0) this.element.classList.remove("held");
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.arrows && ARROWS[event.key]) this.camera.pan(...ARROWS[event.key]);
    else if (event.key === "+" || event.key === "=") this.camera.zoom(FACTOR, ...this.middle());
    else if (event.key === "-") this.camera.zoom(1 / FACTOR, ...this.middle());
    else if (event.key === "0") this.camera.fit();
    else return;
    event.preventDefault();
  }

  /** Buttons for those who have neither wheel nor keys at hand. */
  buttons(...more) {
    const button = (text, label, act) => h("button", { type: "button", title: label, "aria-label": label, onclick: act }, text);
    return h("div", { class: "zoom" }, more,
      button("−", "Zoom out (−)", () => this.camera.zoom(1 / FACTOR, ...this.middle())),
      button("+", "Zoom in (+)", () => this.camera.zoom(FACTOR, ...this.middle())),
      button("⌂", "See all (0)", () => this.camera.fit()));
  }
}
