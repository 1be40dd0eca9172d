// The page's frame: which page is shown, with which state; the query bar above it; dialogs and keys of all pages.
import * as api from "./api.js";
import { aboutDialog, keysDialog } from "./dialogs.js";
import { h, signButton } from "./dom.js";
import { entryDialog } from "./entry-dialog.js";
import { takePictures } from "./drop.js";
import { failure, loading } from "./messages.js";
import { queryBar } from "./query-bar.js";
import { isQueried, PAGES, read, write } from "./state.js";
import { themeButton } from "./theme.js";

const TITLES = { search: "Search", graph: "Graph", map: "Map", metrics: "Metrics" };
const SHARED = ["page", "query", "columns", "among", "k", "labels"];
const find = (id) => document.getElementById(id);
const kept = {}; // each page's own keys, for when the user comes back to it
let state = null, bar = null, page = null, root = null, abort = new AbortController();

const context = {
  api, go, href, refresh, catalog: null,
  /** The page that shows a query: the one that is open, or the search page. */
  get asking() {
    return isQueried(state.page) ? state.page : "search";
  },
  source: (id) => context.catalog.sources.find((source) => source.id === id),
  details: (entry) => entryDialog(entry, context),
  about: (id) => aboutDialog(context.source(id)),
  announce: (text) => void (find("live").textContent = text),
};

function merged(changes) {
  if (!changes.page || changes.page === state.page) return { ...state, ...changes };
  const shared = Object.fromEntries(SHARED.map((name) => [name, state[name]]));
  return { ...shared, ...kept[changes.page], ...changes };
}

function href(changes) {
  return write(merged(changes));
}

function go(changes, { replace = false } = {}) {
  const hash = href(changes);
  if (!replace && hash !== location.hash) return void (location.hash = hash);
  history.replaceState(null, "", hash);
  route();
}

async function refresh() {
  context.catalog = await api.get("/api/sources");
  return context.catalog;
}

/** The address's state; an address without columns gets the first two sources. */
function stateOfAddress() {
  const next = read(location.hash), { limits, sources } = context.catalog;
  next.columns = next.columns.slice(0, limits.columns);
  if (next.columns.length === 0) next.columns = sources.slice(0, 2).map(({ id }) => ({ source: id, index: "exact" }));
  return next;
}

function route() {
  abort.abort();
  abort = new AbortController();
  const before = state;
  state = stateOfAddress();
  const full = write(state);
  if (full !== location.hash) history.replaceState(null, "", full);
  kept[state.page] = Object.fromEntries(Object.entries(state).filter(([name]) => !SHARED.includes(name)));
  if (before && JSON.stringify(before.query) !== JSON.stringify(state.query)) scrollTo(0, 0);
  const link = (each) => h("a", { href: href({ page: each }), "aria-current": each === state.page && "page" }, TITLES[each]);
  find("nav").replaceChildren(...PAGES.map(link));
  document.title = `${state.query.text || TITLES[state.page]} · xmr explorer`;
  bar.update(state);
  showPage(abort.signal);
}

/** Add a page's stylesheet, and wait until it holds; a second time there is nothing to do. */
function styled(name) {
  const address = `/assets/${name}.css`;
  if (document.head.querySelector(`link[href="${address}"]`)) return null;
  const link = h("link", { rel: "stylesheet", href: address });
  document.head.append(link);
  return new Promise((done) => ["load", "error"].forEach((event) => link.addEventListener(event, done)));
}

async function showPage(signal) {
  const { page: name } = state;
  try {
    const [module] = await Promise.all([import(`./${name}.js`), styled(name)]);
    if (signal.aborted) return;
    if (page !== module) {
      page?.leave();
      page = module;
      root = h("div", { class: "page", id: "page", dataset: { page: name } });
      find("main").replaceChildren(h("h1", { class: "visually-hidden" }, TITLES[name]), root);
    }
    await module.show(root, state, Object.assign(Object.create(context), { signal }));
    if (!signal.aborted) root.dataset.shown = location.hash; // all of this state is on the page
  } catch (error) {
    if (api.aborted(error) || signal.aborted) return;
    page?.leave();
    page = null; // the next try starts from an empty page
    find("main").replaceChildren(failure(error, route));
    if (!(error instanceof api.ApiError)) console.error(error); // a mistake of the page: the console says where
  }
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
  if (event.key === "/") bar.focus();
  else if (event.key === "?") keysDialog();
  else return;
  event.preventDefault();
}

async function start() {
  find("main").replaceChildren(loading("Reading what is open here…"));
  try {
    await refresh();
  } catch (error) {
    return find("main").replaceChildren(failure(error, start));
  }
  bar = queryBar(find("query"), context);
  takePictures((file) => bar.upload(file));
  find("tools").replaceChildren(themeButton(), signButton("keys", "Keys (?)", keysDialog));
  document.addEventListener("keydown", keys);
  addEventListener("hashchange", route);
  route();
}

start();
