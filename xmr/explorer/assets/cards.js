// Entries as people see them: a card with picture, caption, score and correctness; a thumbnail; a line of text.
import { sized } from "./api.js";
import { h, number, put, sign, signButton } from "./dom.js";

const NOUN = { image: "image", text: "text", composed: "picture + text" };

/** One line for an entry: its text, else what it is and its id. */
export const describe = (entry) => entry.text || `${NOUN[entry.modality]} ${entry.id}`;

/** The entry's picture, or a square that stands for a text without one. */
export function figure(entry, { size = 192, className = "card-picture", alt = "" } = {}) {
  const square = (said, title) => h("span", { class: `${className} card-word`, "aria-hidden": "true", title }, said);
  if (!entry.picture) return square(entry.modality === "image" ? "?" : "T");
  const props = { class: className, src: sized(entry.picture, size), alt, loading: "lazy", decoding: "async", draggable: "false" };
  const image = h("img", props);
  image.addEventListener("error", () => image.replaceWith(square("?", "This picture can't be read from this disk")));
  return image;
}

export const thumb = (entry, className = "thumb") => figure(entry, { size: 96, className });

const tick = () => h("span", { class: "tick", title: "correct" }, sign("tick"), h("span", { class: "visually-hidden" }, "correct"));

function facts({ rank, score, scoreTitle }) {
  if (rank === undefined && score === undefined) return null;
  return h("div", { class: "card-facts" },
    rank !== undefined && h("span", { class: "rank" }, rank),
    score !== undefined && h("span", { class: "push", title: scoreTitle }, number(score, 3)));
}

/** A card: its link makes the entry the next query, the button in its corner shows all about it. */
export function card(entry, { href, rank, score, scoreTitle, relevant, onDetails, kind = "picture", note } = {}) {
  const said = describe(entry);
  const name = [rank !== undefined && `rank ${rank}`, said, relevant && "correct", score !== undefined && `score ${number(score, 3)}`];
  const props = { class: "card-link", href, title: href && "Search with this", "aria-label": name.filter(Boolean).join(", ") };
  const link = h(href ? "a" : "div", props, figure(entry), relevant && tick(),
    h("div", { class: "card-side" }, facts({ rank, score, scoreTitle }),
      h("p", { class: "card-caption", title: said }, said), note && h("p", { class: "card-caption muted" }, note)));
  const element = h("article", { dataset: { key: entry.key, id: entry.id } });
  element.className = ["card", kind === "text" && "as-text", relevant && "relevant"].filter(Boolean).join(" ");
  const details = () => onDetails(entry);
  put(element, link, onDetails && signButton("info", `Details of ${said}`, details, { class: "card-more", title: "Details" }));
  return element;
}
