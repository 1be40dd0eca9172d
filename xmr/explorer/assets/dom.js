// Elements made of data: text goes in as text, never as markup.
const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["value", "checked", "selected", "indeterminate"]);

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, to] of Object.entries(value)) element.style.setProperty(key, to);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (PROPERTIES.has(name)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...present(children));
  return element;
}

const present = (children) =>
  children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);

/** Put these in the place of all that an element holds; null, undefined and false are left out. */
export const put = (element, ...children) => element.replaceChildren(...present(children));

/** h("button", {class: "quiet", onclick: f, "aria-pressed": "true", style: {"--share": .5}}, "text", child, [more]) */
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function s(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

// Signs of 16 x 16, one path each; a text beside them or an aria-label says what they mean.
const SIGNS = {
  tick: "M3 8.5 6.5 12 13 4.5",
  cross: "M4 4 12 12M12 4 4 12",
  plus: "M8 3V13M3 8H13",
  search: "M11 11 14 14M12 7A5 5 0 1 1 2 7A5 5 0 1 1 12 7",
  info: "M8 1.5A6.5 6.5 0 1 0 8 14.5A6.5 6.5 0 1 0 8 1.5M8 7.3V11.3M8 4.8V4.9",
  picture: "M2 3H14V13H2ZM2 11 6 7 9 10 11 8 14 11",
  filter: "M2 3H14L9.5 8.5V13L6.5 11.5V8.5Z",
  dice: "M3 3H13V13H3ZM6 6V6.1M10 10V10.1M10 6V6.1M6 10V10.1",
  keys: "M1.5 4H14.5V12H1.5ZM4 7V7.1M8 7V7.1M12 7V7.1M5 10H11",
  back: "M10 3 5 8 10 13",
  chart: "M2 2V14H14M5 12V8M8 12V4M11 12V9",
  sun: "M8 2A6 6 0 1 0 8 14ZM8 2A6 6 0 1 1 8 14",
};

/** A drawn sign. */
export function sign(name) {
  return s("svg", { class: "sign", viewBox: "0 0 16 16", "aria-hidden": "true" }, s("path", { d: SIGNS[name] }));
}

/** A button with a text, or with several children. */
export const button = (content, onclick, props) => h("button", { type: "button", onclick, ...props }, content);

/** A quiet button that shows a sign alone; `label` says what it does. */
export const signButton = (name, label, onclick, props) =>
  button(sign(name), onclick, { class: "quiet", title: label, "aria-label": label, ...props });

// Numbers for people: 1,234 / 3 images / 0.83 / 85 % / 12 ms.
export const count = (value) => value.toLocaleString("en-US");
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;
export const number = (value, digits = 2) => (value === null || value === undefined ? "–" : value.toFixed(digits));
export const percent = (value) => `${Math.round(100 * value)} %`;
export function duration(ms) {
  if (ms >= 10_000) return `${Math.round(ms / 1000)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return ms >= 10 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`;
}
