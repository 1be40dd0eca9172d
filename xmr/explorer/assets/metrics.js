// The metrics page: five sections, one at a time; which one, and all that is chosen in it, is in the address.
import { drawBoard } from "./metrics-board.js";
import { drawClasses } from "./metrics-classes.js";
import { drawCompression } from "./metrics-compression.js";
import { drawDifferences } from "./metrics-differences.js";
import { Section } from "./metrics-parts.js";
import { drawWords } from "./metrics-words.js";
import { h, put } from "./dom.js";

// Own keys: tab. Leaderboard: metric, bsort, bturn, ball. Of one model, maybe beside another: msource, mother.
// Classes: mk, msort, mturn. Compression: mamong. Words: wpicture, wtext, wseed. Differences: one, other, direction, dmetric, side, many.
const TABS = [
  { name: "board", title: "Leaderboard", draw: drawBoard },
  { name: "classes", title: "Classes", draw: drawClasses },
  { name: "compression", title: "Compression", draw: drawCompression },
  { name: "words", title: "Words", draw: drawWords },
  { name: "differences", title: "Differences", draw: drawDifferences },
];
const sections = new Map();

/** Remembers what has the focus, so that what is drawn in its place gets it: () => void. */
function focusKeeper(root) {
  const nameOf = (element) => {
    const radios = element.closest('[role="radiogroup"]');
    return radios ? `${radios.getAttribute("aria-label")}: ${element.value}` : element.getAttribute("aria-label") ?? element.textContent;
  };
  const active = document.activeElement, name = root.contains(active) && nameOf(active);
  return () => {
    if (!name || root.contains(document.activeElement)) return;
    [...root.querySelectorAll("a, button, select, input, textarea")].find((element) => nameOf(element) === name)?.focus();
  };
}

export async function show(root, state, context) {
  const tab = TABS.find(({ name }) => name === state.tab) ?? TABS[0], refocus = focusKeeper(root);
  if (!sections.has(tab.name)) sections.set(tab.name, new Section(tab.name));
  const section = sections.get(tab.name);
  const link = (each) => h("a", { href: context.href({ tab: each.name }), "aria-current": each === tab && "page" }, each.title);
  const links = h("nav", { class: "metrics-tabs", "aria-label": "Sections" }, TABS.map(link));
  if (section.element.isConnected) root.firstChild.replaceWith(links); // what was drawn before stays, so that nothing jumps
  else put(root, links, section.element);
  try {
    await tab.draw(section, state, context);
  } finally {
    refocus();
  }
}

export function leave() {
  sections.clear();
}
