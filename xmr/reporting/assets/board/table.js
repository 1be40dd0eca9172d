// The table of a board: heads that sort, a line a model, and what is opened below it.
const built = new Map(); // row key -> its details, kept while the rows are drawn anew
let builtFor = "";

function buildTable(parent) {
  const scroller = make("div", parent, { className: "scroller main", id: "scroller" });
  const table = make("table", scroller, { id: "table" });
  buildHead(make("thead", table));
  make("tbody", table);
  new ResizeObserver(() => {
    // a head that stays in view needs a table that need not scroll sideways
    scroller.classList.toggle("wide", table.scrollWidth > parent.clientWidth + 1);
    scroller.style.setProperty("--visible", `${scroller.clientWidth}px`);
  }).observe(parent);
}

/** Two lines of heads: directions over their metrics. */
function buildHead(head) {
  const columns = shownColumns(), groups = make("tr", head, { className: "groups" }), names = make("tr", head);
  make("th", groups);
  make("td", names, { className: "tick" });
  for (let n = 0; n < columns.length; ) {
    const { group } = columns[n];
    let span = 1;
    while (n + span < columns.length && columns[n + span].group === group && group) span++;
    make("th", groups, { textContent: group, colSpan: span, scope: "colgroup", className: group ? "group" : `col-${columns[n].id}` });
    n += span;
  }
  for (const column of columns) {
    const cell = make("th", names, { scope: "col", className: `${column.number ? "number" : ""} col-${column.fixed ? column.id : "other"}` });
    cell.dataset.column = column.id;
    const button = make("button", cell, { type: "button", title: `sort by ${column.title}` }, { "aria-label": column.title });
    make("span", button, { textContent: column.name });
    make("span", button, { className: "arrow" }, { "aria-hidden": "true" });
    button.addEventListener("click", () => { sortBy(column.id); changed(); });
  }
}

function updateHead() {
  for (const cell of document.querySelectorAll("#table thead [data-column]")) {
    const isSorted = cell.dataset.column === state.sort;
    cell.classList.toggle("sorted", isSorted);
    isSorted ? cell.setAttribute("aria-sort", state.up ? "ascending" : "descending") : cell.removeAttribute("aria-sort");
    cell.querySelector(".arrow").textContent = isSorted ? (state.up ? "▲" : "▼") : "";
  }
}

function updateRows() {
  const columns = shownColumns(), body = document.createElement("tbody");
  const best = new Map(columns.filter(({ metric }) => metric).map((column) =>
    [column.id, bestOf(state.board.rows.map((row) => (row.finished ? column.value(row) : null)), column.lower)]));
  const deviating = new Set(columns.filter(({ metric, at }) => metric && state.board.rows.some((row) => row.deviation[at] !== null)).map(({ id }) => id));
  const context = { columns, best, deviating, axis: axisOf(focusColumn()) };
  const rows = sorted(shownRows());
  for (const row of rows) {
    body.append(rowLine(row, context));
    if (state.open.has(row.key)) body.append(...seedRows(row, columns), detailsLine(row, columns.length + 1));
  }
  if (!rows.length) {
    make("td", make("tr", body), { className: "empty", colSpan: columns.length + 1,
                                   textContent: state.board.rows.length ? "No model passes these filters." : "No model yet." });
  }
  document.querySelector("#table tbody").replaceWith(body);
}

function rowLine(row, context) {
  const line = document.createElement("tr");
  line.dataset.key = row.key;
  line.className = [row.finished ? "" : "unfinished", state.open.has(row.key) ? "open" : "", state.chosen.has(row.key) ? "chosen" : ""].join(" ");
  const tick = make("td", line, { className: "tick" });
  const isChosen = state.chosen.has(row.key), isFull = state.chosen.size >= MOST_COMPARED;
  const box = make("input", tick, { type: "checkbox", checked: isChosen, disabled: isFull && !isChosen }, { "aria-label": `compare ${row.label}` });
  if (isChosen) box.style.accentColor = colourOf(row);
  box.addEventListener("change", () => { toggleChosen(row); changed(); document.querySelector(`tr[data-key="${row.key}"] input`)?.focus(); });
  for (const column of context.columns) {
    if (column.id === "model") modelCell(make("th", line, { scope: "row", className: "col-model" }), row);
    else if (column.metric) metricCell(make("td", line, { className: "number" }), row, column, context);
    else make("td", line, { className: column.number ? `number col-${column.id}` : "", textContent: column.text(row) });
  }
  return line;
}

