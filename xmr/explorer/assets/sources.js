// Choosing what is searched: a source (a model with what it embedded) and an index.
import { count, h } from "./dom.js";

const STATES = { loading: " (loading)", failed: " (failed)" };

function select(kind, options, onChange, label) {
  return h("select", { class: kind, "aria-label": label, title: label, onchange: (event) => onChange(event.target.value) }, options);
}

/** A select of all sources; one of a link that is not open here stays, and says so. */
export function sourceSelect({ sources }, value, onChange, label = "Model") {
  const options = sources.map(({ id, title, state }) =>
    h("option", { value: id, selected: id === value }, title + (STATES[state] ?? "")));
  const known = sources.some(({ id }) => id === value);
  if (!known && value) options.unshift(h("option", { value, selected: true }, `${value} (not open here)`));
  return select("source-select", options, onChange, label);
}

/** A select of all kinds of index. */
export function indexSelect({ indexes }, value, onChange, label = "Index") {
  const options = indexes.map(({ kind, name, about }) =>
    h("option", { value: kind, selected: kind === value, title: about }, name));
  return select("index-select", options, onChange, label);
}

let groups = 0;
/** A radio group that looks like one control; options are {value, text, title}. */
export function segments(name, options, value, onChange) {
  const group = `segments-${++groups}`;
  const each = options.map((option) => {
    const choose = () => onChange(option.value);
    const radio = h("input", { type: "radio", name: group, value: option.value, checked: option.value === value, onchange: choose });
    return h("label", { title: option.title }, radio, option.text);
  });
  return h("div", { class: "segments", role: "radiogroup", "aria-label": name }, each);
}

const sized = ([modality, many]) => `${count(many)} ${modality}${many === 1 ? "" : "s"}`;
/** "280 images · 1,400 texts", or "" before anything is loaded. */
export const sizes = (source) => Object.entries(source?.counts ?? {}).map(sized).join(" · ");
