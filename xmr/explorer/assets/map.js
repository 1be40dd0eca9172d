// The map page: everything that one or two models embedded, on a plane.
import { aborted, ApiError, post } from "./api.js";
import { h, put } from "./dom.js";
import { HoverCard } from "./map-card.js";
import { Colours } from "./map-colours.js";
import { COLOURS } from "./map-groups.js";
import { ChosenList } from "./map-list.js";
import { readOutline, writeOutline } from "./map-outline.js";
import { MapPane } from "./map-pane.js";
import { failure } from "./messages.js";
import { segments, sourceSelect } from "./sources.js";
import { asked, bodyOf } from "./state.js";

// Own keys: method, color, level (of labels: "top" or "all"), first (else the first column's model), second, view1 and view2 ("across:along:zoom"), off and without (what the legend hides), lasso (the outline whose points are listed).
const METHODS = [{ value: "pca", text: "PCA", title: "The two directions of most variance: distances are true, much is hidden" }, { value: "tsne", text: "t-SNE", title: "Neighbours stay together; distances between groups mean little" }, { value: "umap", text: "UMAP", title: "Neighbours stay together; distances between groups mean little" }];
const HINT = "Drag to move, scroll or pinch to zoom, double-click to see all. Shift-drag draws an outline around points and lists them. Click a point for its details, a label to hide it.";
const SETTLED = 500, MOST_LINKED = 5000;
let view = null;

/** What a hover or a link asks for; null when it is superseded or refused: the next one asks again. */
async function orNull(promise) {
  try {
    return await promise;
  } catch (error) {
    if (aborted(error) || error instanceof ApiError) return null;
    throw error;
  }
}

export async function show(root, state, context) {
  view ??= new MapPage(root);
  await view.show(state, context);
}

export function leave() {
  view?.stop();
  view = null;
}

const oneOf = (options, value, other) => (options.some((option) => option.value === value) ? value : other);
const viewOf = (text) => {
  const parts = (text ?? "").split(":").map(Number);
  return parts.length === 3 && parts.every(Number.isFinite) && parts[2] > 0 ? parts : null;
};

class MapPage {
  constructor(root) {
    this.abort = new AbortController();
    this.signal = this.abort.signal; // of what outlives a change of the state: hover, lists
    Object.assign(this, { panes: [], timers: new Map(), chosen: null, outlined: null });
    this.tools = h("div", { class: "row map-tools" });
    this.area = h("div", { class: "map-panes" });
    this.colours = new Colours((name, modality) => this.listGroup(name, modality));
    this.chosenList = new ChosenList(this);
    this.card = new HoverCard();
    this.side = h("aside", { class: "map-side unknown", "aria-label": "Legend and chosen points" }, this.chosenList.element, this.colours.legend.element, h("p", { class: "muted small" }, HINT));
    put(root, this.tools, h("div", { class: "map-body" }, this.area, this.side));
    document.addEventListener("themechange", () => this.colours.look(), { signal: this.signal });
    document.addEventListener("keydown", (event) => event.key === "Escape" && !document.querySelector("dialog[open]") && this.chosen && this.close(), { signal: this.signal });
  }

  stop() {
    this.abort.abort();
    for (const timer of this.timers.values()) clearTimeout(timer);
    for (const pane of this.panes) pane.stop();
    this.card.stop();
  }

  async show(state, context) {
    Object.assign(this, { state, context, method: oneOf(METHODS, state.method, "pca"), color: oneOf(COLOURS, state.color, "label") });
    const ids = [state.first ?? state.columns[0].source, state.second].filter(Boolean);
    this.drawTools(ids);
    while (this.panes.length > ids.length) this.panes.pop().stop();
    while (this.panes.length < ids.length) this.area.append(this.panes[this.panes.push(new MapPane(this)) - 1].root);
    this.area.dataset.panes = ids.length;
    const results = await Promise.allSettled(this.panes.map((pane, at) => this.fill(pane, ids[at], at)));
    const wrong = results.find(({ status, reason }) => status === "rejected" && !aborted(reason));
    if (wrong) throw wrong.reason;
  }

