// Dialogs: a box or a drawer, what a source is, and the keys of all pages.
import { h, signButton } from "./dom.js";
import { sizes } from "./sources.js";

/** Open a modal dialog (kind: box or sheet); Esc, the cross and a click beside it close it. */
export function dialog(title, body, { kind = "box", onClose } = {}) {
  const head = h("div", { class: "dialog-head" }, h("h2", {}, title), signButton("cross", "Close", () => element.close()));
  const element = h("dialog", { class: kind, "aria-label": title }, head, h("div", { class: "dialog-body" }, body));
  element.addEventListener("click", (event) => event.target === element && element.close());
  element.addEventListener("close", () => {
    element.remove();
    onClose?.();
  });
  document.body.append(element);
  element.showModal();
  return element;
}

/** A row of a list of facts; nothing where there is no value. */
export const fact = (name, value) => value && [h("dt", {}, name), h("dd", {}, value)];

/** What a source is and how it was made. */
export function aboutDialog(source) {
  if (!source) return;
  const takes = source.takes.map((kind) => (kind === "both" ? "picture + text" : kind)).join(", ");
  const settings = Object.entries(source.settings).map(([name, value]) => fact(name, String(value ?? "–")));
  const saved = source.indexes.map(({ name, about, error }) => fact(`Index ${name}`, error ? h("span", { class: "refused" }, error) : about));
  const facts = h("dl", { class: "facts" },
    fact("Where", source.where),
    fact("Checkpoint", source.checkpoint),
    fact("Data", `${source.data.name}, ${source.split}`),
    fact("Entries", sizes(source)),
    fact("Dimensions", source.dim && String(source.dim)),
    fact("Takes", takes || "entries of its own data"),
    settings, saved);
  dialog(source.title, h("div", { class: "stack" }, source.error && h("p", { class: "state failed" }, source.error), facts));
}

const KEYS = {
  "All pages": {
    "/": "go to the query box",
    Enter: "in the query box: search",
    "Ctrl V": "search with a picture from the clipboard",
    Esc: "leave the query box, close a dialog",
    "Alt ←": "the page or query before",
    "?": "this list",
  },
  Search: {
    "← → ↑ ↓": "move among the results, across columns too",
    "Home End": "the first and the last result of a column",
    Enter: "search with the result in focus",
    i: "its details",
  },
  Graph: {
    Tab: "into the graph, and on to its clusters",
    "← → ↑ ↓": "from picture to picture",
    "Home End": "the first and the last result",
    Enter: "search with the picture in focus; on a cluster: keep it lit",
    i: "its details",
    "+ − 0": "zoom in, zoom out, see all",
  },
  Map: {
    Tab: "to the map, its buttons, the legend",
    "← → ↑ ↓": "move the map",
    "+ − 0": "zoom in, zoom out, see all",
    "Shift drag": "draw an outline around points and list them",
    Esc: "give up the outline, close the list",
    Enter: "on a label: hide it, show it again",
  },
};

export function keysDialog() {
  const rows = (keys) => Object.entries(keys).map(([key, does]) => fact(h("span", { class: "row tight" }, key.split(" ").map((each) => h("kbd", {}, each))), does));
  const pages = Object.entries(KEYS).map(([page, keys]) => h("section", { "aria-label": page }, h("h3", {}, page), h("dl", { class: "facts" }, rows(keys))));
  dialog("Keys", h("div", { class: "keys" }, pages));
}
