// The page's state and its address: every state has one hash, so history and links reproduce it.
export const PAGES = ["search", "graph", "map", "metrics"];
const QUERIED = new Set(["search", "graph", "map"]);
export const NOTHING = { text: "", upload: null, entry: null };
export const EMPTY = { page: "search", query: NOTHING, columns: [], among: "image", k: 30, labels: [] };
const NAMES = new Set(["q", "upload", "entry", "c", "among", "k", "label"]);

/** An entry's address; ids of sources have no colon, ids of entries may. */
const writeEntry = ({ source, modality, id }) => `${modality}:${source}:${id}`;
function readEntry(text) {
  const [, modality, source, id] = /^(image|text|composed):([^:]+):(.+)$/s.exec(text ?? "") ?? [];
  return id ? { source, modality, id } : null;
}

function readColumn(text) {
  const at = text.lastIndexOf(":");
  return at > 0 ? { source: text.slice(0, at), index: text.slice(at + 1) } : { source: text, index: "exact" };
}

/** "#/search?q=a+cat&c=emoji-d4dea0:exact" -> the state; names that are not shared stay in it as strings. */
export function read(hash) {
  const [path, search = ""] = hash.replace(/^#?\/?/, "").split(/\?(.*)/s);
  const params = new URLSearchParams(search);
  const own = Object.fromEntries([...params].filter(([name]) => !NAMES.has(name) && !(name in EMPTY)));
  const k = Math.round(Number(params.get("k")));
  return {
    ...own,
    page: PAGES.includes(path) ? path : "search",
    query: { text: params.get("q") ?? "", upload: params.get("upload"), entry: readEntry(params.get("entry")) },
    columns: params.getAll("c").map(readColumn),
    among: params.get("among") === "text" ? "text" : "image",
    k: k >= 1 ? Math.min(k, 200) : EMPTY.k,
    labels: params.getAll("label"),
  };
}

/** The state's hash; what is at its default is left out. */
export function write(state) {
  const { page, query, columns, among, k, labels, ...own } = state;
  const params = new URLSearchParams();
  if (query.text) params.set("q", query.text);
  if (query.upload) params.set("upload", query.upload);
  if (query.entry) params.set("entry", writeEntry(query.entry));
  if (among !== EMPTY.among) params.set("among", among);
  if (k !== EMPTY.k) params.set("k", k);
  for (const label of labels) params.append("label", label);
  for (const [name, value] of Object.entries(own)) {
    if (value !== null && value !== undefined && value !== "") params.set(name, value);
  }
  for (const { source, index } of columns) params.append("c", `${source}:${index}`);
  const search = params.toString().replaceAll("%3A", ":").replaceAll("%2F", "/");
  return `#/${page}${search ? `?${search}` : ""}`;
}

/** Whether a page shows what a query finds. */
export const isQueried = (page) => QUERIED.has(page);

/** Whether anything is asked. */
export const asked = (query) => Boolean(query.text || query.upload || query.entry);

/** The query that an entry makes on its own. */
export const queryOf = ({ source, modality, id }) => ({ ...NOTHING, entry: { source, modality, id } });

/** The query of words alone. */
export const wordsOf = (text) => ({ ...NOTHING, text });

/** The query as the server takes it. */
export function bodyOf({ text, upload, entry }) {
  return { ...(text && { text }), ...(upload && { upload }), ...(entry && { entry }) };
}
