// Arrow keys among the results: to the nearest card in that direction, across columns too.
const AXES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const middle = (box) => [box.left + box.width / 2, box.top + box.height / 2];

/** The card to go to from `current`: ahead, and rather straight ahead than near. */
function nearest(links, current, [dx, dy]) {
  const [x, y] = middle(current.getBoundingClientRect());
  let best = null, least = Infinity;
  for (const link of links) {
    const [toX, toY] = middle(link.getBoundingClientRect());
    const ahead = (toX - x) * dx + (toY - y) * dy;
    const cost = ahead + 4 * (Math.abs((toX - x) * dy) + Math.abs((toY - y) * dx));
    if (ahead > 4 && cost < least) [best, least] = [link, cost];
  }
  return best;
}

/** Handle a key in `area`; "i" opens the details of the card in focus. */
export function moveAmong(area, event) {
  const current = event.target.closest?.(".column-results .card-link");
  if (!current || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "i") current.parentElement.querySelector(".card-more")?.click();
  const own = [...current.closest("ol").querySelectorAll(".card-link")];
  const ends = { Home: own[0], End: own.at(-1) };
  const all = area.querySelectorAll(".column-results .card-link"), axis = AXES[event.key];
  const next = ends[event.key] ?? (axis && nearest(all, current, axis));
  if (!next) return;
  event.preventDefault();
  next.focus();
  next.scrollIntoView({ block: "nearest", inline: "nearest" });
}
