// What the colours of the map mean: its points in groups by label, modality, correctness or cluster.
import { HUES } from "./hues.js";

const MOST = 2000;
export const REST = "var(--map-rest)";
export const SHAPES = ["image", "text", "composed"]; // disc, triangle, square
export const COLOURS = [{ value: "label", text: "label" }, { value: "modality", text: "modality" }, { value: "correct", text: "correctness" }, { value: "cluster", text: "cluster" }];

const top = (name) => name.split("/")[0];
/** Whether labels have levels ("animals/cat"), of which the first can stand for them. */
export const hasLevels = (labels) => labels.some((name) => name.includes("/"));

function named(map, color, level) {
  const { status, points } = map;
  if (color === "modality") return { names: status.modalities, codes: points.modality };
  if (color === "cluster") return { names: Array.from({ length: status.clusters }, (_, at) => `cluster ${at + 1}`), codes: points.cluster };
  if (color === "correct") return { names: ["not asked", "not correct", "correct"], codes: points.correct.map((value) => value + 1) };
  const names = level === "top" ? status.labels.map(top) : status.labels;
  return { names: ["(none)", ...names], codes: points.label.map((value) => value + 1) };
}

const TITLES = { label: "labels", modality: "modalities", correct: "Correctness", cluster: "clusters" };
const HUE_OF = { correct: HUES[0], "not correct": HUES[5], "not asked": REST };

/**
 * Groups of the points of one or two maps {status, points}, the same names and colours in both, the largest first:
 * {title, groups: [{name, hue, counts: [in each map]}], codes: [Uint16Array of each map]}.
 * Of labels the ten most frequent have a colour of their own.
 */
export function groupsOf(maps, color, level) {
  const counts = new Map(), parts = maps.map((map) => named(map, color, level));
  parts.forEach(({ names, codes }, of) => {
    for (const name of names) if (!counts.has(name)) counts.set(name, maps.map(() => 0));
    const each = names.map((name) => counts.get(name));
    for (const code of codes) each[code][of]++;
  });
  const total = (name) => counts.get(name).reduce((sum, many) => sum + many, 0), found = [...counts.keys()].filter((name) => total(name) > 0);
  if (color === "label") found.sort((one, other) => total(other) - total(one) || one.localeCompare(other));
  if (color === "correct") found.reverse();
  const kept = found.slice(0, MOST), more = found.slice(MOST), place = new Map(found.map((name, at) => [name, Math.min(at, MOST)]));
  const groups = kept.map((name, at) => ({ name, hue: color === "correct" ? HUE_OF[name] : (HUES[at] ?? REST), counts: counts.get(name) }));
  if (more.length > 0) groups.push({ name: `${more.length} more labels`, hue: REST, counts: maps.map((_, of) => more.reduce((sum, name) => sum + counts.get(name)[of], 0)) });
  const codes = parts.map((part) => {
    const to = part.names.map((name) => place.get(name) ?? 0);
    return Uint16Array.from(part.codes, (code) => to[code]);
  });
  return { title: color === "correct" ? TITLES[color] : `${groups.length.toLocaleString("en-US")} ${groups.length === 1 ? TITLES[color].replace(/ies$/, "y").replace(/s$/, "") : TITLES[color]}`, groups, codes };
}

/** CSS colours -> [red, green, blue] of each, as the page shows them now. */
export function rgbOf(colours) {
  const probe = document.body.appendChild(document.createElement("i"));
  const found = colours.map((colour) => {
    probe.style.color = colour;
    return getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map(Number);
  });
  probe.remove();
  return found;
}
