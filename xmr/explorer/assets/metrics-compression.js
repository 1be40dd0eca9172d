// The ledger of compression: what each index costs in bytes and time, and how much of exact search it keeps.
import { get } from "./api.js";
import { count, duration, h, number, put } from "./dom.js";
import { scatter } from "./metrics-scatter.js";
import { share, sortHead } from "./metrics-parts.js";
import { segments, sourceSelect } from "./sources.js";

const SAID = "Building each index and timing its searches…";
const SLOW = "Still working: the first time, vectors are read and indexes are trained; a large gallery takes minutes.";
const COLUMNS = [
  { key: "bytes_per_vector", name: "bytes / vector", text: ({ bytes_per_vector: bytes }) => (Number.isInteger(bytes) ? count(bytes) : bytes.toLocaleString("en-US", { maximumFractionDigits: 1 })) },
  { key: "bytes", name: "size", text: ({ bytes }) => size(bytes), title: ({ bytes }) => `${count(bytes)} bytes` },
  { key: "ratio", name: "ratio", text: ({ ratio }) => `${number(ratio, ratio < 10 ? 2 : 1)} ×`, about: "bytes of the float32 vectors, divided by those of the index" },
  { key: "overlap", name: "overlap", text: ({ overlap }) => share(overlap), about: "share of the first results of exact search that are found" },
  { key: "median_ms", name: "median", text: ({ median_ms: ms }) => (ms < 1 ? `${ms.toFixed(2)} ms` : duration(ms)), about: "time of one search" },
  { key: "build_seconds", name: "build", text: ({ build_seconds: seconds }) => duration(1000 * seconds).replace(/^0\.\d ms$/, "< 1 ms"), about: "time to build the index" },
];

function size(bytes) {
  if (bytes >= 2 ** 30) return `${(bytes / 2 ** 30).toFixed(2)} GiB`;
  if (bytes >= 2 ** 20) return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  return bytes >= 2 ** 10 ? `${(bytes / 2 ** 10).toFixed(1)} KiB` : `${bytes} B`;
}

export async function drawCompression(section, state, context) {
  const { go } = context, id = state.msource ?? state.columns[0].source, open = context.source(id)?.among ?? ["image"];
  const among = open.includes(state.mamong) ? state.mamong : open[0];
  const kinds = open.map((modality) => ({ value: modality, text: `${modality}s` }));
  put(section.tools, sourceSelect(context.catalog, id, (msource) => go({ msource }), "Model of the ledger"),
    open.length > 1 && segments("Gallery", kinds, among, (mamong) => go({ mamong })));
  const ask = () => get("/api/metrics/compression", { source: id, among }, context.signal);
  const draw = (answer) => page(answer, { id, among }, state, context);
  await section.fill(JSON.stringify([id, among]), ask, draw, { said: SAID, slow: SLOW, context });
}

function page(answer, chosen, state, context) {
  const built = answer.rows.filter(({ error }) => !error), failed = answer.rows.filter(({ error }) => error);
  const points = built.map((row) => ({ x: row.bytes_per_vector, y: row.overlap, name: row.index, title: `${row.index}: ${count(row.bytes_per_vector)} bytes a vector, ${share(row.overlap)} of exact, ${row.median_ms.toFixed(2)} ms` }));
  return h("div", { class: "metrics-ledger" },
    h("div", { class: "metrics-scroll", tabindex: "0", role: "group", "aria-label": "Compression by index" }, table(built, failed, chosen, state, context)),
    h("figure", { class: "panel metrics-scatter" }, h("figcaption", { class: "small" }, h("b", {}, "What the bytes buy"), h("span", { class: "muted" }, " up and to the left is better")), scatter(points)),
    h("div", { class: "metrics-notes small muted" },
      h("p", {}, `${count(answer.gallery)} ${chosen.among}s. ${answer.said}`),
      h("p", {}, "Bytes are those of the index alone. The binary index compares bits, then ranks what is near by the float32 vectors, which stay in memory or on disk beside it."),
      h("p", {}, "Codebooks and lists weigh most in small galleries: the index of a few hundred vectors may be larger than the vectors.")));
}

function table(built, failed, { id, among }, state, context) {
  const about = Object.fromEntries(context.catalog.indexes.map((index) => [index.kind, index.about]));
  const by = COLUMNS.find(({ key }) => key === state.csort), falls = state.cturn === "1";
  const rows = by ? built.toSorted((one, other) => (one[by.key] - other[by.key]) * (falls ? -1 : 1)) : built;
  const turn = (key) => () => (key === state.csort ? context.go({ cturn: falls ? null : "1" }) : context.go({ csort: key, cturn: null }));
  const link = (kind) => {
    const kinds = kind === "exact" ? ["exact"] : ["exact", kind];
    const href = context.href({ page: "search", among, columns: kinds.map((index) => ({ source: id, index })) });
    return h("a", { href, title: kind === "exact" ? "Search with it" : "Search with it beside exact search" }, kind);
  };
  const name = (kind) => h("th", { scope: "row" }, link(kind), h("div", { class: "muted small metrics-about" }, about[kind]));
  return h("table", { class: "table" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "index"), COLUMNS.map((column) =>
      sortHead(column.name, column === by ? (falls ? "descending" : "ascending") : undefined, turn(column.key), { title: column.about ? `${column.name}: ${column.about}` : column.name })))),
    h("tbody", {}, rows.map((row) => h("tr", { dataset: { index: row.index } }, name(row.index),
      COLUMNS.map((column) => h("td", { class: "number", title: column.title?.(row), dataset: { key: column.key } }, column.text(row))))),
    failed.map(({ index, error }) => h("tr", { dataset: { index } }, name(index), h("td", { colspan: COLUMNS.length, class: "metrics-refused" }, h("b", {}, "Not possible here: "), error)))));
}
