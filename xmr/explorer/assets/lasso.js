// A lasso: an outline drawn with Shift held, or with the lasso switched on.
const STEP = 3; // pixels between two corners

export class Lasso {
  /** On `element`; `drawn()` is called while it grows, `done([[x, y], ...])` with the outline in pixels at its end. */
  constructor(element, drawn, done) {
    Object.assign(this, { element, drawn, done, on: false, path: null, pointer: null });
    element.addEventListener("pointerdown", (event) => this.begin(event));
    element.addEventListener("pointermove", (event) => this.add(event));
    element.addEventListener("pointerup", (event) => this.end(event, true));
    element.addEventListener("pointercancel", (event) => this.end(event, false));
    element.addEventListener("keydown", (event) => event.key === "Escape" && this.path && this.end({ pointerId: this.pointer }, false));
  }

  /** Whether this pointer draws an outline rather than moving the view. */
  takes(event) {
    return event.button === 0 && (this.on || event.shiftKey) && (this.pointer === null || this.pointer === event.pointerId);
  }

  at(event) {
    const { left, top } = this.element.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  begin(event) {
    if (!this.takes(event)) return;
    this.pointer = event.pointerId;
    this.element.setPointerCapture(event.pointerId);
    this.path = [this.at(event)];
  }

  add(event) {
    if (event.pointerId !== this.pointer) return;
    const [x, y] = this.at(event), [beforeX, beforeY] = this.path.at(-1);
    if (Math.hypot(x - beforeX, y - beforeY) < STEP) return;
    this.path.push([x, y]);
    this.drawn();
  }

  end(event, whole) {
    if (event.pointerId !== this.pointer) return;
    const { path } = this;
    Object.assign(this, { path: null, pointer: null });
    this.drawn();
    if (whole && path.length > 2) this.done(path);
  }
}
