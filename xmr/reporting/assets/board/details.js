// Below a row that is opened: its seeds, and what it is, cost, drew and learned.

/** One line a seed, under the columns of the table. */
function seedRows(row, columns) {
  return row.runs.map((run) => {
    const line = document.createElement("tr");
    line.className = "seed";
    make("td", line);
    for (const column of columns) {
      const cell = make("td", line, { className: column.number ? "number" : "" });
      if (column.id === "model") seedCell(cell, run);
      else if (column.metric) cell.textContent = showMetric(column.metric, run.metrics[column.at]);
    }
    return line;
  });
}

function seedCell(cell, run) {
  make("span", cell, { className: "seed-name", textContent: seedName(run) });
  stateMark(cell, run);
  touchMark(cell, run.touches);
  if (run.source !== "folder") make("span", cell, { className: "mark", textContent: run.source });
  const path = run.href
    ? make("a", cell, { href: run.href, textContent: run.path, title: "the run's folder" })
    : make("span", cell, { textContent: run.path });
  path.classList.add("path");
}

function stateMark(parent, run) {
  if (run.state === "finished") return;
  make("span", parent, { className: `mark ${run.state}`, textContent: [run.state, run.progress].filter(Boolean).join(" · ") });
}

function touchMark(parent, touches) {
  if (touches <= 1) return;
  make("span", parent, { className: "mark warn", textContent: `test ×${touches}`,
    title: `Its test split was used ${touches} times: figures chosen by looking at the test split are too good.` });
}

/** The sheet with settings, cost, panels and curves of a row. */
function buildDetails(parent, row) {
  const sheet = make("div", parent, { className: "sheet" });
  const learned = block(sheet, "Training curves", "wide");
  const paint = () => {
    learned.replaceChildren();
    drawCurves(learned, [row], [], state.curve, (name) => { state.curve = name; paint(); saveHash(); });
  };
  paint();
  settingsBlock(sheet, row);
  costBlock(sheet, row);
  panelsBlock(sheet, row);
}

function block(parent, title, className = "") {
  const section = make("section", parent, { className: `block ${className}` });
  make("h3", section, { textContent: title });
  return make("div", section);
}

/** Settings that differ from the best row's; of the best row, from the next one's. */
function settingsBlock(parent, row) {
  const known = [...state.places.keys()].map((key) => state.board.rows.find((each) => each.key === key)).filter(hasSettings);
  const isBest = row === known[0], other = known[isBest ? 1 : 0], place = isBest ? "next best" : "best";
  const body = block(parent, other ? `Settings that differ from the ${place}` : "Settings");
  const say = (text) => make("p", body, { className: "muted", textContent: text });
  if (!hasSettings(row)) { say("Not known: only the result was submitted."); return; }
  if (!other) { say("There is no other finished model to compare with."); return; }
  if (other !== state.best && !isBest) say(`The best with known settings: ${other.label}`);
  const keys = differingKeys([row, other]);
  if (!keys.length) { say(`None: ${other.label} has the same settings.`); return; }
  const table = grid(body, ["setting", "this", place]);
  for (const key of keys) gridRow(table, key, [row, other].map((each) => each.config[key] ?? MISSING));
}

const differingKeys = (rows) => [...new Set(rows.flatMap((row) => Object.keys(row.config)))]
  .filter((key) => new Set(rows.map((row) => row.config[key])).size > 1);

/** Whether a row's settings are known, as those of a submission are not. */
const hasSettings = (row) => row.config !== null;

function grid(parent, heads) {
  const scroller = make("div", parent, { className: "scroller" });
  const table = make("table", scroller, { className: "grid" });
  const line = make("tr", make("thead", table));
  heads.forEach((head) => make("th", line, { textContent: head, scope: "col" }));
  return make("tbody", table);
}

function gridRow(table, name, values, best = -1) {
  const line = make("tr", table);
  make("th", line, { textContent: name, scope: "row" });
  values.forEach((value, n) => make("td", line, { textContent: value, className: n === best ? "best" : "" }));
}

function costBlock(parent, row) {
  const known = costs.filter(({ id }) => row.cost[id] !== undefined);
  const body = block(parent, row.runs.length > 1 ? "Cost, mean of a run" : "Cost");
  if (!known.length) { make("p", body, { className: "muted", textContent: "Not recorded." }); return; }
  const list = make("dl", body);
  for (const { id, name, unit } of known) {
    make("dt", list, { textContent: name });
    make("dd", list, { textContent: showCost(unit, row.cost[id]) });
  }
}

/** Pictures of a run, those that lie where the page looks for them; with several seeds one can choose. */
function panelsBlock(parent, row) {
  const runs = row.runs.filter(({ panels }) => panels.length);
  if (!runs.length) return;
  const body = block(parent, "Panels", "wide");
  const buttons = make("div", body, { className: "choice", hidden: runs.length < 2 });
  const shelf = make("div", body, { className: "shelf" });
  const show = (run) => {
    [...buttons.children].forEach((button, n) => button.setAttribute("aria-pressed", runs[n] === run));
    shelf.replaceChildren();
    const away = make("p", shelf, { className: "muted", hidden: true,
      textContent: `${plural(run.panels.length, "picture")} in ${run.path}/panels, which is not beside this page.` });
    let missing = 0;
    for (const { name, href } of run.panels) {
      // shown once it is there: a page that was sent alone has no broken pictures
      const link = make("a", shelf, { href, hidden: true, className: "thumbnail" });
      const picture = make("img", link, { alt: "", decoding: "async" });
      make("span", link, { textContent: name });
      picture.addEventListener("load", () => { link.hidden = false; });
      picture.addEventListener("error", () => { link.remove(); away.hidden = ++missing < run.panels.length; });
      picture.src = href;
    }
  };
  for (const run of runs) {
    make("button", buttons, { type: "button", textContent: seedName(run) }).addEventListener("click", () => show(run));
  }
  show(runs[0]);
}
