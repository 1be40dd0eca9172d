// A column of the search page: what is searched, what was found, and how sure one can be of it.
import { card } from "./cards.js";
import { curve, histogram } from "./charts.js";
import { button, count, duration, h, number, percent, plural, put, sign, signButton } from "./dom.js";
import { empty, failure, loading, slowly } from "./messages.js";
import { indexFor, indexSelect, sourceSelect } from "./sources.js";
import { queryOf, wordsOf } from "./state.js";

const SLOW = "Still working: the first query of a model reads its vectors and weights. That takes seconds, or minutes for a large one.";
const muted = (...said) => h("span", { class: "muted" }, said);

function correctness(correct, k, index) {
  if (!correct) return muted("no ground truth for this query");
  if (correct.total === 0) return muted("nothing correct in this gallery");
  const { total, shown, first_rank: rank } = correct;
  const first = rank === null ? "none ranked" : `first at ${index === "exact" ? "rank" : "exact rank"} ${count(Math.round(rank))}`;
  return h("span", { class: shown > 0 && "found" }, shown > 0 && h("span", { class: "tick" }, sign("tick")),
    `${shown} of ${total} correct in the first ${k}`, muted(` · ${first}`));
}

const searchedIn = ({ gallery, total }, noun) =>
  gallery === total ? plural(total, noun) : `${count(gallery)} of ${plural(total, noun)} (by label)`;

function timing({ encode_ms, encode_cached, search_ms, build_ms }, index) {
  const parts = [encode_cached ? "query vector at hand" : `encoded in ${duration(encode_ms)}`, `searched in ${duration(search_ms)}`];
  if (build_ms > 0) parts.push(`index ${index.startsWith("saved/") ? "opened" : "built"} in ${duration(build_ms)}`);
  return parts.join(" · ");
}

function factsOf(answer, among, k) {
  const shown = answer.results.length, { recall } = answer;
  const found = recall !== null && `finds ${percent(recall)} of the exact first ${Math.min(k, answer.gallery)}`;
  const cost = `${searchedIn(answer, among)} · ${timing(answer.timing, answer.index)}`;
  return [
    h("p", { class: "correct-line" }, correctness(answer.correct, shown, answer.index),
      found && h("span", { class: "badge", title: "recall of the index for this query" }, found)),
    h("p", { class: "muted small tabular", title: answer.measures }, cost),
    answer.note && h("p", { class: "muted small" }, answer.note),
  ];
}

export class Column {
  constructor(at) {
    this.at = at;
    const part = (name) => (this[name] = h("div", { class: `column-${name}` }));
    const elsewhere = h("p", { class: "column-elsewhere small", hidden: true });
    const head = h("div", { class: "column-head" }, part("bar"), elsewhere);
    this.root = h("section", { class: "column", dataset: { at } }, head, part("facts"), part("tags"), part("charts"), part("results"));
  }

  /** Show what is searched here; `onRemove` is absent where it is the only column. */
  update(state, context, { onChange, onRemove }) {
    Object.assign(this, { state, context });
    const { source, index } = state.columns[this.at], known = context.source(source), nth = this.at + 1;
    const title = known?.title ?? source;
    this.root.setAttribute("aria-label", `Column ${nth}: ${title}, ${index}`);
    put(this.bar,
      h("span", { class: "badge", "aria-hidden": "true" }, nth),
      sourceSelect(context.catalog, source, (value) => onChange({ source: value, index: indexFor(context.catalog, index) }), `Model of column ${nth}`),
      indexSelect(context.catalog, { source, index, among: state.among }, (value) => onChange({ index: value }), `Index of column ${nth}`),
      signButton("info", `About ${title}`, () => context.about(source), { disabled: !known }),
      onRemove && signButton("cross", `Remove column ${nth}`, onRemove));
  }

  draw({ facts, tags, charts, results }) {
    this.answer = null;
    this.root.removeAttribute("aria-busy");
    put(this.facts, facts);
    put(this.tags, tags);
    put(this.charts, charts);
    put(this.results, results);
  }

  clear() {
    this.draw({});
  }

  /** What was found stays, dimmed, while the next answer is on its way. */
  wait() {
    if (!this.answer) {
      const element = loading("Searching…");
      this.draw({ results: element });
      slowly(element, SLOW);
    }
    this.root.setAttribute("aria-busy", "true");
  }

  failed(error, retry) {
    this.draw({ results: failure(error, retry) });
  }

  /** Draw the column's part of an answer of /api/search. */
  answered(answer) {
    if (answer.error) return this.failed(answer.error);
    const { among, k } = this.state, facts = factsOf(answer, among, k), tags = this.tagsOf(answer.tags);
    if (answer.results.length === 0) return this.draw({ results: this.nothing(answer) });
    this.draw({ facts, tags, charts: [histogram(answer), curve(answer, k)], results: this.listOf(answer) });
    this.answer = answer;
  }

  nothing({ total, gallery }) {
    const { labels, among } = this.state;
    const none = `This source holds no ${among}s other than the query itself.`;
    if (labels.length === 0 || gallery > 0) return empty("Nothing to search in", none);
    const all = button("Search in all labels", () => this.context.go({ labels: [] }));
    const said = `None of the ${plural(total, among)} of this source has the label ${labels.join(" or ")}.`;
    return empty("Nothing has these labels", said, all);
  }

  listOf({ results, measures }) {
    const { context, state } = this, kind = state.among === "text" ? "text" : "picture", onDetails = context.details;
    const items = results.map((result) => {
      const { rank, score, similarity, relevant } = result;
      const scoreTitle = score === similarity ? measures : `score of the index; similarity ${number(similarity, 3)}`;
      const href = context.href({ query: queryOf(result) });
      return h("li", {}, card(result, { href, rank, score, scoreTitle, relevant, kind, onDetails }));
    });
    return h("ol", { class: kind === "text" ? "grid as-list" : "grid", "aria-label": `Results of column ${this.at + 1}` }, items);
  }

  tagsOf(tags) {
    const chips = tags.map(({ text, score }) => {
      const href = this.context.href({ query: wordsOf(text) });
      return h("a", { class: "chip", href, title: `${text} (${number(score, 3)}): search with these words` }, h("span", {}, text));
    });
    return chips.length > 0 && [h("span", { class: "muted small" }, "relevant tags"), chips];
  }

  /** The column's answer for those who hear it. */
  said() {
    if (!this.answer) return `Column ${this.at + 1}: no results.`;
    const { correct, results } = this.answer;
    const right = correct ? `, ${correct.shown} of ${correct.total} correct` : "";
    return `Column ${this.at + 1}: ${plural(results.length, "result")}${right}.`;
  }
}
