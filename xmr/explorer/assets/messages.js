// What a page shows while there is nothing else to show: loading, empty, failed.
import { button, h } from "./dom.js";

const TITLES = {
  offline: "The server does not answer",
  unavailable: "Not possible here",
  unauthorized: "This page needs its key",
  not_found: "Not found",
  too_large: "Too large",
  not_a_picture: "Not a picture",
  invalid: "This can't be asked",
};

export const loading = (text) =>
  h("div", { class: "state loading", role: "status" }, h("span", { class: "spinner" }), h("span", { class: "loading-text" }, text));

export const empty = (title, text, ...actions) =>
  h("div", { class: "state" }, h("h2", {}, title), h("p", { class: "muted" }, text),
    actions.length > 0 && h("div", { class: "row" }, actions));

/** An error in words; one of the page's own code shows its message too, since nobody else would. */
export const failure = (error, retry) =>
  h("div", { class: "state failed", role: "alert" }, h("h2", {}, TITLES[error.kind] ?? "Something went wrong"),
    h("p", {}, error.message), retry && button("Try again", retry));

/** Change what a loading element says if it is still there after a while. */
export function slowly(element, text, ms = 1200) {
  setTimeout(() => {
    if (element.isConnected) element.querySelector(".loading-text").textContent = text;
  }, ms);
}
