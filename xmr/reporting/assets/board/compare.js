// The models that are ticked, side by side: figures, settings, curves, cost, and the command that goes deeper.
const chosenRows = () => [...state.chosen].map((key) => state.board.rows.find((row) => row.key === key));
const colourOf = (row) => COLOURS[[...state.chosen].indexOf(row.key)];

function toggleChosen(row) {
  if (state.chosen.has(row.key)) state.chosen.delete(row.key);
  else if (state.chosen.size < MOST_COMPARED) state.chosen.add(row.key);
}

/** The bar at the foot of the window: what is ticked, and the way to the comparison. */
function updateBar() {
  const bar = find("bar"), rows = chosenRows();
  bar.hidden = !rows.length;
  bar.replaceChildren();
  if (!rows.length) return;
  const names = make("div", bar, { className: "names" });
  for (const row of rows) {
    const chip = make("button", names, { type: "button", className: "chip" }, { "aria-label": `do not compare ${row.label}` });
    make("i", chip, { className: "swatch" }).style.background = colourOf(row);
    make("span", chip, { className: "name", textContent: row.label });
    make("span", chip, { textContent: "×" });
    chip.addEventListener("click", () => { toggleChosen(row); changed(); });
  }
  if (rows.length === MOST_COMPARED) make("span", names, { className: "muted", textContent: `at most ${MOST_COMPARED}` });
  make("button", bar, { type: "button", id: "compare", textContent: rows.length > 1 ? "Compare ↓" : "Tick one more to compare", disabled: rows.length < 2 })
    .addEventListener("click", () => find("comparison").scrollIntoView({ behavior: "smooth" }));
  make("button", bar, { type: "button", textContent: "Clear" })
    .addEventListener("click", () => { state.chosen.clear(); changed(); });
}

function updateComparison() {
  const root = find("comparison"), rows = chosenRows();
  root.hidden = rows.length < 2;
  root.replaceChildren();
  if (root.hidden) return;
  const head = make("div", root, { className: "compare-head" });
  make("h2", head, { textContent: `${plural(rows.length, "model")} side by side` });
  make("button", head, { type: "button", textContent: "↑ Table" })
    .addEventListener("click", () => find("board").scrollIntoView({ behavior: "smooth" }));
  const sheet = make("div", root, { className: "sheet" });
  commandsBlock(sheet, rows);
  sideBySide(block(sheet, "Figures and settings that differ", "wide"), rows);
  const colours = rows.map(colourOf);
  drawCurves(block(sheet, "Training curves", "wide"), rows, colours, state.curve,
             (name) => { state.curve = name; updateComparison(); saveHash(); });
  drawCosts(block(sheet, "Cost", "wide"), shownRows().concat(rows.filter((row) => !shownRows().includes(row))), rows, colours,
            (id) => { state.cost = id; updateComparison(); saveHash(); });
}

/** `python scripts/compare.py A B` for the first model with each other one, all their finished seeds, to copy. */
function commandsBlock(parent, rows) {
  const folders = rows.map((row) => row.runs.filter((run) => run.state === "finished" && run.folder).map((run) => run.folder).join(","));
  const body = block(parent, "Is it noise? Query by query:", "wide");
  const [first, ...others] = folders.filter(Boolean).map(quoted);
  if (!others.length) {
    make("p", body, { className: "muted", textContent: "That takes two finished runs on this disk." });
    return;
  }
  for (const other of others) {
    const command = `python scripts/compare.py ${first} ${other}`;
    const line = make("div", body, { className: "command" });
    make("code", line, { textContent: command });
    const copy = make("button", line, { type: "button", textContent: "Copy" });
    copy.addEventListener("click", () => copyText(command, line.firstChild).then((done) => { copy.textContent = done ? "Copied" : "Press Ctrl+C"; }));
  }
}

/** A word as a shell takes it. */
const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** Copy `text`; where the page may not (a file opened from a disk), select it in `element`. */
async function copyText(text, element) {
  getSelection().selectAllChildren(element);
  if (!navigator.clipboard) return document.execCommand("copy");
  return navigator.clipboard.writeText(text).then(() => true, () => false);
}

function sideBySide(parent, rows) {
  const table = grid(parent, ["", ...rows.map(({ label }) => label)]);
  const heads = table.parentElement.querySelectorAll("th");
  rows.forEach((row, n) => { heads[n + 1].style.borderTop = `3px solid ${colourOf(row)}`; });
  for (const column of shownColumns().filter(({ metric }) => metric)) {
    const values = rows.map((row) => column.value(row));
    const shown = rows.map((row) => withDeviation(row, column));
    gridRow(table, column.title, shown, bestOf(values, column.lower));
  }
  for (const { id, name, unit } of costs) {
    const values = rows.map((row) => row.cost[id] ?? null);
    if (new Set(values).size > 1) gridRow(table, name, values.map((value) => showCost(unit, value)), bestOf(values, true));
  }
  for (const key of differingKeys(rows.filter(hasSettings))) {
    gridRow(table, key, rows.map((row) => (hasSettings(row) ? row.config[key] ?? MISSING : "not known")));
  }
}

function withDeviation(row, { metric, at }) {
  const deviation = row.deviation[at];
  return showMetric(metric, row.mean[at]) + (deviation === null ? "" : ` ± ${showMetric(metric, deviation)}`);
}

/** The place of the one best value; -1 where several are equal or none is known. */
function bestOf(values, lower) {
  const known = values.filter((value) => value !== null);
  const best = lower ? Math.min(...known) : Math.max(...known);
  return known.filter((value) => value === best).length === 1 && known.length > 1 ? values.indexOf(best) : -1;
}
