// The page: verdict and metrics at the top, then one direction at a time, then settings and notes.
const OUTCOMES = { both: "both find it", only_a: "A alone", only_b: "B alone", neither: "neither" };
const AGREEMENT = {
  overlap: (depth) => [`In common among the top ${depth}`, "the order does not count"],
  rank_biased_overlap: () => ["Rank-biased overlap", "the first entries count most, p = .9"],
  same_first: () => ["The same first entry", "of all queries"],
};
const SLICES = { length: "By length of the text", label: "By class", word: "By word" };

function showModels() {
  find("verdict").textContent = data.verdict;
  models.forEach((model, at) => {
    const root = make("div", find("models"), { className: "model" });
    badge(root, at);
    const about = make("div", root);
    make("strong", about, { textContent: model.name });
    const seeds = model.seeds.length > 1 ? ` · seeds ${model.seeds.join(", ")}` : model.seeds.length ? ` · seed ${model.seeds[0]}` : "";
    const runs = model.runs.length > 1 ? `${model.runs.length} runs: ${model.runs.join(", ")}` : model.runs[0] || "";
    make("span", about, { className: "muted", textContent: runs + seeds });
  });
  find("protocol").textContent = data.protocol.join(" · ");
}

function showMetrics() {
  const table = find("metrics"), head = make("tr", make("thead", table));
  ["metric", "A", "B", "B − A", "← B worse · B better →", "p", "B is"].forEach((name, at) =>
    make("th", head, { textContent: name, className: (at && at < 4) || at === 5 ? "number" : "", scope: "col" }));
  const body = make("tbody", table);
  const isRank = (metric) => metric.name.endsWith("_rank");
  const reach = (metrics) => Math.max(...metrics.flatMap(({ bar }) => (bar ? [Math.abs(bar[0]), Math.abs(bar[2])] : [0])));
  const reaches = [false, true].map((ranks) => reach(data.metrics.filter((metric) => isRank(metric) === ranks)));
  let direction = null;
  for (const metric of data.metrics) {
    if (metric.direction !== direction) {
      direction = metric.direction;
      make("th", make("tr", body, { className: "group" }), { textContent: direction || "all directions", colSpan: 7, scope: "colgroup" });
    }
    const row = make("tr", body);
    make("th", row, { textContent: metric.name.replaceAll("_", " "), scope: "row" });
    metric.values.forEach((value, at) => {
      const cell = make("td", row, { className: "number", textContent: value });
      make("small", cell, { textContent: metric.intervals[at] });
      if (metric.deviations[at]) make("small", cell, { textContent: metric.deviations[at] });
    });
    const change = make("td", row, { className: "number", textContent: metric.difference });
    if (metric.interval) make("small", change, { textContent: metric.interval });
    make("small", change, { className: `narrow ${metric.verdict}`, textContent: metric.verdict }, { "aria-hidden": true });
    const plot = make("td", row, { className: "plot" });
    const turned = isRank(metric);
    if (metric.bar) intervalPlot(plot, metric.bar, { reach: reaches[Number(turned)], turned, verdict: metric.verdict });
    make("td", row, { className: "number", textContent: metric.p });
    make("td", row, { className: metric.verdict, textContent: metric.said });
  }
  const unit = data.several_seeds
    ? "± is the deviation over seeds. Intervals and tests of the difference are over queries and seeds: they speak of the two recipes."
    : "Each side is one run: the tests speak of these two trained models, not of other seeds.";
  find("metrics-note").textContent =
    `Percent, and ranks (lower is better); 95 % intervals, queries of one item together. p is corrected over the ${data.tested} tests (Holm). ${unit}`;
}

function showOutcomes(parent, direction) {
  const root = section(parent, "Who finds what"), counts = direction.outcomes[chosen.k];
  const share = make("div", root, { className: "share" }, { role: "img", "aria-label": direction.readings[chosen.k] });
  const key = make("div", root, { className: "key" });
  for (const [name, said] of Object.entries(OUTCOMES)) {
    if (counts[name]) make("div", share, { className: name }).style.flex = `${counts[name]} 1 0`;
    make("span", key, { className: name, textContent: `${said} ${count(counts[name])} (${percent(counts[name] / direction.total)})` });
  }
  make("p", root, { textContent: direction.readings[chosen.k] });
}

