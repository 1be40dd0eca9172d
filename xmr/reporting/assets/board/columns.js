// The columns of a board: what each shows of a row, and how it sorts.

/** All columns that a board can have, in their order; `fixed` ones are always shown. */
function columnsOf(board) {
  const fixed = [
    { id: "rank", group: "", name: "#", title: "place by the metric in focus", number: true, fixed: true, lower: true,
      value: (row) => placeOf(row), text: (row) => String(placeOf(row) ?? MISSING) },
    { id: "model", group: "", name: "model", title: "model", fixed: true, lower: true, value: (row) => row.label },
    { id: "seeds", group: "", name: "seeds", title: "finished seeds", number: true, fixed: true,
      value: finishedRuns, text: (row) => String(finishedRuns(row)) },
  ];
  const names = [...board.shown, ...board.metrics.filter((name) => !board.shown.includes(name))];
  const metrics = names.map((metric) => {
    const [group, name] = inWords(metric), at = board.metrics.indexOf(metric);
    return { id: metric, metric, at, group, name, title: fullName(metric), number: true, lower: isRank(metric),
             value: (row) => row.mean[at], text: (row) => showMetric(metric, row.mean[at]) };
  });
  const taken = costs.filter(({ id }) => board.rows.some((row) => row.cost[id] !== undefined)).map(({ id, name, unit }) => (
    { id: `cost.${id}`, group: "cost", name, title: name, number: true, lower: true,
      value: (row) => row.cost[id] ?? null, text: (row) => showCost(unit, row.cost[id]) }));
  const settings = variedSettings(board).map(({ key, name, title }) => (
    { id: `set.${key}`, group: "settings", name, title, lower: true,
      value: (row) => row.settings[key] ?? null, text: (row) => row.settings[key] ?? MISSING }));
  return [...fixed, ...sameGroupTogether(metrics), ...taken, ...settings];
}

/** Metrics of one direction stand beside one another, under one heading. */
function sameGroupTogether(columns) {
  const groups = Map.groupBy ? Map.groupBy(columns, ({ group }) => group) : columns.reduce(
    (found, column) => found.set(column.group, [...(found.get(column.group) ?? []), column]), new Map());
  return [...groups.values()].flat();
}

/** The settings in which models differ; those that always vary together are one: [{key, name, title}]. */
function variedSettings(board) {
  const together = new Map();
  for (const key of new Set(board.rows.flatMap((row) => Object.keys(row.settings)))) {
    const values = JSON.stringify(board.rows.map((row) => row.settings[key] ?? null));
    together.set(values, [...(together.get(values) ?? []), key]);
  }
  return [...together.values()].map((keys) => {
    const names = keys.map((key) => key.replace(/\._target_$/, ""));
    return { key: keys[0], name: names[0] + (names.length > 1 ? ` +${names.length - 1}` : ""), title: names.join(", ") };
  });
}

const finishedRuns = (row) => row.runs.filter((run) => run.state === "finished").length;
const shownColumns = () => state.all.filter((column) => column.fixed || state.columns.has(column.id));
const focusColumn = () => state.all.find((column) => column.id === state.focus);

/** The place of each finished row by the metric in focus: equal for equal values. */
function computePlaces() {
  const { at = -1, lower } = focusColumn() ?? {}, sign = lower ? 1 : -1;
  const ranked = state.board.rows.filter((row) => row.finished && typeof row.mean[at] === "number")
    .sort((a, b) => sign * (a.mean[at] - b.mean[at]));
  state.places = new Map();
  ranked.forEach((row, n) => {
    const before = ranked[n - 1];
    state.places.set(row.key, before && before.mean[at] === row.mean[at] ? state.places.get(before.key) : n + 1);
  });
  state.best = ranked[0] ?? null;
}

const placeOf = (row) => state.places.get(row.key) ?? null;

/** Rows in the order asked for: what lacks a value comes last both ways, equal ones stay as they were. */
function sorted(rows) {
  const column = state.all.find(({ id }) => id === state.sort), sign = state.up ? 1 : -1;
  const lasts = (row) => {
    const value = column.value(row);
    return value === null || value === undefined ? 2 : column.metric && !row.finished ? 1 : 0;
  };
  return [...rows].sort((a, b) => lasts(a) - lasts(b) || (lasts(a) === 2 ? 0 : sign * inOrder(column.value(a), column.value(b))));
}

/** Numbers, those in texts too, by size; texts by the alphabet. */
function inOrder(one, other) {
  const by = Number(one) - Number(other);
  if (one !== "" && other !== "" && !Number.isNaN(by)) return by;
  return String(one).localeCompare(String(other), "en", { numeric: true });
}
