// The colours of all maps of the page: groups of points, what the legend hides and emphasises, light and dark.
import { groupsOf, hasLevels, rgbOf } from "./map-groups.js";
import { readOff, readWithout, writeOff, writeWithout } from "./map-hidden.js";
import { Legend } from "./map-legend.js";
import { segments } from "./sources.js";

const LEVELS = [{ value: "top", text: "groups", title: "the first part of each label" }, { value: "all", text: "all", title: "whole labels" }];
const MANY_LABELS = 10, DIMMED = 28;
const solid = (many) => (many > 50_000 ? 150 : 215); // where thousands lie on each other, how many should be seen

export class Colours {
  /** `list(group or null, modality or null)` is asked for by the legend. */
  constructor(list) {
    Object.assign(this, { panes: [], groups: [], shaded: null, key: null });
    this.legend = new Legend({ hide: (changes) => this.hide(changes), emphasise: (name) => this.emphasise(name), listGroup: list });
  }

  /** Put the points of all panes into groups by `color`, draw the legend, and the points with it. */
  group(panes, color, state, context) {
    const maps = panes.map(({ map }) => map), labels = maps.flatMap(({ status }) => status.labels), levels = color === "label" && hasLevels(labels);
    const wanted = LEVELS.some(({ value }) => value === state.level) ? state.level : new Set(labels).size > MANY_LABELS ? "top" : "all", level = levels ? wanted : "all";
    const key = JSON.stringify([panes.map((pane) => pane.key), color, level]), fresh = maps.some((map, at) => map !== this.maps?.[at]);
    if (key !== this.key || fresh) {
      const { title, groups, codes } = groupsOf(maps, color, level);
      Object.assign(this, { key, maps, panes, title, groups, codes, shaded: null });
    }
    const options = levels && segments("Level of labels", LEVELS, level, (value) => context.go({ level: value, off: null }));
    const modalities = [...new Set(maps.flatMap(({ status }) => status.modalities))].map((name) => ({ name, counts: maps.map(({ status }) => status.counts[name] ?? 0) }));
    this.context = context;
    const off = readOff(state.off, this.groups.map(({ name }) => name)), offShapes = readWithout(state.without);
    this.legend.draw({ title: this.title, groups: this.groups, options, note: this.note(color, maps), off, offShapes }, modalities, color);
    this.look();
  }

  /** Switch groups {off: names} or shapes {offShapes: names}: at once, and in the address. */
  hide({ off, offShapes }) {
    const { legend, groups, context } = this, names = groups.map(({ name }) => name);
    Object.assign(legend, off ? { off } : { offShapes });
    legend.press();
    this.look();
    context.go(off ? { off: writeOff(names, off) } : { without: writeWithout(offShapes) }, { replace: true });
  }

  note(color, maps) {
    if (color === "correct") return maps.some(({ status }) => status.correct.known) ? `Correct: as a query, ${maps[0].status.correct.said}.` : "The evaluation asked with none of these entries.";
    if (color === "cluster") return maps.length > 1 ? "k-means of each model's own embeddings: one colour is not the same cluster in both maps." : "k-means of the embeddings, not of their places on the map.";
    return color === "label" && this.groups.length > MANY_LABELS ? "The ten most frequent have a colour; point at any label to see where it is." : null;
  }

  emphasise(name) {
    this.shaded = name;
    this.look();
  }

  /** Draw again: something was switched, emphasised, or the page became dark. */
  look() {
    const { groups, legend } = this, shaded = legend.isOn(this.shaded) ? this.shaded : null;
    if (groups.length === 0) return;
    const hues = [...new Set(groups.map(({ hue }) => hue))], rgb = new Map(rgbOf(hues).map((value, at) => [hues[at], value]));
    const visible = groups.map(({ name }) => legend.isOn(name)), usual = solid(Math.max(...this.maps.map(({ status }) => status.count)));
    const strength = (name) => (shaded === null ? usual : name === shaded ? 255 : DIMMED);
    const looks = Uint8Array.from(groups.flatMap(({ name, hue }, at) => [...rgb.get(hue), visible[at] ? strength(name) : 0]));
    const names = ["ink", "well", "link", "on-link"], found = rgbOf(names.map((name) => `var(--${name})`)), [ink, paper, link, onLink] = found.map((value) => `rgb(${value.join(" ")})`);
    this.panes.forEach((pane, at) => pane.map === this.maps[at] && pane.colour({ codes: this.codes[at], looks, visible, hidden: legend.hidden, theme: { ink, paper, link, onLink, rgb: found[1] } }));
  }

  groupOf(pane, row) {
    return this.groups[pane.codes[row]];
  }

  /** The rows of a pane that are of a group, or of a modality. */
  rows(pane, name, modality) {
    const code = modality === null ? this.groups.findIndex((group) => group.name === name) : pane.map.status.modalities.indexOf(modality);
    const codes = modality === null ? pane.codes : pane.map.points.modality, rows = [];
    for (let row = 0; row < codes.length; row++) if (codes[row] === code) rows.push(row);
    return rows;
  }
}
