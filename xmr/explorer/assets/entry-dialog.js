// The dialog of an entry: its picture, all its texts, what it is, and ways to search with it.
import { get, sized } from "./api.js";
import { describe, figure, thumb } from "./cards.js";
import { dialog, fact } from "./dialogs.js";
import { h, put, sign } from "./dom.js";
import { failure, loading } from "./messages.js";
import { queryOf, wordsOf } from "./state.js";

const section = (title, ...children) => h("div", {}, h("h3", {}, title), children);

/** A form that asks for the picture and some words as one query. */
function addWords(entry, context, close) {
  const box = h("input", { type: "text", placeholder: "but at night", autocomplete: "off", "aria-label": "Words to add to this picture" });
  const submit = (event) => {
    event.preventDefault();
    if (!box.value.trim()) return box.focus();
    close();
    context.go({ page: context.asking, query: { ...queryOf(entry), text: box.value.trim() } });
  };
  const label = h("label", { class: "stack" }, h("span", { class: "small muted" }, "This picture, and these words"), box);
  return h("form", { class: "row words", onsubmit: submit }, label, h("button", {}, "Search with both"));
}

function pictureOf(full) {
  if (!full.picture) return null;
  const props = { class: "entry-picture", href: sized(full.picture, 768), target: "_blank", rel: "noopener", title: "Open the picture" };
  return h("a", props, figure(full, { size: 768, className: "", alt: describe(full) }));
}

function body(full, context, close) {
  const isImage = full.modality === "image";
  const link = (query, props, ...children) => h("a", { href: context.href({ page: context.asking, query }), onclick: close, ...props }, children);
  const captions = full.texts.map((text) => h("li", {}, link(wordsOf(text), { title: "Search with this text" }, text)));
  const others = full.pictures.filter(({ id }) => !isImage || id !== full.id).map((each) => {
    const image = { ...each, source: full.source, modality: "image" };
    return link(queryOf(image), { title: `Search with image ${each.id}` }, thumb(image, "thumb large"));
  });
  const titled = captions.length === 1 ? "Its text" : `Its ${captions.length} texts`;
  return h("div", { class: "entry-body" }, pictureOf(full), h("div", { class: "stack" },
    !isImage && full.text && h("p", { class: "entry-text" }, full.text),
    h("div", { class: "row" }, link(queryOf(full), { class: "button primary" }, sign("search"), "Search with this")),
    isImage && addWords(full, context, close),
    captions.length > 0 && section(titled, h("ul", { class: "captions" }, captions)),
    others.length > 0 && section(isImage ? "Other pictures of it" : "Its pictures", h("div", { class: "row" }, others)),
    h("dl", { class: "facts" },
      fact("Label", full.label),
      fact("Id", full.id),
      fact("Item", full.item_id !== full.id && full.item_id),
      fact("Data", `${full.data}, ${full.split}`),
      fact("Store", full.where))));
}

/** Show all about an entry. */
export async function entryDialog(entry, context) {
  const place = h("div", {}, loading("Reading the entry…")), element = dialog(describe(entry), place);
  const { source, modality, id } = entry;
  try {
    const full = await get("/api/entry", { source, modality, id });
    put(place, body(full, context, () => element.close()));
  } catch (error) {
    put(place, failure(error));
  }
}
