// A small scatter of the indexes: bytes a vector on a logarithmic axis, overlap with exact search above them.
import { s } from "./dom.js";
import { share } from "./metrics-parts.js";

const WIDTH = 420, HEIGHT = 270, EDGE = { left: 46, right: 18, top: 16, bottom: 38 };
const RIGHT = WIDTH - EDGE.right, FLOOR = HEIGHT - EDGE.bottom, LETTER = 7.2, LINE = 15;
const text = (x, y, anchor, said) => s("text", { x, y, "text-anchor": anchor }, said);
const line = (kind, x1, y1, x2, y2) => s("line", { class: kind, x1, y1, x2, y2 });

/** Powers of 4 from the one below the least value to the one above the largest. */
function powers(values) {
  const from = Math.floor(Math.log(Math.min(...values)) / Math.log(4)), to = Math.ceil(Math.log(Math.max(...values)) / Math.log(4));
  return Array.from({ length: Math.max(to, from + 1) - from + 1 }, (_, at) => 4 ** (from + at));
}

/** The lowest of 0, 50, 80, 90, 95 % that no point lies below; with room for a point on the floor. */
const floorOf = (values) => [0.95, 0.9, 0.8, 0.5, 0].find((value) => value <= Math.min(...values) - 0.005) ?? 0;

const crosses = (one, other) => one.left < other.right && other.left < one.right && one.top < other.bottom && other.top < one.bottom;

/** Where names stand beside their points without covering one another: [{x, y, anchor}]. */
function placed(points) {
  const taken = points.map(({ at: [x, y] }) => ({ left: x - 6, right: x + 6, top: y - 6, bottom: y + 6 }));
  return points.map(({ at: [x, y], name }) => {
    const wide = LETTER * name.length;
    const tries = [[x + 10, y + 4, "start"], [x - 10, y + 4, "end"], [x, y + 20, "middle"], [x, y - 11, "middle"], [x, y + 20 + LINE, "middle"], [x, y + 20 + 2 * LINE, "middle"]];
    const boxes = tries.map(([left, base, anchor]) => {
      const start = anchor === "start" ? left : anchor === "end" ? left - wide : left - wide / 2;
      return { x: left, y: base, anchor, left: start, right: start + wide, top: base - 12, bottom: base + 3 };
    });
    const fits = (box) => box.left > EDGE.left && box.right < WIDTH && box.top > 0 && box.bottom < FLOOR + 4 && !taken.some((other) => crosses(box, other));
    const found = boxes.find(fits) ?? boxes[0];
    taken.push(found);
    return found;
  });
}

/** Points are {x: bytes, y: overlap in [0, 1], name, title}. */
export function scatter(points) {
  const svg = s("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": points.map(({ title }) => title).join("; ") });
  if (points.length === 0) return svg;
  const ticks = powers(points.map(({ x }) => x)), low = floorOf(points.map(({ y }) => y));
  const x = (value) => EDGE.left + ((RIGHT - EDGE.left) * Math.log(value / ticks[0])) / Math.log(ticks.at(-1) / ticks[0]);
  const y = (value) => FLOOR - ((FLOOR - EDGE.top) * (value - low)) / (1 - low);
  for (const tick of ticks) svg.append(line("metrics-grid", x(tick), EDGE.top, x(tick), FLOOR), text(x(tick), FLOOR + 15, "middle", tick.toLocaleString("en-US")));
  for (const tick of [low, (1 + low) / 2, 1]) svg.append(line("metrics-grid", EDGE.left, y(tick), RIGHT, y(tick)), text(EDGE.left - 7, y(tick) + 4, "end", share(tick)));
  svg.append(text((EDGE.left + RIGHT) / 2, HEIGHT - 5, "middle", "bytes a vector (the overlap is upwards)"));
  const places = points.map((point) => ({ ...point, at: [x(point.x), y(point.y)] })), names = placed(places);
  places.forEach(({ at: [cx, cy], name, title }, n) => {
    svg.append(s("circle", { class: "metrics-point", cx, cy, r: 5.5 }, s("title", {}, title)));
    svg.append(s("text", { class: "metrics-point-name", x: names[n].x, y: names[n].y, "text-anchor": names[n].anchor }, name));
  });
  return svg;
}