function modelCell(cell, row) {
  const isOpen = state.open.has(row.key);
  const button = make("button", cell, { type: "button", className: "model" }, { "aria-expanded": isOpen });
  make("span", button, { className: "fold", textContent: "▸" }, { "aria-hidden": "true" });
  make("span", button, { className: "name", textContent: row.label });
  button.addEventListener("click", () => {
    isOpen ? state.open.delete(row.key) : state.open.add(row.key);
    changed();
    document.querySelector(`tr[data-key="${row.key}"] .model`)?.focus();
  });
  const marks = make("span", cell, { className: "marks" });
  const live = row.runs.filter((run) => run.state !== "finished");
  if (live.length === 1 || !row.finished) live.slice(0, 1).forEach((run) => stateMark(marks, run));
  else if (live.length) make("span", marks, { className: "mark", textContent: `${live.length} not finished` });
  touchMark(marks, Math.max(...row.runs.map(({ touches }) => touches)));
  for (const source of new Set(row.runs.map((run) => run.source).filter((each) => each !== "folder"))) {
    make("span", marks, { className: "mark", textContent: source });
  }
}

function metricCell(cell, row, column, { best, deviating, axis }) {
  const isFocus = column.id === state.focus, deviation = row.deviation[column.at];
  cell.classList.toggle("focus", isFocus);
  const line = make("span", cell, { className: "line" });
  if (isFocus && row.letters[column.metric]) letterChips(line, row.letters[column.metric], column);
  const figure = make("span", line, { className: "figure", textContent: column.text(row) });
  if (state.board.rows[best.get(column.id)] === row) figure.classList.add("best");
  // an empty one keeps the figures of a column below one another
  if (deviating.has(column.id)) make("small", line, { textContent: deviation === null ? "" : `±${showMetric(column.metric, deviation)}` });
  if (isFocus && axis && row.finished && column.value(row) !== null) strip(cell, row, column, axis);
}

/** The range of the column in focus, intervals and seeds included: what the line below its figures spans. */
function axisOf(column) {
  if (!column) return null;
  const values = state.board.rows.filter((row) => row.finished).flatMap((row) =>
    [row.mean[column.at], ...(row.interval[column.at] ?? []), ...seedValues(row, column)]).filter((value) => value !== null);
  if (!values.length) return null;
  const low = Math.min(...values), high = Math.max(...values);
  return low < high ? { low, high } : null;
}

const seedValues = (row, { at }) => row.runs.filter((run) => run.state === "finished").map((run) => run.metrics[at]).filter((value) => value !== null);

/** A line with a dot at the value, the interval around it, and a tick for each seed. */
function strip(cell, row, column, { low, high }) {
  const percent = (value) => `${((100 * (value - low)) / (high - low)).toFixed(2)}%`;
  const root = make("span", cell, { className: "strip" }, { "aria-hidden": "true" });
  const interval = row.interval[column.at], seeds = seedValues(row, column), told = [];
  if (interval) {
    const whisker = make("i", root, { className: "whisker" });
    whisker.style.left = percent(interval[0]);
    whisker.style.width = percent(low + interval[1] - interval[0]);
    told.push(`95 % interval ${interval.map((end) => showMetric(column.metric, end)).join(" to ")}`);
  }
  if (seeds.length > 1) {
    seeds.forEach((value) => { make("i", root, { className: "seed-tick" }).style.left = percent(value); });
    told.push(`seeds ${seeds.map((value) => showMetric(column.metric, value)).join(", ")}`);
  }
  make("i", root, { className: "dot" }).style.left = percent(row.mean[column.at]);
  cell.title = told.join(" · ");
}

/** A chip for each letter, or for three and more that follow one another; pointed at, it shows who shares it. */
function letterChips(cell, letters, column) {
  const root = make("span", cell, { className: "letters" });
  for (const group of inRuns(letters)) {
    const shown = group.length > 1 ? `${group[0]}–${group.at(-1)}` : group;
    const chip = make("span", root, { className: "letter", textContent: shown,
      title: `Models that share a letter do not differ in ${column.title} beyond chance.` });
    chip.addEventListener("pointerenter", () => shareLetters(group, column.metric));
    chip.addEventListener("pointerleave", () => shareLetters("", column.metric));
  }
}

/** "abcf" as ["abc", "f"]: letters that follow one another are together where they are three or more. */
function inRuns(letters) {
  const runs = [];
  for (const letter of letters) {
    const last = runs.at(-1);
    if (last && letter.codePointAt(0) === last.codePointAt(last.length - 1) + 1) runs[runs.length - 1] += letter;
    else runs.push(letter);
  }
  return runs.flatMap((run) => (run.length > 2 ? [run] : [...run]));
}

function shareLetters(letters, metric) {
  const byKey = new Map(state.board.rows.map((row) => [row.key, row.letters[metric] ?? ""]));
  for (const line of document.querySelectorAll("#table tr[data-key]")) {
    const shares = [...letters].some((letter) => byKey.get(line.dataset.key).includes(letter));
    line.classList.toggle("apart", letters !== "" && !shares);
  }
}

function detailsLine(row, span) {
  // the best row, and the curve shown first, are those of the metric in focus
  if (builtFor !== state.focus) built.clear();
  builtFor = state.focus;
  const kept = built.get(row.key);
  if (kept) return kept;
  const line = document.createElement("tr");
  line.className = "details";
  buildDetails(make("td", line, { colSpan: span }), row);
  built.set(row.key, line);
  return line;
}
