// The cards of queries: what is asked, what is right, and what A and B found.
const KINDS = {
  gained: (k) => `B alone finds it in its top ${k}`,
  lost: (k) => `A alone finds it in its top ${k}`,
  improved: () => "B brings it up most",
  worsened: () => "B takes it down most",
};
const WHICH = {
  gained: "drawn by their ids, none picked",
  lost: "drawn by their ids, none picked",
  improved: "largest factor between the ranks first",
  worsened: "largest factor between the ranks first",
};

const FIRST = 4;

function picture(parent, entry, mark, caption) {
  const root = make("figure", parent, { className: mark ? "correct" : "" });
  const frame = make("div", root, { className: "frame" });
  const name = entry.text || entry.id;
  if (entry.picture === undefined) make("div", frame, { className: "none", textContent: name });
  else {
    const [source, width, height] = pictures[entry.picture], scale = 80 / Math.max(width, height);
    make("img", frame, { src: source, alt: mark ? `correct: ${name}` : name, width: width * scale, height: height * scale });
  }
  if (caption) make("figcaption", root, { textContent: caption, title: `${name} ${caption}` });
}

const isPicture = (entry) => entry.picture !== undefined || entry.text === undefined;

/** Entries as pictures, or as lines of text where they are texts. */
function listEntries(parent, found, ordered) {
  const looks = found.map((each) => ({ ...each, look: entries[each.entry] }));
  if (looks.some(({ look }) => isPicture(look))) {
    const row = make("div", parent, { className: "row" });
    looks.forEach(({ look, correct, score, place }) => {
      picture(row, look, correct, place > 5 ? `rank ${place}` : score == null ? "" : score.toFixed(3));
    });
    return;
  }
  const list = make(ordered ? "ol" : "ul", parent, { className: "texts" });
  looks.forEach(({ look, correct, place }) => {
    const line = make("li", list, { className: correct ? "correct" : "" });
    if (place > 5) make("span", line, { className: "what", textContent: `rank ${place}: ` });
    make("span", line, { textContent: look.text });
  });
}

function queryCard(parent, query) {
  const root = make("article", parent, { className: "query" });
  const asked = make("div", root, { className: "asked" });
  const ask = make("div", asked);
  make("div", ask, { className: "what", textContent: query.label ? `query · ${query.label}` : "query" });
  if (query.picture !== undefined || !query.text) picture(ask, { ...query, text: undefined }, false, "");
  if (query.text) make("div", ask, { className: "says", textContent: query.text });
  if (query.relevant.length) {
    const right = make("div", asked);
    make("div", right, { className: "what", textContent: query.more ? `correct, and ${count(query.more)} more` : "correct" });
    listEntries(right, query.relevant.map((entry) => ({ entry })), false);
  } else make("div", asked, { className: "what", textContent: `looks for ${query.item}` });
  if (query.ranks) {
    const ranks = make("div", asked, { className: "ranks" });
    make("div", ranks, { className: "what", textContent: data.several_seeds ? "first correct rank, mean over seeds" : "first correct rank" });
    make("div", ranks, { className: "says", textContent: `A ${count(query.ranks[0])} → B ${count(query.ranks[1])}` });
  }
  if (!query.found[0] && !query.found[1]) return;
  const both = make("div", root, { className: "found" });
  query.found.forEach((found, at) => {
    const side = make("div", both), head = make("div", side, { className: "side" });
    badge(head, at);
    make("span", head, { textContent: "found, best first" });
    if (found) listEntries(side, found, true);
    else make("p", side, { className: "muted", textContent: "Its results do not hold what it found." });
  });
}

function showQueries(parent, direction) {
  const lists = direction.lists.filter((list) => list.k === null || list.k === chosen.k);
  const root = section(parent, "Queries gained, lost and moved");
  const buttons = make("div", root, { className: "choices" });
  const at = Math.max(0, lists.findIndex((list) => list.kind === chosen.list));
  choices(buttons, lists.map((list) => `${KINDS[list.kind](list.k)} (${count(list.total)})`), at, (n) => {
    chosen.list = lists[n].kind;
    const place = [...buttons.children].indexOf(document.activeElement);
    const fresh = document.createDocumentFragment();
    showQueries(fresh, direction);
    root.replaceWith(fresh);
    document.querySelectorAll("#direction .choices")[0].children[Math.max(place, 0)].focus();
  });
  const list = lists[at];
  const shown = list.at.length < list.total ? `${list.at.length} of ${count(list.total)}, ${WHICH[list.kind]}` : "all of them";
  make("p", root, { className: "muted", textContent: list.total ? `Shown: ${shown}. ✓ and a green frame: correct.` : "There is no such query." });
  const cards = make("div", root, { className: "cards" });
  list.at.slice(0, FIRST).forEach((query) => queryCard(cards, queries[query]));
  if (list.at.length <= FIRST) return;
  const more = make("button", root, { type: "button", className: "more", textContent: `Show ${list.at.length - FIRST} more` });
  more.addEventListener("click", () => {
    list.at.slice(FIRST).forEach((query) => queryCard(cards, queries[query]));
    more.remove();
    cards.children[FIRST].tabIndex = -1;
    cards.children[FIRST].focus();
  });
}
