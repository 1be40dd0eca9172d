"use strict";
// What the page holds, how its parts are made, and how numbers are written.
const data = JSON.parse(document.getElementById("data").textContent);
const { boards, curves, costs } = data;
const MISSING = "–";
const MOST_COMPARED = 8;
// Okabe and Ito's palette, told apart by the colour-blind, in a light and a dark page
const COLOURS = [
  ["#0072b2", "#56a8e0"], ["#d55e00", "#ff8a3d"], ["#009e73", "#2fc99b"], ["#b0578d", "#e59ac6"],
  ["#a87400", "#f0b429"], ["#2b8fc4", "#86cdf5"], ["#5b6675", "#b9c3cf"], ["#7a4fbf", "#b79aef"],
].map(([light, dark]) => `light-dark(${light}, ${dark})`);

const find = (id) => document.getElementById(id);
const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

function make(tag, parent, properties = {}, attributes = {}) {
  const element = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.append(element);
  return element;
}

function draw(tag, parent, attributes = {}, text = "") {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text) element.textContent = text;
  parent.append(element);
  return element;
}

const isRank = (metric) => metric.endsWith("_rank");
const lowerIsBetter = (metric) => isRank(metric) || metric.startsWith("loss");
const isFraction = (metric) => !isRank(metric) && !/^(loss|lr|temperature|scale|bias)/.test(metric);

/** A fraction in percent, a rank as it is, one decimal; other figures in three digits. */
function showMetric(metric, value, digits = 1) {
  if (value === null || value === undefined) return MISSING;
  if (isRank(metric)) return value.toFixed(digits);
  return isFraction(metric) ? (100 * value).toFixed(digits) : Number(value.toPrecision(3)).toString();
}

const SCALES = {
  count: [[1e9, " G"], [1e6, " M"], [1e3, " k"], [1, ""]],
  bytes: [[1e9, " GB"], [1e6, " MB"], [1e3, " kB"], [1, " B"]],
  seconds: [[3600, " h"], [60, " min"], [1, " s"], [1e-3, " ms"], [1e-6, " µs"]],
};

/** The unit that suits a cost: [its size, its name]. */
const unitOf = (kind, value) => SCALES[kind].find(([least]) => value >= least) ?? SCALES[kind].at(-1);

/** A cost in the unit that suits its size: 4.65 M, 12.3 min, 1.53 MB. */
function showCost(unit, value) {
  if (value === null || value === undefined) return MISSING;
  const [size, name] = unitOf(unit, value);
  return Number((value / size).toPrecision(3)).toLocaleString("en", { maximumSignificantDigits: 3 }) + name;
}

/** `text_to_image/recall@1` as its direction and its short name: ["text → image", "R@1"]. */
function inWords(metric) {
  const at = metric.lastIndexOf("/");
  const direction = at < 0 ? "" : metric.slice(0, at).split("_to_").join(" → ").replaceAll("_", " ");
  return [direction, metric.slice(at + 1).replace(/^recall@/, "R@").replaceAll("_", " ")];
}

const fullName = (metric) => inWords(metric).filter(Boolean).join(" ");
