// The map's legend: modalities by shape, groups by colour; each can be switched off, looked for, and listed.
import { count, h, put, s } from "./dom.js";
import { SHAPES } from "./map-groups.js";

const DRAWN = { image: ["circle", { cx: 7, cy: 7, r: 5 }], text: ["path", { d: "M7 1.5 13 12H1z" }], composed: ["rect", { x: 2.5, y: 2.5, width: 9, height: 9 }] };
const MANY = 14, MOST = 300;

/** A point's sign: its modality's shape in a colour. */
export const swatch = (shape, hue) => s("svg", { class: "map-swatch", viewBox: "0 0 14 14", "aria-hidden": "true", style: { fill: hue } }, s(DRAWN[shape][0], DRAWN[shape][1]));

const many = (counts) => (new Set(counts).size === 1 ? count(counts[0]) : counts.map(count).join(" | "));

export class Legend {
  /** `page` is told of hide({off} or {offShapes}) when something is switched, emphasise(group or null) and listGroup(group or null, modality or null). */
  constructor(page) {
    Object.assign(this, { page, off: new Set(), offShapes: new Set(), groups: [], modalities: [], word: "" });
    this.shapes = h("div", { class: "map-shapes" });
    this.title = h("h3", {});
    this.options = h("span", { class: "row tight" });
    this.filter = h("input", { type: "search", class: "map-filter", placeholder: "find a label", "aria-label": "Find a label", oninput: () => this.find(this.filter.value) });
    this.list = h("ul", { class: "map-groups" });
    this.note = h("p", { class: "muted small" });
    const all = (isOff) => () => this.switchAll(isOff);
    this.element = h("div", { class: "map-legend" }, this.shapes, h("div", { class: "row map-legend-head" }, this.title, this.options, h("span", { class: "row tight push" },
      h("button", { type: "button", class: "quiet small", onclick: all(false) }, "all"), h("button", { type: "button", class: "quiet small", onclick: all(true) }, "none"))), this.note, this.filter, this.list);
  }

  /** Show these groups {title, groups, note, off: names} and modalities [{name, counts}] without `offShapes`. */
  draw({ title, groups, note, options, off, offShapes }, modalities, color) {
    const names = groups.map(({ name }) => name).join("\n"), drawn = JSON.stringify([groups, modalities, color, note]);
    Object.assign(this, { off, offShapes });
    if (drawn === this.drawn) return this.press(); // it keeps the focus of who switches
    if (names !== this.names) this.word = this.filter.value = "";
    Object.assign(this, { drawn, names, groups, modalities, color });
    this.title.textContent = title;
    put(this.options, options);
    this.note.textContent = note ?? "";
    this.note.hidden = !note;
    this.filter.hidden = groups.length <= MANY;
    const shapes = modalities.length > 1 && color !== "modality";
    put(this.shapes, shapes && h("h3", {}, "Shapes"), shapes && h("ul", {}, modalities.map((each) => this.row(each, swatch(each.name, "var(--muted)"), false))));
    this.drawList();
  }

  find(word) {
    this.word = word.trim().toLowerCase();
    this.drawList();
  }

  found() {
    return this.groups.filter(({ name }) => name.toLowerCase().includes(this.word));
  }

  drawList() {
    const found = this.found(), more = found.length - MOST;
    put(this.list, found.slice(0, MOST).map((group) => this.row(group, swatch(SHAPES.includes(group.name) && this.color === "modality" ? group.name : "image", group.hue), true)),
      found.length === 0 && h("li", { class: "muted small" }, "No label with these letters."), more > 0 && h("li", { class: "muted small" }, `${count(more)} more: type a part of their names above.`));
  }

  row(each, sign, isGroup) {
    const { page } = this, pressed = String(!this.hiddenOf(isGroup).has(each.name));
    const toggle = h("button", { type: "button", class: "map-entry", "aria-pressed": pressed, title: each.name, onclick: () => this.turn(each.name, isGroup), dataset: { name: each.name, group: isGroup ? "1" : "" } }, sign, h("span", { class: "map-name" }, each.name), h("span", { class: "map-number" }, many(each.counts)));
    const list = h("button", { type: "button", class: "quiet map-list", title: `List what is ${each.name}`, "aria-label": `List ${each.name}`, onclick: () => page.listGroup(isGroup ? each.name : null, isGroup ? null : each.name) }, "list");
    const item = h("li", {}, toggle, list);
    if (isGroup) {
      item.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && page.emphasise(each.name));
      item.addEventListener("pointerleave", () => page.emphasise(null));
      toggle.addEventListener("focus", () => toggle.matches(":focus-visible") && page.emphasise(each.name));
      toggle.addEventListener("blur", () => page.emphasise(null));
    }
    return item;
  }

  hiddenOf(isGroup) {
    return isGroup ? this.off : this.offShapes;
  }

  /** Have the buttons show what is on. */
  press() {
    for (const toggle of this.element.querySelectorAll(".map-entry")) {
      const { name, group } = toggle.dataset;
      toggle.setAttribute("aria-pressed", String(!this.hiddenOf(group).has(name)));
    }
  }

  turn(name, isGroup) {
    const next = new Set(this.hiddenOf(isGroup));
    if (!next.delete(name)) next.add(name);
    this.page.hide(isGroup ? { off: next } : { offShapes: next });
  }

  switchAll(isOff) {
    const off = new Set(this.off);
    for (const { name } of this.found()) isOff ? off.add(name) : off.delete(name);
    this.page.hide({ off });
  }

  isOn = (name) => !this.off.has(name);

  /** A bit for each shape that is switched off. */
  get hidden() {
    return [...this.offShapes].reduce((bits, name) => bits | (1 << SHAPES.indexOf(name)), 0);
  }
}
