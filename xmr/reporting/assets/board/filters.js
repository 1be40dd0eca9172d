// Which rows are shown: by text, and by the values of the settings in which the models differ.
const STATE = "state";
const MOST_VALUES = 40; // of a setting with more, boxes to tick are no help
const texts = new WeakMap();

const stateOf = (row) => (row.finished ? "finished" : row.runs.some((run) => run.state === "running") ? "running" : "stopped");
const facetValue = (row, key) => (key === STATE ? stateOf(row) : row.settings[key] ?? MISSING);

/** All that a text is looked for in. */
function textOf(row) {
  if (!texts.has(row)) {
    const said = [row.label, ...Object.values(row.settings), ...row.runs.flatMap((run) => [run.path, run.state, run.source])];
    texts.set(row, said.join("\n").toLowerCase());
  }
  return texts.get(row);
}

const matchesText = (row) => state.text.toLowerCase().split(/\s+/).every((word) => textOf(row).includes(word));

/** Whether `row` has one of the chosen values of every setting (of every one but `except`). */
function matchesFacets(row, except) {
  return [...state.facets].every(([key, values]) => key === except || values.has(facetValue(row, key)));
}

const shownRows = () => state.board.rows.filter((row) => matchesText(row) && matchesFacets(row));

/** The settings worth filtering by, with their values. */
function facetsOf(board) {
  return [{ key: STATE, name: STATE, title: STATE }, ...variedSettings(board)].map(({ key, name, title }) => {
    return { key, name, title, values: [...tally(board.rows, key).keys()].sort(inOrder) };
  }).filter(({ values }) => values.length > 1);
}

/** How many of `rows` have each value of a setting. */
function tally(rows, key) {
  const counts = new Map();
  rows.forEach((row) => counts.set(facetValue(row, key), (counts.get(facetValue(row, key)) ?? 0) + 1));
  return counts;
}

function buildToolbar(parent) {
  const bar = make("div", parent, { className: "toolbar" });
  const search = make("input", bar, { type: "search", id: "search", value: state.text, placeholder: "Filter models" },
                      { "aria-label": "Filter models by text" });
  search.addEventListener("input", () => { state.text = search.value; changed(); });
  const facets = facetsOf(state.board);
  if (facets.length) buildFacets(menu(bar, "settings", "Settings"), facets);
  buildColumnMenu(menu(bar, "columns", "Columns"));
  make("button", bar, { type: "button", id: "reset", textContent: "Reset", title: "the board as it was at first" })
    .addEventListener("click", () => { openBoard(state.board); build(); });
  make("span", bar, { id: "count", className: "muted" }, { role: "status" });
  make("div", parent, { id: "active" });
}

/** A button that opens a box below it; a click elsewhere or Escape closes it. */
function menu(parent, id, name) {
  const details = make("details", parent, { className: "menu", id });
  make("summary", details, { textContent: name });
  details.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    details.open = false;
    details.querySelector("summary").focus();
  });
  return make("div", details, { className: "box" });
}

document.addEventListener("click", ({ target }) =>
  document.querySelectorAll("details.menu[open]").forEach((each) => { if (!each.contains(target)) each.open = false; }));

function buildFacets(parent, facets) {
  for (const { key, name, title, values } of facets) {
    const group = make("fieldset", parent, { className: "facet" });
    make("legend", group, { textContent: name, title });
    if (values.length > MOST_VALUES) {
      make("span", group, { className: "muted", textContent: `${values.length} values: filter by text` });
      continue;
    }
    const choices = make("div", group, { className: "choices" });
    for (const value of values) {
      const label = make("label", choices);
      const box = make("input", label, { type: "checkbox", checked: Boolean(state.facets.get(key)?.has(value)) });
      make("span", label, { className: "name", textContent: value, title: value });
      const number = make("span", label, { className: "muted" });
      Object.assign(number.dataset, { key, value });
      box.addEventListener("change", () => { toggleFacet(key, value); changed(); });
    }
  }
}

/** How many rows each value would show, given the other filters; and the filters that are on, to take off. */
function updateFilters() {
  const found = state.board.rows.filter(matchesText), counts = new Map();
  for (const number of document.querySelectorAll(".facet [data-key]")) {
    const { key, value } = number.dataset;
    if (!counts.has(key)) counts.set(key, tally(found.filter((row) => matchesFacets(row, key)), key));
    const count = counts.get(key).get(value) ?? 0;
    number.textContent = count.toLocaleString("en");
    const box = number.parentElement.querySelector("input");
    box.checked = Boolean(state.facets.get(key)?.has(value));
    number.parentElement.classList.toggle("empty", count === 0 && !box.checked);
  }
  const active = find("active");
  active.replaceChildren();
  for (const [key, values] of state.facets) {
    for (const value of values) {
      const name = `${key.replace(/\._target_$/, "")} = ${value}`;
      make("button", active, { type: "button", className: "chip", textContent: `${name} ×` }, { "aria-label": `remove the filter ${name}` })
        .addEventListener("click", () => { toggleFacet(key, value); changed(); });
    }
  }
  const shown = shownRows().length, all = state.board.rows.length;
  find("count").textContent = shown === all ? plural(all, "model") : `${shown.toLocaleString("en")} of ${plural(all, "model")}`;
}

function buildColumnMenu(parent) {
  const groups = new Map();
  for (const column of state.all.filter((each) => !each.fixed)) {
    const name = column.group || "mean";
    if (!groups.has(name)) {
      groups.set(name, make("fieldset", parent, { className: "facet" }));
      make("legend", groups.get(name), { textContent: name });
    }
    const label = make("label", groups.get(name));
    const box = make("input", label, { type: "checkbox", checked: state.columns.has(column.id), value: column.id });
    make("span", label, { className: "name", textContent: column.name, title: column.title });
    box.addEventListener("change", () => {
      box.checked ? state.columns.add(column.id) : state.columns.delete(column.id);
      rebuildTable();
    });
  }
}
