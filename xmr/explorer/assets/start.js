// What the search page shows before anything is asked: ways to begin, from the data at hand.
import { ApiError, get } from "./api.js";
import { describe, thumb } from "./cards.js";
import { h, plural } from "./dom.js";
import { empty } from "./messages.js";
import { queryOf } from "./state.js";

const MANY = { text: 6, composed: 6, image: 28 };

/** Some of the evaluation's queries of a modality, with what they search among. */
async function queriesFrom(source, modality, signal) {
  const direction = source.directions.find((each) => each.startsWith(`${modality}_to_`));
  if (!direction) return [];
  try {
    const asked = { source: source.id, direction, kind: "random", count: MANY[modality], seed: 0 };
    const { queries } = await get("/api/queries", asked, signal);
    return queries.map(({ entry }) => ({ entry, among: direction.split("_to_")[1] }));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return []; // only suggestions: the columns say what is wrong once something is asked
  }
}

/** Suggestions from the first column's source. */
export async function startPage(state, context) {
  const { source: id } = state.columns[0], source = context.source(id), open = context.catalog.sources.length;
  if (!source) {
    const what = "Choose another model below, or start the explorer with the folder that holds it.";
    return empty("This model is not open here", `The link asks for ${id}. ${what}`);
  }
  const asked = Object.keys(MANY).map((modality) => queriesFrom(source, modality, context.signal));
  const [texts, both, pictures] = await Promise.all(asked);
  const link = ({ entry, among }, className, content) =>
    h("a", { class: className, href: context.href({ query: queryOf(entry), among }), title: describe(entry) }, content);
  const chips = [...texts, ...both].map((each) => link(each, "chip", h("span", {}, describe(each.entry))));
  const images = pictures.map((each) => link(each, "start-picture", thumb(each.entry, "thumb large")));
  const how = `Type above, drop or paste a picture, or take one of these from ${source.data.name}.`;
  const models = `${plural(open, "model or store is", "models and stores are")} open.`;
  return h("div", { class: "start stack" },
    h("div", {}, h("h2", {}, "What do you look for?"), h("p", { class: "muted" }, `${how} ${models}`)),
    chips.length > 0 && h("div", { class: "row" }, chips),
    images.length > 0 && h("div", { class: "row start-pictures" }, images));
}