function showRanks(parent, direction) {
  const { ranks, agreement } = direction;
  const columns = make("div", parent, { className: "columns" });
  if (ranks) {
    const shown = ranks.a.length < direction.total ? ` ${count(ranks.a.length)} of them are drawn.` : "";
    const root = section(columns, "Ranks", `The first correct entry of each query. B is nearer to the top in ${count(ranks.better)} queries, further away in ${count(ranks.worse)}, level in ${count(ranks.equal)}.${shown}`);
    new RankPlot(root, ranks);
  }
  const root = section(columns, "Agreement", agreement ? "How alike the lists are that both find, right or wrong." : "The results do not hold the lists that both found.");
  if (!agreement) return;
  const chart = make("div", root, { className: "chart" });
  for (const [name, value, low, high] of agreement.rows) {
    const [title, said] = AGREEMENT[name](agreement.depth);
    make("div", make("div", chart, { className: "name", textContent: title }), { className: "what", textContent: said });
    bar(make("div", chart), "both", [value, low, high], 1);
    make("div", chart, { className: "said", textContent: `${percent(value)} [${percent(low)}, ${percent(high)}]` });
  }
}

function showSlices(parent, direction) {
  const kinds = Object.keys(direction.slices);
  if (!kinds.length) return;
  const at = Math.max(0, kinds.indexOf(chosen.kind)), found = direction.slices[kinds[at]][chosen.k];
  const root = section(parent, "Where each fails");
  const buttons = make("div", root, { className: "choices" });
  choices(buttons, kinds.map((kind) => SLICES[kind]), at, (n) => {
    chosen.kind = kinds[n];
    const fresh = document.createDocumentFragment();
    showSlices(fresh, direction);
    const shown = fresh.firstChild;
    root.replaceWith(fresh);
    shown.querySelectorAll(".choices button")[n].focus();
  });
  const said = [`recall@${chosen.k}, A above B, with 95 % intervals; p is corrected over ${count(found.tested)} tests.`];
  if (kinds[at] === "word") said.push(`Shown: the ${found.rows.length} words of the surest difference, ${direction.words_of === "query" ? "of the query" : "of the texts that describe the picture"}.`);
  if (found.too_few) said.push(`${count(found.too_few)} more have fewer than 10 items, which tells nothing.`);
  if (found.beyond) said.push(`${count(found.beyond)} rarer ones are not tested.`);
  make("p", root, { className: "muted", textContent: said.join(" ") });
  if (found.rows.length) barChart(root, found.rows, "queries");
  else make("p", root, { textContent: "There is nothing to show." });
}

function showDirection() {
  const direction = data.directions[chosen.direction], root = find("direction");
  if (!direction.ks.includes(chosen.k)) chosen.k = direction.ks[0];
  for (const [id, names, pressed, choose, role] of [
    ["directions", data.directions.map((each) => each.name.replaceAll("_", " ")), chosen.direction, (at) => { chosen.direction = at; }, "tab"],
    ["ks", direction.ks.map((k) => `top ${k}`), direction.ks.indexOf(chosen.k), (at) => { chosen.k = direction.ks[at]; }],
  ]) {
    find(id).replaceChildren();
    const buttons = choices(find(id), names, pressed, (at) => {
      choose(at);
      showDirection();
      find(id).children[at].focus();
    }, role);
    if (id === "ks") find(id).hidden = buttons.length < 2;
  }
  root.replaceChildren();
  showOutcomes(root, direction);
  showQueries(root, direction);
  showRanks(root, direction);
  showSlices(root, direction);
}

function showTable(parent, title, rows, nothing) {
  const root = make("div", parent);
  make("h3", root, { textContent: title });
  if (!rows.length) { make("p", root, { className: "muted", textContent: nothing }); return; }
  const table = make("table", make("div", root, { className: "scroll" }));
  const head = make("tr", make("thead", table));
  ["", ...LETTERS].forEach((name) => make("th", head, { textContent: name, scope: "col" }));
  const body = make("tbody", table);
  for (const [name, ...values] of rows) {
    const row = make("tr", body);
    breakable(make("th", row, { scope: "row" }), name);
    values.forEach((value) => breakable(make("td", row, { className: /^[\d.,–-]+$/.test(value) ? "figure" : "" }), value));
  }
}

showModels();
showMetrics();
showDirection();
showTable(find("settings"), "Settings in which they differ", data.settings, "None: they differ in nothing that can change a result.");
showTable(find("settings"), "Cost", data.cost, "The results tell no cost.");
data.notes.forEach((note) => make("li", find("notes"), { textContent: note }));
find("notes-section").hidden = !data.notes.length;
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showDirection);
