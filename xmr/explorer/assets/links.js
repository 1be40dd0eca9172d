// Lines between the same thing in several columns, while one of its cards is pointed at or has the focus.
import { s } from "./dom.js";

const CARD = ".column-results .card";
const cardOf = (element) => element?.closest?.(CARD);

export class Links {
  /** `area` holds sections .column with cards; a line joins each two neighbours that both show the thing. */
  constructor(area) {
    this.area = area;
    this.svg = s("svg", { class: "links", "aria-hidden": "true" });
    this.linked = [];
    this.pointer = "";
    area.append(this.svg);
    area.addEventListener("pointerover", (event) => {
      const at = `${event.clientX} ${event.clientY}`;
      if (at !== this.pointer) this.point(cardOf(event.target)); // else the page moved below a resting pointer: keys lead
      this.pointer = at;
    });
    area.addEventListener("pointerleave", () => this.point(cardOf(document.activeElement)));
    area.addEventListener("focusin", (event) => this.point(cardOf(event.target)));
    area.addEventListener("focusout", () => this.clear());
    new ResizeObserver(() => this.refresh()).observe(area);
  }

  /** Draw the lines anew where columns have changed below them. */
  refresh() {
    const [card] = this.linked;
    this.clear();
    if (card?.isConnected) this.point(card);
  }

  clear() {
    for (const card of this.linked) card.classList.remove("linked");
    for (const said of this.area.querySelectorAll(".column-elsewhere")) said.hidden = true;
    this.linked = [];
    this.svg.replaceChildren();
  }

  /** Link what `card` shows; nothing for none. */
  point(card) {
    if (card && this.linked[0] === card) return;
    this.clear();
    if (!card) return;
    const columns = [...this.area.querySelectorAll(".column")];
    const found = columns.map((column) => [...column.querySelectorAll(CARD)].find(({ dataset }) => dataset.key === card.dataset.key));
    this.linked = [card, ...found.filter((each) => each && each !== card)];
    for (const each of this.linked) each.classList.add("linked");
    columns.forEach((column, at) => column.contains(card) || this.say(column, found[at]));
    this.draw(found.filter(Boolean));
  }

  /** Tell at a column's head where the thing is in it. */
  say(column, card) {
    const said = column.querySelector(".column-elsewhere"), shown = column.querySelectorAll(CARD).length;
    if (shown === 0) return;
    const rank = card?.querySelector(".rank").textContent;
    said.textContent = card ? `The same is here at rank ${rank}` : `The same is not in the first ${shown} here`;
    said.hidden = false;
  }

  draw(cards) {
    const frame = this.area.getBoundingClientRect(), aside = this.area.scrollLeft - frame.left;
    this.svg.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`);
    const boxes = cards.map((card) => card.getBoundingClientRect());
    const middle = (box) => box.top + box.height / 2 - frame.top;
    boxes.slice(1).forEach((to, before) => {
      const from = boxes[before], x1 = from.right + aside, y1 = middle(from), x2 = to.left + aside, y2 = middle(to);
      const bend = Math.max(24, (x2 - x1) / 2);
      const path = `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
      this.svg.append(s("path", { d: path }), s("circle", { cx: x1, cy: y1, r: 4 }), s("circle", { cx: x2, cy: y2, r: 4 }));
    });
  }
}
