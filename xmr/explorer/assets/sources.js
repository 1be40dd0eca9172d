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

const savedOf = ({ sources }, source) => sources.find(({ id }) => id === source)?.indexes ?? [];

/** The saved indexes of a source that can be searched among a modality. */
export const savedIndexes = (catalog, source, among) =>
  savedOf(catalog, source).filter(({ modality, error }) => modality === among && !error);

/** An index that another source has, too: another's saved index gives way to exact search. */
export const indexFor = ({ indexes }, index) => (indexes.some(({ kind }) => kind === index) ? index : "exact");

/** A select of all kinds of index and of the source's saved ones; one of a link that is not there stays, and says so. */
export function indexSelect(catalog, { source, index: value, among }, onChange, label = "Index") {
  const option = ({ kind, name, about }, props) => h("option", { value: kind, selected: kind === value, title: about, ...props }, name);
  const built = catalog.indexes.map((each) => option(each)), all = savedOf(catalog, source);
  const refused = ({ modality, error }) => (error ? "can't be used" : modality !== among && `of ${modality}s`);
  const saved = all.map((each) => option({ ...each, name: [each.name, refused(each)].filter(Boolean).join(": ") }, { disabled: Boolean(refused(each)) }));
  const known = [...catalog.indexes, ...all].some(({ kind }) => kind === value);
  const strange = !known && h("option", { value, selected: true }, `${value} (not here)`);
  return select("index-select", [strange, built, saved.length > 0 && h("optgroup", { label: "saved in the store" }, saved)], onChange, label);
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