  /** Load a pane's map and place the query on it; what the server says against it is shown in the pane. */
  async fill(pane, id, at) {
    const { context, state } = this, source = context.source(id), { signal } = context;
    try {
      if (!source) throw new ApiError("not_found", `${id} is not open here. Choose another model, or start the explorer with the folder that holds it.`);
      const isNew = await pane.load(source, this.method, signal);
      const seen = viewOf(state[`view${at + 1}`]);
      if (isNew && seen) pane.look(seen);
      if (isNew) this.forget();
      this.colour();
      this.outline();
      await this.place(pane, signal);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      pane.map = null;
      put(pane.cover, failure(error, () => context.go({}, { replace: true })));
      this.colour();
    }
  }

  drawTools(ids) {
    const { state, context } = this, { catalog, go } = context;
    const key = JSON.stringify([ids, this.method, this.color, catalog.sources.map(({ state: now }) => now)]);
    if (key === this.toolsKey) return; // it keeps the focus of who changes it
    const at = [...this.tools.querySelectorAll("select, input")].indexOf(document.activeElement);
    this.toolsKey = key;
    const second = sourceSelect({ sources: [{ id: "", title: "nothing", state: "ready" }, ...catalog.sources] }, state.second ?? "", (value) => go({ second: value || null, view2: null, lasso: null }), "Compared with");
    put(this.tools,
      sourceSelect(catalog, ids[0], (value) => go({ first: value, view1: null, lasso: null }), "Model of the map"),
      catalog.sources.length > 1 && h("label", { class: "row tight" }, h("span", { class: "muted small" }, "beside"), second),
      segments("Method", METHODS, this.method, (method) => go({ method, view1: null, view2: null, lasso: null })),
      h("span", { class: "row tight" }, h("span", { class: "muted small" }, "colour by"), segments("Colour by", COLOURS, this.color, (color) => go({ color, off: null, ...(color === "modality" && { without: null }) }))));
    if (at >= 0) this.tools.querySelectorAll("select, input")[at]?.focus();
  }

  get ready() {
    return this.panes.filter(({ map }) => map);
  }

  colour() {
    this.side.classList.toggle("unknown", this.colours.groups.length === 0 && this.ready.length === 0);
    if (this.ready.length > 0) this.colours.group(this.ready, this.color, this.state, this.context);
  }

  /** Mark where the query lies, in words too. */
  async place(pane, signal) {
    const { query } = this.state, { map } = pane, key = JSON.stringify(query);
    if (!asked(query)) {
      pane.query = null;
      pane.mark({ near: [] });
      return pane.say();
    }
    if (pane.query?.key === key) return;
    pane.say(" · placing the query…");
    try {
      const { source, method } = map.entries, found = await post("/api/map/position", { source, method, query: bodyOf(query) }, signal);
      pane.query = { ...found, key };
      pane.mark({ near: found.nearest });
      pane.say(h("span", { class: "map-placed" }, ` · ◆ the query, ${found.said}; its ${found.nearest.length} nearest are ringed`));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      pane.query = null;
      pane.mark({ near: [] });
      pane.say(h("span", { class: "map-unplaced" }, ` · the query is not on this map: ${error.message}`));
    }
  }

  moved(pane) {
    const at = this.panes.indexOf(pane) + 1;
    clearTimeout(this.timers.get(at));
    this.timers.set(at, setTimeout(() => {
      if (pane.map) this.context.go({ [`view${at}`]: pane.view().map((value) => value.toFixed(4)).join(":") }, { replace: true });
    }, SETTLED));
    this.card.hide();
  }

  hover(pane, row, event) {
    if (row === (pane.marks.hovered ?? null)) return row !== null && this.card.place(event);
    this.unmark();
    if (row === null) return this.card.hide();
    pane.mark({ hovered: row });
    const ask = async () => (await this.entriesOf(pane, [row]))?.[0];
    this.card.show(`${pane.key}:${row}`, event, ask, this.colours.groupOf(pane, row), (entry) => this.link(pane, entry));
  }

