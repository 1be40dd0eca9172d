// What a model costs against what it reaches: one point a model, the selected ones named.
class Scatter extends Plot {
  /** `points`: [{row, x, cost, y, low, high, colour}], low and high null where there is no interval. */
  constructor(parent, { points, xLabel, unit, metric }) {
    super(parent, `${fullName(metric)} by ${xLabel}: ${plural(points.length, "model")}`, 300);
    Object.assign(this, { points, xLabel, unit, metric });
    this.svg.addEventListener("pointermove", (event) => this.point(event.offsetX, event.offsetY));
    this.svg.addEventListener("pointerleave", () => { this.card.hidden = true; });
  }

  paint() {
    const { left, right, top, bottom } = this.inner, costs = this.points.map(({ x }) => x);
    const log = Math.min(...costs) > 0 && Math.max(...costs) / Math.min(...costs) > 20;
    this.x = scaleOf(costs, left, right, { count: Math.max(2, (right - left) / 90), log, room: 0.08 });
    this.y = scaleOf(this.points.flatMap(({ y, low, high }) => [y, low ?? y, high ?? y]), bottom, top);
    this.frame(this.x, this.y, {
      xLabel: [this.xLabel, this.unit, log && "logarithmic"].filter(Boolean).join(", "), yLabel: fullName(this.metric) + (isFraction(this.metric) ? ", %" : ""),
      showX: (tick) => tick.toLocaleString("en"), showY: (tick) => showMetric(this.metric, tick, 1),
    });
    // the selected ones are drawn last, above the others
    for (const each of [...this.points].sort((a, b) => Boolean(a.colour) - Boolean(b.colour))) this.paintPoint(each);
    this.nameChosen();
  }

  paintPoint({ x, y, low, high, colour }) {
    const style = colour ? `fill: ${colour}; stroke: ${colour}` : "";
    const group = draw("g", this.svg, { class: colour ? "point chosen" : "point", style });
    if (low !== null) draw("line", group, { x1: this.x.to(x), x2: this.x.to(x), y1: this.y.to(low), y2: this.y.to(high) });
    draw("circle", group, { cx: this.x.to(x), cy: this.y.to(y), r: colour ? 5 : 3.5 });
  }

  /** Names beside the selected points; one that would lie over another moves down. */
  nameChosen() {
    const taken = [];
    for (const { x, y, colour, row } of this.points.filter((each) => each.colour).sort((a, b) => b.y - a.y)) {
      const px = this.x.to(x), isLeft = px > this.width * 0.6;
      const most = Math.min(44, Math.floor((isLeft ? px - this.inner.left : this.width - px) / 8) - 2);
      const text = row.label.length > most ? `${row.label.slice(0, Math.max(most - 1, 0))}…` : row.label;
      let py = this.y.to(y) + 4;
      while (taken.some((each) => Math.abs(each - py) < 14)) py += 14;
      taken.push(py);
      draw("text", this.svg, { class: "name", x: px + (isLeft ? -9 : 9), y: py, "text-anchor": isLeft ? "end" : "start",
                               style: `fill: ${colour}` }, text);
    }
  }

  point(px, py) {
    const away = ({ x, y }) => Math.hypot(this.x.to(x) - px, this.y.to(y) - py);
    const nearest = this.points.reduce((best, each) => (away(each) < away(best) ? each : best));
    this.card.hidden = away(nearest) > 24;
    if (this.card.hidden) return;
    this.card.replaceChildren();
    make("div", this.card, { className: "name", textContent: nearest.row.label });
    make("div", this.card, { className: "muted",
      textContent: `${fullName(this.metric)} ${showMetric(this.metric, nearest.y)} · ${this.xLabel} ${nearest.cost}` });
    this.placeCard(this.x.to(nearest.x), this.y.to(nearest.y));
  }
}

/** The plot of a chosen cost against the metric in focus, for the rows shown; nothing where no cost is known. */
function drawCosts(parent, rows, chosen, colours, pick) {
  const known = costs.filter(({ id }) => rows.filter((row) => row.cost[id] !== undefined).length > 1);
  const column = focusColumn();
  if (!known.length || !column) return;
  const cost = known.find(({ id }) => id === state.cost) ?? known.find(({ id }) => id === "train_seconds") ?? known[0];
  const head = make("div", parent, { className: "pane-title" });
  make("span", head, { textContent: `${column.title} against ` });
  const select = make("select", head, {}, { "aria-label": "which cost" });
  known.forEach(({ id, name }) => make("option", select, { value: id, textContent: name, selected: id === cost.id }));
  select.addEventListener("change", () => pick(select.value));
  const drawn = rows.filter((row) => row.finished && row.cost[cost.id] !== undefined && row.mean[column.at] !== null);
  if (!drawn.length) return;
  const [size, unit] = unitOf(cost.unit, Math.max(...drawn.map((row) => row.cost[cost.id])));
  const points = drawn.map((row) => {
    const [low, high] = row.interval[column.at] ?? [null, null], at = chosen.indexOf(row), value = row.cost[cost.id];
    return { row, x: value / size, cost: showCost(cost.unit, value), y: row.mean[column.at], low, high, colour: at < 0 ? null : colours[at] };
  });
  new Scatter(parent, { points, xLabel: cost.name, unit: unit.trim(), metric: column.metric });
}
