// The two charts of a column: how similar everything is to the query, and how similarity falls with rank.
import { count, h, number, s } from "./dom.js";

const HEIGHT = 102, EDGE = { left: 34, right: 8, top: 8 }, FLOOR = HEIGHT - 24;
const TICKS = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000];

/** A figure whose SVG is painted anew at each width; `paint(svg, right)` appends to it. */
function chart(name, label, paint, ...legend) {
  const svg = s("svg", { role: "img", "aria-label": label, height: HEIGHT });
  const element = h("figure", { class: "chart" }, h("figcaption", {}, h("span", {}, name), legend), svg);
  let drawn = 0;
  new ResizeObserver(([{ contentRect }]) => {
    const width = Math.round(contentRect.width);
    if (width < 60 || width === drawn) return;
    drawn = width;
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    svg.replaceChildren(line("axis", EDGE.left, FLOOR, width - EDGE.right, FLOOR));
    paint(svg, width - EDGE.right);
  }).observe(element);
  return element;
}

const key = (kind, said) => h("span", { class: `key ${kind}` }, h("i", {}), said);
const text = (x, y, anchor, said) => s("text", { x, y, "text-anchor": anchor }, said);
const line = (kind, x1, y1, x2, y2) => s("line", { class: kind, x1, y1, x2, y2 });
const box = (kind, x, width, y) => s("rect", { class: kind, x, width, y: Math.min(y, FLOOR - 1), height: Math.max(1, FLOOR - y) });
/** A scale from [low, high] to [from, to]; of one value alone, `from`. */
const scale = (low, high, from, to) => (value) => from + ((value - low) / (high - low || 1)) * (to - from);
const sideLabels = (top, bottom) => [text(EDGE.left - 5, EDGE.top + 6, "end", top), text(EDGE.left - 5, FLOOR, "end", bottom)];

function inWords({ histogram, results }) {
  const { counts, mean, deviation } = histogram, all = counts.reduce((sum, value) => sum + value, 0);
  const span = `${number(results.at(-1).similarity)} to ${number(results[0].similarity)}`;
  const spread = `mean ${number(mean)}, standard deviation ${number(deviation)}`;
  return `Similarities of ${count(all)} entries: ${spread}; the results are from ${span}.`;
}

/** All similarities as bars; ticks below mark the results, triangles the correct entries. */
export function histogram(answer) {
  const { edges, counts, shown, relevant } = answer.histogram, most = Math.max(...counts, 1);
  const paint = (svg, right) => {
    const x = scale(edges[0], edges.at(-1), EDGE.left, right), y = scale(0, most, FLOOR, EDGE.top);
    counts.forEach((many, bin) => {
      const left = x(edges[bin]), width = Math.max(1, x(edges[bin + 1]) - left - 0.6);
      if (many > 0) svg.append(box("all", left, width, y(many)));
      if (shown[bin] > 0) svg.append(box("shown", left, width, y(shown[bin])));
      if (relevant?.[bin] > 0) svg.append(triangle(left + width / 2, relevant[bin]));
    });
    for (const { similarity } of answer.results) svg.append(line("rug", x(similarity), FLOOR + 2, x(similarity), FLOOR + 7));
    svg.append(text(EDGE.left, HEIGHT - 2, "start", number(edges[0])), text(right, HEIGHT - 2, "end", number(edges.at(-1))),
      text((EDGE.left + right) / 2, HEIGHT - 2, "middle", "similarity to the query"), ...sideLabels(count(most), "0"));
  };
  const legend = [key("all", "all"), key("shown", "shown"), relevant && key("correct", "correct")];
  return chart("Similarity of all entries", inWords(answer), paint, legend);
}

const triangle = (x, many) => s("path", { class: "correct", d: `M${x} ${FLOOR + 3}l4 7h-8z` }, s("title", {}, `${many} correct`));
const short = (value) => (value >= 1000 ? `${value / 1000}k` : String(value));

/** Similarity by rank, over the whole gallery, ranks on a logarithmic axis; the part that is shown is thick. */
export function curve(answer, k) {
  const { ranks, similarities } = answer.curve, last = Math.max(ranks.at(-1), 2), shown = Math.min(k, last);
  const low = Math.min(...similarities), high = Math.max(...similarities);
  const paint = (svg, right) => {
    const along = scale(0, Math.log(last), EDGE.left, right), x = (rank) => along(Math.log(rank)), y = scale(low, high, FLOOR, EDGE.top);
    const points = ranks.map((rank, at) => `${x(rank).toFixed(1)} ${y(similarities[at]).toFixed(1)}`);
    const top = points.filter((_, at) => ranks[at] <= shown);
    svg.append(line("limit", x(shown), EDGE.top, x(shown), FLOOR), s("path", { class: "rest", d: `M${points.join("L")}` }),
      s("path", { class: "top", d: `M${top.join("L")}` }));
    for (const { rank, relevant, similarity } of answer.results) {
      if (!relevant) continue;
      const dot = { class: "correct", cx: x(rank), cy: y(similarity), r: 3 };
      svg.append(s("circle", dot, s("title", {}, `correct at rank ${rank}`)));
    }
    for (const tick of TICKS.filter((each) => each <= last && x(each) < right - 44)) {
      svg.append(line("axis", x(tick), FLOOR, x(tick), FLOOR + 3), text(x(tick), HEIGHT - 9, tick === 1 ? "start" : "middle", short(tick)));
    }
    svg.append(text(right, HEIGHT - 9, "end", "rank"), ...sideLabels(number(high), number(low)));
  };
  const label = `Similarity falls from ${number(high)} at rank 1 to ${number(low)} at rank ${count(last)}.`;
  return chart("Similarity by rank", label, paint, key("first", `first ${shown}`));
}
