// The label filter: a dialog with the labels of the first column's source.
import { get } from "./api.js";
import { dialog } from "./dialogs.js";
import { button, count, h, put } from "./dom.js";
import { empty, failure, loading } from "./messages.js";

const MANY = 300; // rows drawn at once; the box narrows them

function row({ label, count: many }, chosen) {
  const choose = ({ target }) => (target.checked ? chosen.add(label) : chosen.delete(label));
  const box = h("input", { type: "checkbox", checked: chosen.has(label), onchange: choose });
  const parts = [box, h("span", {}, label), h("span", { class: "muted tabular push" }, count(many))];
  return h("li", { style: { "--depth": label.split("/").length - 1 } }, h("label", { class: "label-row" }, parts));
}

function rows(labels, chosen, wanted) {
  const found = labels.filter(({ label }) => label.toLowerCase().includes(wanted.toLowerCase()));
  const note = (said) => h("li", { class: "muted" }, said);
  if (found.length === 0) return note("No label has this in its name.");
  const rest = found.length > MANY && note(`${count(found.length - MANY)} more: type a part of the name`);
  return [found.slice(0, MANY).map((each) => row(each, chosen)), rest];
}

function chooser(labels, chosen, apply) {
  const list = h("ul", { class: "label-list" }, rows(labels, chosen, ""));
  const find = ({ target }) => put(list, rows(labels, chosen, target.value));
  const box = h("input", { type: "search", placeholder: "part of a name", "aria-label": "Find a label", autofocus: true, oninput: find });
  const filter = button("Filter", () => apply([...chosen]), { class: "primary" });
  return [box, list, h("div", { class: "row dialog-actions" }, filter, button("All labels", () => apply([])))];
}

/** Let the user choose labels; the results are those with any of them. */
export async function labelsDialog(state, context) {
  const body = h("div", { class: "stack" }, loading("Reading the labels…"));
  const element = dialog("Only entries with a label of", body);
  const apply = (labels) => {
    element.close();
    context.go({ labels });
  };
  try {
    const { labels } = await get("/api/labels", { source: state.columns[0].source });
    if (labels.length === 0) return put(body, empty("No labels", "The data of the first column's model has no labels to filter by."));
    put(body, chooser(labels, new Set(state.labels), apply));
    body.querySelector("input").focus();
  } catch (error) {
    put(body, failure(error));
  }
}
