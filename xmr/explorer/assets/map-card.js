// The card beside the pointer: the entry of the point that it is on, asked for once the pointer rests.
import { figure } from "./cards.js";
import { h, put } from "./dom.js";
import { swatch } from "./map-legend.js";

const REST = 70, GAP = 16, EDGE = 8;

export class HoverCard {
  constructor() {
    this.element = h("div", { class: "map-card", role: "status", hidden: true });
    Object.assign(this, { timer: 0, shown: null });
    document.body.append(this.element);
  }

  stop() {
    clearTimeout(this.timer);
    this.element.remove();
  }

  hide() {
    clearTimeout(this.timer);
    this.shown = null;
    this.element.hidden = true;
  }

  /** Show the entry that `ask()` promises, with its group {name, hue}, at a pointer; `then(entry)` once it is known. */
  show(key, pointer, ask, group, then) {
    if (key === this.shown) return this.place(pointer);
    this.hide();
    this.shown = key;
    this.timer = setTimeout(async () => {
      const entry = await ask();
      if (!entry || this.shown !== key) return;
      this.fill(entry, group);
      this.element.hidden = false;
      this.place(pointer);
      then(entry);
    }, REST);
  }

  fill(entry, { name, hue }) {
    put(this.element, entry.picture && figure({ ...entry, text: null }, { className: "map-card-picture" }),
      entry.text && h("p", { class: "map-card-text" }, entry.text),
      h("p", { class: "small map-card-label" }, swatch(entry.modality, hue), name), entry.label && entry.label !== name && h("p", { class: "small muted" }, entry.label),
      h("p", { class: "small muted" }, `${entry.modality} ${entry.id}`));
  }

  place({ clientX, clientY }) {
    const { width, height } = this.element.getBoundingClientRect();
    const left = clientX + GAP + width + EDGE > innerWidth ? clientX - GAP - width : clientX + GAP;
    const top = clientY + GAP + height + EDGE > innerHeight ? clientY - GAP - height : clientY + GAP;
    this.element.style.left = `${Math.max(Math.min(left, innerWidth - width - EDGE), EDGE)}px`;
    this.element.style.top = `${Math.max(top, EDGE)}px`;
  }
}