  unmark() {
    this.pointed = null;
    for (const pane of this.panes) pane.mark({ hovered: null, linked: null });
  }

  entriesOf(pane, rows) {
    return orNull(pane.map.entries.of(rows, this.signal));
  }

  /** Ring the same thing on the other map. */
  async link(pane, entry) {
    this.pointed = entry.key;
    for (const other of this.ready) {
      if (other === pane) continue;
      const rows = await orNull(other.map.entries.rows([entry.key], this.signal));
      if (this.pointed === entry.key) other.mark({ linked: rows?.[0] ?? null });
    }
  }

  /** A click on a point opens its details; a finger's first tap shows the card. */
  async tap(pane, row, event) {
    if (event.pointerType === "touch" && row !== (pane.marks.hovered ?? null)) return this.hover(pane, row, event);
    if (row === null) return;
    const [entry] = (await this.entriesOf(pane, [row])) ?? [];
    if (entry) this.context.details(entry);
  }

  /** A card of the list is looked at: ring its point on all maps. */
  point(entry) {
    this.unmark();
    if (!entry || !this.chosen) return;
    this.chosen.mark({ linked: entry.row });
    this.link(this.chosen, entry);
  }

  /** An outline was drawn: the address keeps it, and has its points listed. */
  draw(pane, outline) {
    this.context.go({ lasso: writeOutline(this.panes.indexOf(pane), outline) });
  }

  /** List what the outline of the address holds, anew when the legend hides other points; without one, the list goes. */
  outline() {
    const { state, color } = this, found = readOutline(state.lasso), pane = this.panes[found?.pane];
    const outlined = pane?.codes ? JSON.stringify([state.lasso, state.off, state.without, state.level, color]) : null;
    if (outlined === this.outlined) return;
    if (!outlined) return this.forget();
    this.outlined = outlined;
    this.list(pane, pane.setOutline(found.corners), "in the outline");
  }

  /** List these rows of a pane instead of those of an outline. */
  choose(pane, rows, words) {
    this.forget();
    if (this.state.lasso) this.context.go({ lasso: null }, { replace: true });
    this.list(pane, rows, words);
  }

  /** List these rows of a pane, and emphasise them on all maps. */
  async list(pane, rows, words) {
    const run = (this.run = {}); // of what is chosen later, the answers count
    this.chosen = pane;
    this.card.hide();
    pane.switchLasso(false);
    this.ready.forEach((each) => each.setChosen(each === pane ? rows : []));
    this.context.announce(`${rows.length} points ${words}.`);
    const step = Math.ceil(rows.length / MOST_LINKED), linked = rows.filter((_, n) => n % step === 0), others = this.ready.length > 1;
    this.chosenList.show(pane, rows, words, { groups: this.colours.groups, linked: others ? linked.length : null }, this.context);
    for (const other of this.ready) {
      if (other === pane) continue;
      const entries = (await this.entriesOf(pane, linked)) ?? [];
      const found = ((await orNull(other.map.entries.rows(entries.map(({ key }) => key), this.signal))) ?? []).filter((row) => row !== null);
      if (this.run === run) other.setChosen(found.length > 0 ? found : null);
    }
  }

  /** List what is of a group, or of a modality, on the first map that shows any. */
  listGroup(name, modality) {
    const rowsOf = (pane) => this.colours.rows(pane, name, modality), pane = this.ready.find((each) => rowsOf(each).length > 0) ?? this.ready[0];
    this.choose(pane, rowsOf(pane), `of ${name ?? modality}`);
  }

  /** The user closes the list. */
  close() {
    this.forget();
    if (this.state.lasso) this.context.go({ lasso: null });
  }

  forget() {
    this.chosen = this.run = this.outlined = null;
    this.chosenList.hide();
    for (const pane of this.ready) {
      pane.setChosen(null);
      pane.setOutline(null);
    }
  }
}
