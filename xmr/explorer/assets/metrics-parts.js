// What the sections of the metrics page share: asking while saying so, names of metrics, numbers with a sign, sorting heads.
import { ApiError } from "./api.js";
import { button, h, number, put, s } from "./dom.js";
import { empty, failure, loading, slowly } from "./messages.js";

const PATIENCE = 250; // ms before an answer that replaces another is said to be under way
const MINUS = "\u2212", THIN = "\u2009";

/** Tools above, an answer below; an answer stays, dimmed, while the next one is computed. */
export class Section {
  constructor(name) {
    this.tools = h("div", { class: "row metrics-tools" });
    this.notice = h("div", {});
    this.body = h("div", { class: "metrics-body" });
    this.element = h("section", { class: "metrics-section", dataset: { section: name } }, this.tools, this.notice, this.body);
    this.kept = new Map();
  }

  /** Show elements in place of an answer. */
  say(...elements) {
    this.settle();
    put(this.notice, ...elements);
    put(this.body);
  }

  /** Say that something is computed: at once where nothing is shown yet. */
  waits(said, slow) {
    const wait = loading(said);
    const announce = () => {
      put(this.notice, wait);
      slowly(wait, slow, 4000);
    };
    clearTimeout(this.timer);
    this.body.setAttribute("aria-busy", "true");
    if (this.body.hasChildNodes()) this.timer = setTimeout(announce, PATIENCE);
    else announce();
  }

  settle() {
    clearTimeout(this.timer);
    this.body.removeAttribute("aria-busy");
    put(this.notice);
  }

  /** The answer that `key` names: one from before, else what `ask()` resolves to. */
  async once(key, ask) {
    if (!this.kept.has(key)) this.kept.set(key, await ask());
    return this.kept.get(key);
  }

  /** Draw the answer that `key` names, or why there is none, with `rest` below that. */
  async fill(key, ask, draw, { said, slow, context, rest }) {
    if (!this.kept.has(key)) this.waits(said, slow);
    try {
      const answer = await this.once(key, ask);
      if (context.signal.aborted) return;
      this.settle();
      put(this.body, draw(answer));
    } catch (error) {
      if (context.signal.aborted || !(error instanceof ApiError)) throw error;
      this.say(failure(error, () => context.go({}, { replace: true })), rest);
    }
  }
}

/** "text_to_image" -> "text → image" */
export const arrow = (direction) => direction.replaceAll("_to_", " → ");
export const isRank = (metric) => metric.endsWith("_rank");
/** "text_to_image/median_rank" -> ["text → image", "median rank"]; a metric over all directions is of none. */
export function inWords(metric) {
  const [, direction = "", name] = /^(?:([^/]+)\/)?(.+)$/.exec(metric);
  return [arrow(direction), name.replaceAll("_", " ")];
}

export const fullName = (metric) => inWords(metric).join(" ").trim();

const minus = (text) => text.replace("-", MINUS);
/** A metric's value: ranks as they are, fractions in percent. */
export function figureOf(metric, value) {
  if (value === null || value === undefined) return "–";
  return minus(isRank(metric) ? value.toFixed(1) : (100 * value).toFixed(1));
}
/** "+0.123", "−0.123"; what rounds to nothing has no sign. */
export function signed(value, digits = 3) {
  const text = number(value, digits);
  return Number(text) === 0 ? number(0, digits) : minus(value > 0 ? `+${text}` : text);
}
/** "12 %"; with a decimal below ten and near a hundred, where it tells. */
export const share = (value) => `${(100 * value).toFixed(value > 0 && value < 1 && (value < 0.0995 || value > 0.9) && !whole(100 * value) ? 1 : 0)}${THIN}%`;
const whole = (value) => Math.abs(value - Math.round(value)) < 1e-9;
export const probability = (p) => (p < 0.001 ? "p < 0.001" : `p = ${p.toFixed(3)}`);

/** A select with its name before it; options are [value, text]. */
export function choice(name, options, value, onChange) {
  const each = options.map(([to, text]) => h("option", { value: to, selected: to === value }, text));
  const select = h("select", { "aria-label": name, onchange: (event) => onChange(event.target.value) }, each);
  return h("label", { class: "row tight" }, h("span", { class: "muted small" }, name), select);
}

/** A second model beside the first: "" is none. */
export function rivalSelect(context, first, value, onChange) {
  const others = context.catalog.sources.filter(({ id }) => id !== first).map(({ id, title }) => [id, title]);
  return others.length > 0 && choice("beside", [["", "no other model"], ...others], value, onChange);
}

/** A head whose button sorts; `turned`: "ascending" | "descending" | undefined where it does not sort. */
export function sortHead(name, turned, onSort, { number: isNumber = true, title } = {}) {
  const mark = turned && s("svg", { class: "metrics-turned", viewBox: "0 0 8 6", "aria-hidden": "true" },
    s("path", { d: turned === "ascending" ? "M4 0 8 6H0Z" : "M0 0H8L4 6Z" }));
  return h("th", { scope: "col", class: isNumber ? "number" : null, "aria-sort": turned },
    h("button", { type: "button", class: "quiet", title: title ?? `Sort by ${name}`, "aria-label": `Sort by ${title ?? name}`, onclick: onSort }, name, mark));
}

/** The models of an answer, each with the pattern of its bars and dots. */
export const keyOf = (context, ids) =>
  h("div", { class: "metrics-key" }, ids.map((id, at) => h("span", {}, h("i", { class: `metrics-swatch of-${at}` }), context.source(id)?.title ?? id)));

export const titleOf = (context, id) => context.source(id)?.title ?? id;

const reads = (source) => source.takes.includes("text");
/** The first of these sources that takes no text; undefined where all do. */
export const deafOf = (ids, context) => ids.find((id) => context.source(id) && !reads(context.source(id)));
/** Says that it takes no text, with a way to one that does. */
export function deafNote(ids, context) {
  const deaf = deafOf(ids, context), able = context.catalog.sources.find(reads);
  const use = able && button(`Use ${able.title}`, () => context.go({ msource: able.id, mother: null }));
  return empty(`${titleOf(context, deaf)} can't read words`, "Texts are embedded anew here, which needs a model with a text encoder: this is a store of vectors, or a model without one.", ...(use ? [use] : []));
}
