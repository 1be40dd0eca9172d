// Which point is near, which lie in an outline: points sorted into a grid of cells.
const PER_CELL = 4;

/** A polygon [[x, y], ...] as a test of points: whether a ray to the right crosses its border an odd number of times. */
export function within(polygon) {
  const count = polygon.length, xs = Float64Array.from(polygon, ([x]) => x), ys = Float64Array.from(polygon, ([, y]) => y);
  return (x, y) => {
    let inside = false;
    for (let a = 0, b = count - 1; a < count; b = a++) {
      if (ys[a] > y !== ys[b] > y && x < ((xs[b] - xs[a]) * (y - ys[a])) / (ys[b] - ys[a]) + xs[a]) inside = !inside;
    }
    return inside;
  };
}

export class Grid {
  /** Of points x, y (N,) within `bounds` [left, top, right, bottom]. */
  constructor(x, y, [left, top, right, bottom]) {
    const count = x.length, side = Math.max(1, Math.ceil(Math.sqrt(count / PER_CELL)));
    Object.assign(this, { x, y, left, top, side, across: (right - left) / side || 1, along: (bottom - top) / side || 1 });
    const cells = new Uint32Array(count), begin = new Uint32Array(side * side + 1);
    for (let at = 0; at < count; at++) {
      cells[at] = this.column(x[at]) + side * this.row(y[at]);
      begin[cells[at] + 1]++;
    }
    for (let cell = 0; cell < side * side; cell++) begin[cell + 1] += begin[cell];
    const next = begin.slice(), members = new Uint32Array(count);
    for (let at = 0; at < count; at++) members[next[cells[at]]++] = at;
    Object.assign(this, { begin, members });
  }

  column(x) {
    return Math.min(Math.max(Math.floor((x - this.left) / this.across), 0), this.side - 1);
  }

  row(y) {
    return Math.min(Math.max(Math.floor((y - this.top) / this.along), 0), this.side - 1);
  }

  /** Call visit(point) for all points in the cells that the box touches. */
  visit(left, top, right, bottom, visit) {
    const first = this.column(left), last = this.column(right), { begin, members, side } = this;
    for (let row = this.row(top); row <= this.row(bottom); row++) {
      for (let at = begin[first + side * row]; at < begin[last + side * row + 1]; at++) visit(members[at]);
    }
  }

  /** The point nearest to (x, y) of those that `shown(point)`, at most `reach` away; null when there is none. */
  nearest(x, y, reach, shown = () => true) {
    let best = reach * reach, found = null;
    this.visit(x - reach, y - reach, x + reach, y + reach, (at) => {
      const far = (this.x[at] - x) ** 2 + (this.y[at] - y) ** 2;
      if (far > best || (far === best && found !== null && found < at) || !shown(at)) return;
      [best, found] = [far, at];
    });
    return found;
  }

  /** The points in a polygon of those that `shown(point)`, ascending. */
  inside(polygon, shown = () => true) {
    if (polygon.length < 3) return [];
    const found = [], xs = polygon.map(([x]) => x), ys = polygon.map(([, y]) => y), isIn = within(polygon);
    this.visit(Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys), (at) => {
      if (isIn(this.x[at], this.y[at]) && shown(at)) found.push(at);
    });
    return Array.from(Uint32Array.from(found).sort());
  }
}
