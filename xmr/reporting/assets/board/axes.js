// A plot's frame: scales, ticks, grid and labels, in SVG.
const MARGIN = { left: 52, right: 14, top: 12, bottom: 38 };

/** Round numbers that span [low, high]: about `count` of them; `whole` ones where there are two. */
function ticksOf(low, high, count, whole) {
  const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
  const round = [1, 2, 5, 10].find((each) => each * power >= 0.7 * rough) * power;
  const step = whole && high - low >= 2 ? Math.max(round, 1) : round;
  const ticks = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + 1e-9 * step; n++) ticks.push(Number((n * step).toPrecision(12)));
  return ticks;
}

/** Ticks of a logarithmic axis: powers of ten, and their doubles and halves where those are few. */
function logTicksOf(low, high) {
  const ticks = [], few = Math.log10(high / low) < 2.5;
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const each of few ? [1, 2, 5] : [1]) ticks.push(each * 10 ** power);
  }
  return ticks.filter((tick) => tick >= low && tick <= high);
}

/** A scale from values to pixels: {to(value), ticks}; some room is left at both ends. */
function scaleOf(values, from, to, { count = 5, log = false, room = 0.05, whole = false } = {}) {
  let low = Math.min(...values), high = Math.max(...values);
  if (low === high) [low, high] = log ? [low / 2, high * 2] : [low - (Math.abs(low) * 0.05 || 0.5), high + (Math.abs(high) * 0.05 || 0.5)];
  const map = log ? Math.log : (value) => value;
  const span = map(high) - map(low);
  const first = map(low) - room * span, last = map(high) + room * span;
  const back = log ? Math.exp : (value) => value;
  return {
    to: (value) => from + ((map(value) - first) / (last - first)) * (to - from),
    ticks: log ? logTicksOf(back(first), back(last)) : ticksOf(back(first), back(last), count, whole),
  };
}

class Plot {
  /** An SVG below `parent` that is drawn anew at each change of its width; subclasses have `paint`. */
  constructor(parent, label, height = 250) {
    this.root = make("div", parent, { className: "plot" });
    this.svg = draw("svg", this.root, { role: "img", "aria-label": label, tabindex: 0 });
    this.card = make("div", this.root, { className: "card", hidden: true });
    this.height = height;
    new ResizeObserver(() => this.resize()).observe(this.root);
  }

  resize() {
    const width = Math.round(this.root.clientWidth);
    if (!width || width === this.width) return;
    this.width = width;
    this.repaint();
  }

  repaint() {
    if (!this.width) return;
    this.svg.replaceChildren();
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.svg.setAttribute("height", this.height);
    this.card.hidden = true;
    this.paint();
  }

  get inner() {
    return { left: MARGIN.left, right: this.width - MARGIN.right, top: MARGIN.top, bottom: this.height - MARGIN.bottom };
  }

  /** Grid, ticks and the names of both axes. */
  frame(x, y, { xLabel, yLabel, showX, showY }) {
    const { left, right, top, bottom } = this.inner;
    for (const tick of y.ticks) {
      draw("line", this.svg, { class: "grid", x1: left, x2: right, y1: y.to(tick), y2: y.to(tick) });
      draw("text", this.svg, { class: "tick", x: left - 7, y: y.to(tick) + 4, "text-anchor": "end" }, showY(tick));
    }
    const room = Math.max(1, Math.ceil((x.ticks.length * 52) / (right - left)));
    x.ticks.forEach((tick, n) => {
      draw("line", this.svg, { class: "grid", x1: x.to(tick), x2: x.to(tick), y1: bottom, y2: bottom + 4 });
      if (n % room === 0) draw("text", this.svg, { class: "tick", x: x.to(tick), y: bottom + 17, "text-anchor": "middle" }, showX(tick));
    });
    draw("line", this.svg, { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom });
    draw("text", this.svg, { class: "label", x: (left + right) / 2, y: this.height - 4, "text-anchor": "middle" }, xLabel);
    draw("text", this.svg, { class: "label", x: 0, y: 0, "text-anchor": "middle",
                             transform: `translate(11 ${(top + bottom) / 2}) rotate(-90)` }, yLabel);
  }

  /** Place the card beside the point (x, y) of the plot, within the plot's width. */
  placeCard(x, y) {
    this.card.hidden = false;
    const { offsetWidth, offsetHeight } = this.card;
    const left = x + 14 + offsetWidth > this.width ? x - 14 - offsetWidth : x + 14;
    this.card.style.left = `${Math.max(0, Math.min(left, this.width - offsetWidth))}px`;
    this.card.style.top = `${Math.max(0, Math.min(y - offsetHeight / 2, this.height - offsetHeight))}px`;
  }
}
