// How far columns agree, in plain words.
import { h, number, percent, plural } from "./dom.js";

/** What a rank correlation says of two orders. */
export function inWords(rho) {
  if (rho >= 0.95) return "the same order";
  if (rho >= 0.7) return "much the same order";
  if (rho >= 0.3) return "a somewhat similar order";
  if (rho > -0.3) return "unrelated orders";
  return "opposite orders";
}

const named = ({ columns }) => columns.map((at) => at + 1).join(" and ");

function correlation(rho, before, of) {
  if (rho === null) return null;
  return h("span", { title: `Spearman's rank correlation of ${of}: ${number(rho)}` }, `${before}${inWords(rho)} (ρ ${number(rho)})`);
}

function sentence(pair) {
  const { overlap, shared, rank_correlation: listed, gallery_correlation: whole } = pair;
  return h("li", {},
    h("b", {}, `${named(pair)} `),
    shared === 0 ? "share no result" : `share ${plural(shared, "result")} (${percent(overlap)})`,
    correlation(listed, ", in ", "the shared results"),
    correlation(whole, "; over the whole gallery, ", "the similarities of the whole gallery"));
}

/** A list with one sentence for each pair of columns; null for a single column. */
export function agreementPanel(agreement) {
  if (agreement.length === 0) return null;
  const apart = agreement.filter(({ comparable }) => !comparable).map(named).join(", ");
  const sentences = agreement.filter(({ comparable }) => comparable).map(sentence);
  const rest = apart && h("li", {}, h("b", {}, apart), ": not the same entries, nothing to compare");
  return h("ul", { class: "agreement small", "aria-label": "How the columns agree" }, sentences, rest);
}
