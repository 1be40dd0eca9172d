// Training curves: a line a run, and a read-out at the pointer.
const DASHES = ["", "6 3", "2 3", "8 3 2 3"];

class Lines extends Plot {
  /**
   * `series`: [{name, colour, x, y, dash}], y with null for gaps; `metric` says how a value is written.
   * Arrow keys move the read-out.
   */
  constructor(parent, { metric, series }) {
    super(parent, `${metric} by epoch: ${plural(series.length, "curve")}`);
    Object.assign(this, { metric, series, at: null });
    this.stops = [...new Set(series.flatMap(({ x }) => x))].sort((a, b) => a - b);
    this.svg.addEventListener("pointermove", (event) => this.point(this.nearestStop(event.offsetX)));
    this.svg.addEventListener("pointerleave", () => this.point(null));
    this.svg.addEventListener("blur", () => this.point(null));
    this.svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      this.point(this.at === null ? this.stops.length - 1 : Math.min(Math.max(this.at + step, 0), this.stops.length - 1));
    });
  }

  paint() {
    const { left, right, top, bottom } = this.inner;
    const values = this.series.flatMap(({ y }) => y).filter((value) => value !== null);
    if (!values.length) return;
    this.x = scaleOf(this.stops, left, right, { count: Math.max(2, (right - left) / 70), room: 0.02, whole: true });
    this.y = scaleOf(values, bottom, top);
    const span = Math.max(...values) - Math.min(...values), digits = isFraction(this.metric) && span < 0.05 ? 1 : 0;
    this.frame(this.x, this.y, {
      xLabel: "epoch", yLabel: fullName(this.metric) + (isFraction(this.metric) ? ", %" : ""),
      showX: (tick) => tick.toLocaleString("en"), showY: (tick) => showMetric(this.metric, tick, digits),
    });
    for (const { x, y, colour, dash } of this.series) {
      const path = pathOf(x.map((value) => this.x.to(value)), y.map((value) => (value === null ? null : this.y.to(value))));
      draw("path", this.svg, { class: "curve", d: path, style: `stroke: ${colour}`, "stroke-dasharray": dash });
      if (x.length < 15) {
        x.forEach((value, n) => {
          if (y[n] !== null) draw("circle", this.svg, { cx: this.x.to(value), cy: this.y.to(y[n]), r: 2.5, style: `fill: ${colour}` });
        });
      }
    }
    this.marks = draw("g", this.svg);
  }

  nearestStop(px) {
    let best = 0;
    this.stops.forEach((stop, n) => {
      if (Math.abs(this.x.to(stop) - px) < Math.abs(this.x.to(this.stops[best]) - px)) best = n;
    });
    return best;
  }

  /** Show the values at the stop numbered `at`; null hides them. */
  point(at) {
    this.at = at;
    if (!this.marks) return;
    this.marks.replaceChildren();
    this.card.hidden = at === null;
    if (at === null) return;
    const stop = this.stops[at], { top, bottom } = this.inner, sign = lowerIsBetter(this.metric) ? 1 : -1;
    draw("line", this.marks, { class: "rule", x1: this.x.to(stop), x2: this.x.to(stop), y1: top, y2: bottom });
    const found = this.series.map((each) => ({ ...each, value: valueAt(each, stop) })).filter(({ value }) => value !== null)
      .sort((a, b) => sign * (a.value - b.value));
    this.card.replaceChildren();
    make("div", this.card, { className: "muted", textContent: `epoch ${Number(stop.toFixed(2))}` });
    for (const { name, colour, value } of found.slice(0, 12)) {
      draw("circle", this.marks, { cx: this.x.to(stop), cy: this.y.to(value), r: 3.5, style: `fill: ${colour}` });
      const line = make("div", this.card, { className: "read" });
      make("i", line, { className: "swatch" }).style.background = colour;
      make("span", line, { className: "name", textContent: name });
      make("b", line, { textContent: showMetric(this.metric, value, 2) });
    }
    if (found.length > 12) make("div", this.card, { className: "muted", textContent: `and ${found.length - 12} more` });
    this.placeCard(this.x.to(stop), (top + bottom) / 2);
  }
}

