// The list of chosen points: what an outline, the view or a label holds, each entry one click from being the query.
import { aborted, ApiError } from "./api.js";
import { card } from "./cards.js";
import { count, h, percent, plural, put, sign } from "./dom.js";
import { failure, loading } from "./messages.js";
import { queryOf } from "./state.js";

const AT_ONCE = 48, NAMED = 3;

/** "cat 40 %, dog 12 %": the groups with most of these rows. */
function mostly(groups, codes, rows) {
  const counts = new Map();
  for (const row of rows) counts.set(codes[row], (counts.get(codes[row]) ?? 0) + 1);
  const first = [...counts].sort((one, other) => other[1] - one[1]).slice(0, NAMED);
  return first.map(([code, many]) => `${groups[code].name} ${percent(many / rows.length)}`).join(", ");
}

export class ChosenList {
  /** `page` is told of close(), and of point(entry or null) while the user looks at a card. */
  constructor(page) {
    Object.assign(this, { page, run: 0 });
    this.head = h("div", {});
    this.items = h("ul", { class: "grid" });
    this.more = h("div", {});
    this.element = h("section", { class: "panel map-chosen", "aria-label": "Chosen points", hidden: true }, this.head, this.items, this.more);
    const at = (event) => this.entries?.get(event.target.closest?.(".card")?.dataset.row);
    const point = (event) => at(event) && page.point(at(event));
    this.items.addEventListener("pointerover", point);
    this.items.addEventListener("focusin", point);
    this.items.addEventListener("pointerleave", () => page.point(null));
    this.items.addEventListener("focusout", () => page.point(null));
  }

  hide() {
    this.run++;
    this.element.hidden = true;
  }

  /** List rows of a pane; `words` say how they were chosen, `linked` is how many of them the other map shows. */
  async show(pane, rows, words, { groups, linked }, context) {
    Object.assign(this, { pane, rows, context, listed: 0, entries: new Map() });
    const run = ++this.run, { modality } = pane.map.points, { modalities } = pane.map.status;
    const kinds = modalities.map((name, code) => [name, rows.reduce((sum, row) => sum + (modality[row] === code ? 1 : 0), 0)]).filter(([, many]) => many > 0);
    const close = h("button", { type: "button", class: "quiet push", "aria-label": "Close the list", title: "Close (Esc)", onclick: () => this.page.close() }, sign("cross"));
    put(this.head, h("div", { class: "row" }, h("h3", {}, `${plural(rows.length, "point")} ${words}`), close),
      rows.length > 0 && h("p", { class: "muted small" }, kinds.map(([name, many]) => plural(many, name, name === "composed" ? name : `${name}s`)).join(", ")),
      rows.length > 0 && groups.length > 1 && h("p", { class: "muted small" }, mostly(groups, pane.codes, rows)),
      linked !== null && linked < rows.length && h("p", { class: "muted small" }, `${count(linked)} of them are shown on the other map.`),
      rows.length === 0 && h("p", { class: "muted small" }, "Nothing is shown there: draw around points, or switch their labels on."));
    put(this.items);
    put(this.more);
    this.element.hidden = false;
    if (rows.length > 0) await this.next(run);
  }

  async next(run) {
    const part = this.rows.slice(this.listed, this.listed + AT_ONCE);
    put(this.more, loading("Reading the entries…"));
    try {
      const entries = await this.pane.map.entries.of(part, this.page.signal);
      if (run !== this.run) return;
      this.listed += part.length;
      this.items.append(...entries.map((entry) => this.item(entry)));
      const left = this.rows.length - this.listed;
      put(this.more, left > 0 && h("button", { type: "button", onclick: () => this.next(run) }, `Show ${Math.min(left, AT_ONCE)} more of ${count(left)}`));
    } catch (error) {
      if (aborted(error)) return;
      if (!(error instanceof ApiError)) throw error;
      put(this.more, failure(error, () => this.next(run)));
    }
  }

  item(entry) {
    const { context } = this, made = card(entry, { href: context.href({ query: queryOf(entry) }), kind: entry.modality === "text" ? "text" : "picture", onDetails: context.details });
    made.dataset.row = entry.row;
    this.entries.set(String(entry.row), entry);
    return h("li", {}, made);
  }
}
