"use strict";
// What every part of the page uses: the data, what is chosen, and how elements are made.
const data = JSON.parse(document.getElementById("data").textContent);
const { queries, entries, pictures, models } = data;
const LETTERS = ["A", "B"];
const chosen = { direction: 0, k: null, list: null, kind: null };

const find = (id) => document.getElementById(id);
const count = (number) => number.toLocaleString("en");
const percent = (share) => `${(100 * share).toFixed(1)} %`;

function make(tag, parent, properties = {}, attributes = {}) {
  const element = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.append(element);
  return element;
}

function draw(tag, parent, attributes = {}) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.append(element);
  return element;
}

function badge(parent, at) {
  return make("span", parent, { className: `badge ${"ab"[at]}`, textContent: LETTERS[at] });
}

/** Buttons of which one is pressed; `choose` is called with the position of the one that was clicked. */
function choices(parent, names, pressed, choose, role) {
  const state = role === "tab" ? "aria-selected" : "aria-pressed";
  return names.map((name, at) => {
    const attributes = role ? { role, [state]: at === pressed } : { [state]: at === pressed };
    const button = make("button", parent, { type: "button", textContent: name }, attributes);
    button.addEventListener("click", () => choose(at));
    return button;
  });
}

/** `text` in `parent`, which may break after each part of a dotted name. */
function breakable(parent, text) {
  text.split(/(?<=[._/])/).forEach((part) => { parent.append(part); make("wbr", parent); });
}

function section(parent, title, said) {
  const root = make("section", parent);
  make("h2", root, { textContent: title });
  if (said) make("p", root, { className: "muted", textContent: said });
  return root;
}
