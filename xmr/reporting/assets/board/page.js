// The page: a tab a protocol, its head, and what follows a change.
let written = "";

/** After a change of what is sorted, filtered, opened or ticked. */
function changed() {
  updateHead();
  updateFilters();
  updateReading();
  updateRows();
  updateBar();
  updateComparison();
  saveHash();
}

function saveHash() {
  written = toHash();
  history.replaceState(null, "", written ? `#${written}` : location.pathname + location.search);
}

/** After a change of the columns: heads and details are made anew. */
function rebuildTable() {
  built.clear();
  const head = document.querySelector("#table thead");
  head.replaceChildren();
  buildHead(head);
  changed();
}

/** The board of the state, from its head to its rows. */
function build() {
  const root = find("board"), { board } = state;
  built.clear();
  root.replaceChildren();
  const section = make("section", root, { className: "board" });
  make("h2", section, { textContent: board.title });
  make("p", section, { className: "facts", textContent: board.facts.join(" · ") });
  if (board.apart.length) {
    const apart = make("p", section, { className: "facts apart" });
    make("b", apart, { textContent: "Not comparable with the other boards: " });
    apart.append(board.apart.join("; "));
  }
  buildToolbar(section);
  buildTable(section);
  make("p", section, { id: "reading", className: "hint" });
  board.notes.forEach((note) => make("p", section, { className: "hint", textContent: `${note[0].toUpperCase()}${note.slice(1)}.` }));
  [...find("tabs").children].forEach((tab, n) => {
    tab.setAttribute("aria-selected", boards[n] === board);
    tab.tabIndex = boards[n] === board ? 0 : -1;
  });
  changed();
}

/** What the marks mean, as far as the board has them. */
function updateReading() {
  const { board } = state, { metric, at, title } = focusColumn() ?? {};
  const said = [];
  if (metric) {
    said.push("Percentages, except ranks.");
    const axis = axisOf(focusColumn()), deviates = board.rows.some((row) => row.deviation[at] !== null);
    if (deviates) said.push("±: standard deviation over seeds.");
    if (axis) {
      const ends = [axis.low, axis.high].map((end) => showMetric(metric, end)).join(" to ");
      const marks = [board.rows.some((row) => row.interval[at]) && "whiskers are 95 % intervals over the queries (of several seeds, the mean of theirs)",
                     deviates && "short ticks are the seeds"].filter(Boolean);
      said.push(`${[`The line below each ${title} spans ${ends}`, ...marks].join("; ")}.`);
    }
    said.push(board.rows.some((row) => row.letters[metric])
      ? `Letters: models that share one do not differ in ${title} beyond chance.`
      : `Whether models differ in ${title} beyond chance was not tested here.`);
  }
  if (board.rows.some((row) => !row.finished)) said.push("Models without a finished run have no place: their figures are the last so far.");
  find("reading").textContent = said.join(" ");
}

function buildTabs() {
  const tabs = find("tabs");
  tabs.hidden = boards.length < 2;
  boards.forEach((board, n) => {
    const tab = make("button", tabs, { type: "button", title: board.title }, { role: "tab", "aria-controls": "board" });
    make("span", tab, { className: "name", textContent: board.title });
    make("span", tab, { className: "muted", textContent: board.rows.length.toLocaleString("en") });
    tab.addEventListener("click", () => { openBoard(board); build(); });
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      const next = (n + step + boards.length) % boards.length;
      openBoard(boards[next]);
      build();
      tabs.children[next].focus();
    });
  });
}

if (boards.length) {
  document.documentElement.classList.add("live");
  buildTabs();
  fromHash(location.hash);
  build();
  window.addEventListener("hashchange", () => {
    if (location.hash.slice(1) === written) return;
    fromHash(location.hash);
    build();
  });
}
