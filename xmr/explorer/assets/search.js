// The search page: one query, up to four columns side by side.
import { post } from "./api.js";
import { agreementPanel } from "./agreement.js";
import { Column } from "./column.js";
import { breadcrumbs, remember } from "./crumbs.js";
import { button, h, put, sign } from "./dom.js";
import { Links } from "./links.js";
import { failure, loading } from "./messages.js";
import { moveAmong } from "./moves.js";
import { indexFor, savedIndexes } from "./sources.js";
import { startPage } from "./start.js";
import { asked, bodyOf } from "./state.js";

const BINS = 40, TAGS = 8;
const INVITATION = "Up to four models or indexes answer the same query side by side.";
const narrow = matchMedia("(max-width: 760px)");
const warm = new Set(); // sources that answered a query in this visit: their models are loaded
let view = null;

export async function show(root, state, context) {
  view ??= new SearchView(root);
  await view.show(state, context);
}

export function leave() {
  view = null;
}

/** The columns that one request asks for: those that answer at once together, each that must load on its own. */
function groupsOf(columns) {
  const all = columns.map((_, at) => at), together = all.filter((at) => warm.has(columns[at].source));
  const alone = all.filter((at) => !together.includes(at)).map((at) => [at]);
  return together.length > 0 ? [together, ...alone] : alone;
}

class SearchView {
  constructor(root) {
    this.columns = [];
    this.crumbs = h("nav", { class: "crumbs", "aria-label": "Last queries" });
    this.tools = h("div", { class: "row search-tools" });
    this.notice = h("div", { class: "search-notice" });
    this.area = h("div", { class: "columns" });
    this.links = new Links(this.area);
    this.area.addEventListener("keydown", (event) => moveAmong(this.area, event));
    put(root, this.crumbs, this.tools, this.notice, this.area);
  }

  async show(state, context) {
    const fromResults = this.area.contains(document.activeElement);
    Object.assign(this, { state, context });
    put(this.crumbs, breadcrumbs(state, context));
    put(this.notice);
    this.links.clear();
    this.area.hidden = false;
    this.arrange();
    this.drawTools(asked(state.query) ? "" : INVITATION);
    if (!asked(state.query)) return this.start();
    for (const column of this.columns) column.wait();
    await this.search();
    if (fromResults && !context.signal.aborted) this.area.querySelector(".card-link")?.focus({ preventScroll: true });
  }

  /** One Column for each column of the state; those that stay keep what they show until the answer is there. */
  arrange() {
    const { columns } = this.state, many = columns.length;
    while (this.columns.length > many) this.columns.pop().root.remove();
    while (this.columns.length < many) {
      this.columns.push(new Column(this.columns.length));
      this.area.append(this.columns.at(-1).root);
    }
    this.area.dataset.columns = many;
    this.area.style.setProperty("--columns", many);
    this.columns.forEach((column, at) => {
      const onChange = (changes) => this.set(columns.map((each, index) => (index === at ? { ...each, ...changes } : each)));
      const onRemove = many > 1 && (() => this.set(columns.filter((_, index) => index !== at)));
      column.update(this.state, this.context, { onChange, onRemove });
    });
  }

  set(columns) {
    this.context.go({ columns });
  }

  /** Another column: a model that has none yet, else the last one's model with another index. */
  add() {
    const { columns, among } = this.state, { catalog } = this.context, { sources, indexes } = catalog, last = columns.at(-1);
    const fresh = sources.find(({ id }) => !columns.some(({ source }) => source === id));
    if (fresh) return this.set([...columns, { source: fresh.id, index: indexFor(catalog, last.index) }]);
    const used = columns.filter(({ source }) => source === last.source).map(({ index }) => index);
    const other = [...indexes, ...savedIndexes(catalog, last.source, among)].find(({ kind }) => !used.includes(kind)) ?? indexes[0];
    this.set([...columns, { source: last.source, index: other.kind }]);
  }

  drawTools(said) {
    const { state, context } = this, full = state.columns.length >= context.catalog.limits.columns;
    const charts = state.charts ? state.charts !== "0" : !narrow.matches; // pictures first where there is little room
    const turn = () => context.go({ charts: charts ? "0" : "1" }, { replace: true });
    const why = full ? "Four columns are the most" : "Another model or index, side by side";
    this.area.classList.toggle("without-charts", !charts);
    put(this.tools,
      typeof said === "string" ? h("span", { class: "muted small" }, said) : said,
      h("span", { class: "row tight push" },
        button([sign("chart"), "Charts"], turn, { class: "quiet", "aria-pressed": String(charts) }),
        button([sign("plus"), "Column"], () => this.add(), { disabled: full, title: why })));
  }

  async start() {
    for (const column of this.columns) column.clear();
    put(this.notice, loading("Looking for something to start with…"));
    put(this.notice, await startPage(this.state, this.context));
  }

  ask(group, { query, columns, among, k, labels }, signal) {
    const body = { query: bodyOf(query), columns: group.map((at) => columns[at]), among, k, labels, tags: TAGS, bins: BINS };
    return post("/api/search", body, signal);
  }

  async search() {
    const { state, context } = this, groups = groupsOf(state.columns);
    const answers = await Promise.all(groups.map((group) => this.searchGroup(group, groups.length === 1)));
    const answered = answers.find(Boolean);
    if (!answered || context.signal.aborted) return;
    remember(state.query, answered.query);
    put(this.crumbs, breadcrumbs(state, context));
    const apart = groups.length > 1, refused = answers.some((answer) => answer?.columns.some(({ error, index }) => error && index.startsWith("saved/")));
    if (apart || refused) await context.refresh(); // counts of what was loaded, saved indexes that turned out to be damaged
    if (context.signal.aborted) return; // this.state is another by now
    if (refused) this.arrange();
    const { agreement } = apart ? await this.ask(state.columns.map((_, at) => at), state, context.signal) : answered;
    if (context.signal.aborted) return;
    this.drawTools(agreementPanel(agreement) ?? "");
    context.announce(this.columns.map((column) => column.said()).join(" "));
  }

  /** Search some columns and draw their answers; null when the request itself failed. */
  async searchGroup(group, isAll) {
    const { state, context: { signal } } = this, { columns } = state;
    try {
      const answer = await this.ask(group, state, signal);
      group.forEach((at, index) => {
        if (!answer.columns[index].error) warm.add(columns[at].source);
        this.columns[at].answered(answer.columns[index]);
      });
      this.links.refresh();
      return answer;
    } catch (error) {
      if (signal.aborted) throw error;
      const retry = () => this.context.go({}, { replace: true });
      if (!isAll) for (const at of group) this.columns[at].failed(error, retry);
      else {
        put(this.notice, failure(error, retry));
        this.area.hidden = true;
      }
      return null;
    }
  }
}
