// The drawer of the evaluation's queries: random, hard or failed ones of a model, each one click from being searched.
import { get } from "./api.js";
import { card } from "./cards.js";
import { dialog } from "./dialogs.js";
import { button, count, h, plural, put, sign } from "./dom.js";
import { empty, failure, loading, slowly } from "./messages.js";
import { segments, sourceSelect } from "./sources.js";
import { queryOf } from "./state.js";

const FIRST = 10, SHOWN = 24;
const KINDS = [
  { value: "random", text: "Random" },
  { value: "hard", text: "Hard", title: "first correct entry ranked lowest" },
  { value: "failed", text: "Failed", title: `no correct entry among the first ${FIRST}` },
];
const NOUN = { image: "image", text: "text", composed: "picture + text" };
const RANKING = "Ranking the evaluation's queries: this is done once for each model.";
const named = (direction) => direction.split("_to_").map((modality) => NOUN[modality] ?? modality).join(" → ");
const asRank = (rank) => (Number.isInteger(rank) ? count(rank) : rank.toFixed(1));

function inWords(kind, { evaluated, total }) {
  const known = plural(evaluated, "evaluated query", "evaluated queries");
  if (kind === "random") return `Drawn from ${known}.`;
  if (kind === "hard") return `Of ${known}, those whose first correct entry is ranked lowest.`;
  return `${count(total)} of ${known} ${total === 1 ? "has" : "have"} no correct entry among the first ${FIRST}.`;
}

/** The direction of a source that searches what is searched now, else its first one. */
const directionFor = ({ directions }, among) => directions.find((each) => each.endsWith(`_to_${among}`)) ?? directions[0];

class Drawer {
  constructor(kind, state, context) {
    const shown = { graph: state.gsource, map: state.first }[state.page] ?? state.columns[0].source;
    const source = context.source(shown) ?? context.catalog.sources[0];
    const seed = Math.floor(Math.random() * 1e6), direction = directionFor(source, state.among);
    Object.assign(this, { context, source, kind, seed, direction, abort: new AbortController() });
    this.head = h("div", { class: "stack" });
    this.list = h("div", { class: "stack" });
    const onClose = () => this.abort.abort();
    this.element = dialog("Queries of the evaluation", h("div", { class: "stack" }, this.head, this.list), { kind: "sheet", onClose });
    this.ask();
  }

  set(changes) {
    Object.assign(this, changes);
    if (!this.source.directions.includes(this.direction)) this.direction = this.source.directions[0];
    this.ask();
  }

  drawHead() {
    const { context, source, kind, direction } = this, { catalog } = context;
    const directions = source.directions.map((value) => ({ value, text: named(value) }));
    const others = button([sign("dice"), "Others"], () => this.set({ seed: this.seed + 1 }), { class: "push" });
    const choose = (id) => this.set({ source: context.source(id) });
    put(this.head,
      h("div", { class: "row" }, segments("Which queries", KINDS, kind, (to) => this.set({ kind: to })), kind !== "hard" && others),
      directions.length > 1 && segments("Direction", directions, direction, (to) => this.set({ direction: to })),
      catalog.sources.length > 1 && sourceSelect(catalog, source.id, choose, "Queries of this model"));
  }

  async ask() {
    this.abort.abort();
    this.abort = new AbortController();
    this.drawHead();
    const { abort, source, direction, kind, seed } = this;
    if (!direction) return put(this.list, empty("No queries", "This source's evaluation has no queries."));
    const wait = loading("Reading the queries…");
    put(this.list, wait);
    slowly(wait, RANKING);
    try {
      const asked = { source: source.id, direction, kind, count: SHOWN, seed, k: FIRST };
      put(this.list, this.answered(await get("/api/queries", asked, abort.signal)));
    } catch (error) {
      if (!abort.signal.aborted) put(this.list, failure(error, () => this.ask()));
    }
  }

  answered(answer) {
    const said = inWords(this.kind, answer), { queries } = answer;
    if (queries.length === 0) return empty(this.kind === "failed" ? "Nothing failed" : "No queries", said);
    const pictures = queries[0].entry.modality === "image";
    const cards = queries.map((query) => h("li", {}, this.cardOf(query, pictures ? "picture" : "text")));
    return [h("p", { class: "muted small" }, said), h("ul", { class: pictures ? "grid" : "grid as-list" }, cards)];
  }

  cardOf({ entry, first_rank: rank }, kind) {
    const href = this.context.href({ page: this.context.asking, query: queryOf(entry), among: this.direction.split("_to_")[1] });
    const found = card(entry, { href, kind, note: rank !== null && `first correct: rank ${asRank(rank)}` });
    found.querySelector("a").addEventListener("click", () => this.element.close());
    return found;
  }
}

/** Open the drawer at "random", "hard" or "failed". */
export const evaluationDrawer = (kind, state, context) => new Drawer(kind, state, context);
