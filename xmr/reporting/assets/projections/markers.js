"use strict";
// What is drawn, what is hidden, and the signs that stand for it.
const data = JSON.parse(document.getElementById("data").textContent);
const { entries, classes, modalities, tabs, pictures } = data;
const panes = [], hiddenClasses = new Set(), hiddenModalities = new Set();
let hovered = null, emphasised = null;

const find = (id) => document.getElementById(id);
const isShown = (entry) => !hiddenClasses.has(entry.class) && !hiddenModalities.has(entry.modality);

function make(tag, parent, properties = {}, attributes = {}) {
  const element = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.append(element);
  return element;
}

/** The outline of a marker of radius r around (x, y): a disc, a triangle or a square, of equal weight. */
function marker(shape, x, y, r) {
  const path = new Path2D();
  if (shape === "circle") path.arc(x, y, r, 0, 2 * Math.PI);
  if (shape === "square") path.rect(x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r);
  if (shape === "triangle") {
    path.moveTo(x, y - 1.25 * r); path.lineTo(x + 1.15 * r, y + 0.8 * r); path.lineTo(x - 1.15 * r, y + 0.8 * r);
    path.closePath();
  }
  return path;
}

const SHAPES = {
  circle: '<circle cx="7" cy="7" r="5"/>',
  square: '<rect x="2.5" y="2.5" width="9" height="9"/>',
  triangle: '<path d="M7 1 13 12H1z"/>',
};
const sign = (shape, fill) =>
  `<svg width="14" height="14" viewBox="0 0 14 14" style="fill:${fill}" aria-hidden="true">${SHAPES[shape]}</svg>`;
const inBoth = ({ colour, dark }) => `light-dark(${colour}, ${dark})`;
const darkPage = matchMedia("(prefers-color-scheme: dark)");
