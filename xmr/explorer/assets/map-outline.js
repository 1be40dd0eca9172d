// An outline on a map as a part of its address: "1:0.2:0.3:0.5:0.3:0.4:0.6" has three corners on the first map.
const MOST = 40, LONGEST = 1500, FAR = 100;
const FINE = 1e-5; // of the outline's box: what a corner may add to its area without being seen
const NUMBER = /^-?\d+(?:\.\d+)?(?:e-\d+)?$/;

const area = ([ax, ay], [bx, by], [cx, cy]) => Math.abs((bx - ax) * (cy - ay) - (cx - ax) * (by - ay)) / 2;

function extent(corners) {
  const spans = [0, 1].map((axis) => corners.map((corner) => corner[axis])).map((values) => Math.max(...values) - Math.min(...values));
  return Math.max(...spans);
}

/** An outline of at most MOST corners: those that change its area least are left out (Visvalingam and Whyatt 1993). */
export function simplified(polygon) {
  const corners = [...polygon], least = FINE * extent(polygon) ** 2;
  for (;;) {
    const many = corners.length, areas = corners.map((corner, at) => area(corners.at(at - 1), corner, corners[(at + 1) % many]));
    const smallest = Math.min(...areas);
    if (many <= 3 || (many <= MOST && smallest > least)) return corners;
    corners.splice(areas.indexOf(smallest), 1);
  }
}

/** An outline [[across, along], ...] in shares of the box of a map (0 or 1), rounded to a thousandth of its own size. */
export function writeOutline(pane, polygon) {
  const corners = simplified(polygon), digits = Math.min(Math.max(Math.ceil(3 - Math.log10(extent(corners))), 2), 9);
  return [pane + 1, ...corners.flat().map((value) => Number(value.toFixed(digits)))].join(":");
}

/** What `writeOutline` wrote as {pane, corners}; null for anything else that an address may hold. */
export function readOutline(text) {
  const [pane, ...values] = (text ?? "").slice(0, LONGEST).split(":"), many = values.length / 2;
  const numbers = values.map((value) => (NUMBER.test(value) ? Number(value) : NaN));
  if (!["1", "2"].includes(pane) || !Number.isInteger(many) || many < 3 || many > MOST || !numbers.every((value) => Math.abs(value) <= FAR)) return null;
  return { pane: Number(pane) - 1, corners: Array.from({ length: many }, (_, at) => numbers.slice(2 * at, 2 * at + 2)) };
}