/** The path through points; a null begins a new piece. */
function pathOf(x, y) {
  let isDown = false;
  return x.map((value, n) => {
    if (y[n] === null) { isDown = false; return ""; }
    const piece = `${isDown ? "L" : "M"}${value.toFixed(1)} ${y[n].toFixed(1)}`;
    isDown = true;
    return piece;
  }).join("");
}

/** The value of a curve at `stop`: its own, or the line's between its neighbours; null outside. */
function valueAt({ x, y }, stop) {
  const after = x.findIndex((value) => value >= stop);
  if (after < 0) return null;
  if (x[after] === stop || after === 0) return x[after] === stop ? y[after] : null;
  const [left, right] = [y[after - 1], y[after]];
  if (left === null || right === null) return null;
  return left + ((stop - x[after - 1]) / (x[after] - x[after - 1])) * (right - left);
}

/** Named swatches below a plot, and a remark. */
function legend(parent, entries, remark = "") {
  const list = make("div", parent, { className: "legend" });
  for (const { name, colour, dash } of entries) {
    const entry = make("span", list);
    const svg = draw("svg", entry, { width: 22, height: 10, "aria-hidden": "true" });
    draw("line", svg, { class: "curve", x1: 0, x2: 22, y1: 5, y2: 5, style: `stroke: ${colour}`, "stroke-dasharray": dash ?? "" });
    make("span", entry, { className: "name", textContent: name });
  }
  if (remark) make("span", list, { className: "muted", textContent: remark });
}

/** What curves the runs of `rows` have: their names, the metric in focus first. */
function curveNames(rows) {
  const names = new Set(rows.flatMap(({ runs }) => runs).flatMap(({ curves: at }) => (at === null ? [] : Object.keys(curves[at].y))));
  const first = `val ${state.focus}`;
  const rank = (name) => (name === first ? 0 : name.startsWith("val") ? 1 : 2);
  return [...names].sort((a, b) => rank(a) - rank(b));
}

/** The curves called `name` of all runs of `rows`: a colour a model and dashes for its seeds; of one model a colour a seed. */
function seriesOf(rows, name, colours) {
  const isAlone = rows.length === 1;
  return rows.flatMap((row, n) => row.runs.flatMap((run, seed) => {
    const found = run.curves === null ? undefined : curves[run.curves].y[name];
    if (!found) return [];
    return [{ name: isAlone ? seedName(run) : row.runs.length > 1 ? `${row.label} · ${seedName(run)}` : row.label,
              colour: isAlone ? COLOURS[seed % COLOURS.length] : colours[n], dash: isAlone ? "" : DASHES[seed % DASHES.length],
              x: curves[run.curves].x[found[0]], y: found[1] }];
  }));
}

const seedName = (run) => (run.seed === null ? run.id : `seed ${run.seed}`);

/** Two plots side by side: a metric that can be chosen, and the loss. */
function drawCurves(parent, rows, colours, chosen, choose) {
  const names = curveNames(rows);
  if (!names.length) {
    make("p", parent, { className: "muted", textContent: "No training curves are on this page for this selection." });
    return;
  }
  const losses = names.filter((name) => name === "train loss");
  const left = names.includes(chosen) ? chosen : names[0];
  const pair = make("div", parent, { className: "pair" });
  for (const name of new Set([left, ...losses])) {
    const pane = make("div", pair);
    if (name === left) {
      const select = make("select", pane, {}, { "aria-label": "which curve" });
      names.forEach((each) => make("option", select, { value: each, textContent: curveTitle(each), selected: each === left }));
      select.addEventListener("change", () => choose(select.value));
    } else make("div", pane, { className: "pane-title", textContent: curveTitle(name) });
    new Lines(pane, { metric: metricOf(name), series: seriesOf(rows, name, colours) });
  }
  const drawn = seriesOf(rows, left, colours);
  if (rows.length > 1) legend(parent, rows.map((row, n) => ({ name: row.label, colour: colours[n] })),
                               rows.some((row) => row.runs.length > 1) ? "Dashes tell the seeds of a model apart." : "");
  else if (drawn.length > 1) legend(parent, drawn);
}

const metricOf = (name) => name.slice(name.indexOf(" ") + 1);
const curveTitle = (name) => `${name.slice(0, name.indexOf(" "))} ${fullName(metricOf(name))}`;
