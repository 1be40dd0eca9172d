// What is shown now, and the link that shows it again.
const state = {};

function openBoard(board) {
  Object.assign(state, {
    board, all: [], columns: new Set(board.shown), focus: board.sorted_by, sort: board.sorted_by,
    up: isRank(board.sorted_by), text: "", facets: new Map(), open: new Set(), chosen: new Set(), cost: "", curve: "",
  });
  state.all = columnsOf(board);
  if (!board.metrics.includes(state.focus)) state.focus = state.sort = board.metrics[0] ?? "model";
  computePlaces();
}

function sortBy(id, up) {
  const column = state.all.find((each) => each.id === id);
  if (!column) return;
  state.up = up ?? (state.sort === id ? !state.up : Boolean(column.lower));
  state.sort = id;
  if (column.metric && state.focus !== id) {
    state.focus = id;
    computePlaces();
  }
}

/** The state as the part of an address behind "#": only what is not as at first. */
function toHash() {
  const { board } = state, said = new URLSearchParams();
  if (board !== boards[0]) said.append("board", board.key);
  if (state.focus !== board.sorted_by) said.append("metric", state.focus);
  if (state.sort !== board.sorted_by || state.up !== isRank(board.sorted_by)) {
    said.append("sort", state.sort);
    said.append("order", state.up ? "up" : "down");
  }
  if (state.text) said.append("text", state.text);
  for (const [key, values] of state.facets) values.forEach((value) => said.append(`with.${key}`, value));
  const atFirst = new Set(board.shown);
  if (atFirst.size !== state.columns.size || [...state.columns].some((id) => !atFirst.has(id))) {
    said.append("columns", "");
    state.columns.forEach((id) => said.append("columns", id));
  }
  state.open.forEach((key) => said.append("open", key));
  state.chosen.forEach((key) => said.append("compare", key));
  if (state.cost) said.append("cost", state.cost);
  if (state.curve) said.append("curve", state.curve);
  return said.toString();
}

/** Show what a link says; what the page does not have is passed over, as links outlive boards. */
function fromHash(hash) {
  const said = new URLSearchParams(hash.replace(/^#/, ""));
  openBoard(boards.find(({ key }) => key === said.get("board")) ?? boards[0]);
  const known = new Set(state.all.map(({ id }) => id)), rows = new Set(state.board.rows.map(({ key }) => key));
  if (state.board.metrics.includes(said.get("metric"))) { state.focus = said.get("metric"); computePlaces(); }
  if (known.has(said.get("sort"))) sortBy(said.get("sort"), said.get("order") === "up");
  state.text = said.get("text") ?? "";
  for (const [name, value] of said) {
    if (name.startsWith("with.")) toggleFacet(name.slice("with.".length), value);
  }
  if (said.has("columns")) state.columns = new Set(said.getAll("columns").filter((id) => known.has(id)));
  state.open = new Set(said.getAll("open").filter((key) => rows.has(key)));
  state.chosen = new Set(said.getAll("compare").filter((key) => rows.has(key)).slice(0, MOST_COMPARED));
  state.cost = said.get("cost") ?? "";
  state.curve = said.get("curve") ?? "";
}

function toggleFacet(key, value) {
  const values = state.facets.get(key) ?? new Set();
  values.has(value) ? values.delete(value) : values.add(value);
  values.size ? state.facets.set(key, values) : state.facets.delete(key);
}
