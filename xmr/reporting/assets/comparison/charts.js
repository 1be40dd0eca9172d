// Intervals around 0, bars with intervals, and the plot of ranks.

/** The interval of a difference on a line whose middle is 0; right is better for B. */
function intervalPlot(parent, [low, middle, high], { reach, turned, verdict }) {
  const width = 180, height = 20, half = width / 2 - 6;
  const svg = draw("svg", parent, { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const x = (value) => width / 2 + (half * (turned ? -value : value)) / (reach || 1);
  draw("line", svg, { x1: width / 2, x2: width / 2, y1: 0, y2: height, stroke: "var(--muted)", "stroke-dasharray": "2 2" });
  const stroke = { better: "var(--good)", worse: "var(--bad)", unsure: "var(--unsure)" }[verdict] || "var(--muted)";
  draw("line", svg, { x1: x(low), x2: x(high), y1: 10, y2: 10, stroke, "stroke-width": 2 });
  for (const end of [low, high]) draw("line", svg, { x1: x(end), x2: x(end), y1: 6, y2: 14, stroke, "stroke-width": 2 });
  draw("circle", svg, { cx: x(middle), cy: 10, r: 4, fill: stroke });
}

/** A bar with its interval; all values are shares of `full`. */
function bar(parent, side, [value, low, high], full) {
  const track = make("div", parent, { className: "track" });
  const length = (share) => `${Math.min(100, (100 * share) / full)}%`;
  make("div", track, { className: `bar ${side}` }).style.width = length(value);
  const whisker = make("div", track, { className: "whisker" });
  whisker.style.left = length(low);
  whisker.style.width = length(high - low);
}

/** Rows of a name, a bar of A above one of B, and what their difference is. */
function barChart(parent, rows, noun) {
  const chart = make("div", parent, { className: "chart" });
  const full = Math.max(...rows.flatMap((row) => row.bars.map((each) => each[2])), 0.001);
  for (const row of rows) {
    const name = make("div", chart, { className: "name", textContent: row.name });
    make("div", name, { className: "what", textContent: `${count(row.queries)} ${noun}` });
    const bars = make("div", chart, { className: "bars" }, {
      role: "img",
      "aria-label": `${row.name}: A ${percent(row.bars[0][0])}, B ${percent(row.bars[1][0])}`,
      title: row.bars.map(([value, low, high], at) => `${LETTERS[at]} ${percent(value)} [${percent(low)}, ${percent(high)}]`).join("\n"),
    });
    row.bars.forEach((each, at) => bar(bars, "ab"[at], each, full));
    const said = make("div", chart, { className: "said" });
    make("div", said, { textContent: row.difference || `${percent(row.bars[0][0])} and ${percent(row.bars[1][0])}` });
    make("div", said, { className: `${row.verdict} what`, textContent: ["better", "worse"].includes(row.verdict) ? `${row.said}, p ${row.p}` : row.said });
  }
}

const LEFT = 46, BELOW = 40, EDGE = 12;

/** The rank of each query by A, against that by B, on axes that grow by factors. */
class RankPlot {
  constructor(parent, ranks) {
    this.ranks = ranks;
    const root = make("div", parent, { className: "scatter" });
    this.canvas = make("canvas", root, {}, {
      role: "img",
      "aria-label": `Rank of the first correct entry, A against B: B is nearer to the top in ${ranks.better} queries, further away in ${ranks.worse}, level in ${ranks.equal}`,
    });
    this.canvas.plot = this;
    this.top = Math.log(Math.max(ranks.largest, 2));
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("pointerleave", () => { find("card").hidden = true; });
    new ResizeObserver(() => this.draw()).observe(root);
  }

  place(at) {
    // points of equal ranks lie beside each other, not on one another
    const shift = (turn) => 3.2 * Math.sqrt((at * 0.618) % 1) * turn(at * 2.4);
    return [this.x(this.ranks.a[at]) + shift(Math.cos), this.y(this.ranks.b[at]) + shift(Math.sin)];
  }

  x(rank) { return LEFT + 8 + ((this.size - LEFT - EDGE - 14) * Math.log(rank)) / this.top; }

  y(rank) { return this.size - BELOW - 8 - ((this.size - BELOW - EDGE - 14) * Math.log(rank)) / this.top; }

  draw() {
    const density = window.devicePixelRatio || 1, style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name);
    this.size = this.canvas.clientWidth;
    if (!this.size) return;
    this.canvas.width = this.canvas.height = this.size * density;
    const pen = this.canvas.getContext("2d");
    pen.setTransform(density, 0, 0, density, 0, 0);
    pen.font = "12px system-ui, sans-serif";
    this.axes(pen, colour);
    pen.globalAlpha = this.ranks.a.length > 1500 ? 0.45 : 0.7;
    for (let at = 0; at < this.ranks.a.length; at++) {
      const a = this.ranks.a[at], b = this.ranks.b[at];
      pen.fillStyle = colour(a > b ? "--b" : a < b ? "--a" : "--muted");
      pen.beginPath();
      pen.arc(...this.place(at), 2.6, 0, 2 * Math.PI);
      pen.fill();
    }
    pen.globalAlpha = 1;
  }

  axes(pen, colour) {
    const end = Math.exp(this.top);
    pen.strokeStyle = colour("--frame");
    pen.fillStyle = colour("--muted");
    pen.lineWidth = 1;
    const line = (...points) => { pen.beginPath(); points.forEach(([x, y]) => pen.lineTo(x, y)); pen.stroke(); };
    for (let rank = 1; rank <= end; rank *= 10) {
      line([this.x(rank), this.y(1)], [this.x(rank), this.y(end)]);
      line([this.x(1), this.y(rank)], [this.x(end), this.y(rank)]);
      pen.textAlign = "center";
      pen.fillText(count(rank), this.x(rank), this.y(1) + 17);
      pen.textAlign = "right";
      pen.fillText(count(rank), this.x(1) - 8, this.y(rank) + 4);
    }
    pen.strokeStyle = colour("--muted");
    line([this.x(1), this.y(1)], [this.x(end), this.y(end)]);
    pen.textAlign = "center";
    pen.fillText("rank by A", (this.x(1) + this.x(end)) / 2, this.size - 6);
    pen.save();
    pen.translate(13, (this.y(1) + this.y(end)) / 2);
    pen.rotate(-Math.PI / 2);
    pen.fillText("rank by B", 0, 0);
    pen.restore();
    pen.fillStyle = colour("--a");
    pen.textAlign = "left";
    pen.fillText("A is nearer to the top", this.x(1) + 8, this.y(end) + 4);
    pen.fillStyle = colour("--b");
    pen.textAlign = "right";
    pen.fillText("B is nearer to the top", this.x(end), this.y(1) - 8);
  }

  point(event) {
    const card = find("card");
    let best = 100, found = null;
    for (let at = 0; at < this.ranks.a.length; at++) {
      const [x, y] = this.place(at), distance = (x - event.offsetX) ** 2 + (y - event.offsetY) ** 2;
      if (distance <= best) [best, found] = [distance, at];
    }
    card.hidden = found === null;
    if (found === null) return;
    card.replaceChildren();
    make("div", card, { className: "says", textContent: this.ranks.queries[found] });
    make("div", card, { className: "what", textContent: `rank ${count(this.ranks.a[found])} by A, ${count(this.ranks.b[found])} by B` });
    const { width, height } = card.getBoundingClientRect();
    card.style.left = `${Math.max(8, Math.min(event.clientX + 14, window.innerWidth - width - 8))}px`;
    card.style.top = `${event.clientY + 14 + height > window.innerHeight ? event.clientY - 14 - height : event.clientY + 14}px`;
  }
}
