// Points on a 2-D canvas, for browsers without WebGL 2: the same as map-gl.js draws, more slowly.
import { shuffled } from "./map-gl.js";

const MANY = 20_000; // beyond so many, every point is a square: paths would take seconds

export class FlatPoints {
  constructor(canvas) {
    Object.assign(this, { pen: canvas.getContext("2d"), canvas, count: 0, chosen: null });
  }

  stop() {
    this.pen = null;
  }

  setPoints(x, y, shapes) {
    Object.assign(this, { x, y, shapes, count: x.length, order: shuffled(x.length) });
  }

  setGroups(codes) {
    this.codes = codes;
  }

  setLooks(looks) {
    this.looks = looks;
  }

  setChosen(chosen) {
    this.chosen = chosen;
  }

  draw({ scale, x: left, y: top }, { width, height, density, radius, hidden, most }) {
    const { pen, x, y, shapes, codes, looks, chosen, count } = this;
    pen.setTransform(density, 0, 0, density, 0, 0);
    pen.clearRect(0, 0, width, height);
    for (let n = 0; n < Math.min(count, most); n++) {
      const at = this.order[n], look = 4 * codes[at], px = left + scale * x[at], py = top + scale * y[at];
      if (!looks[look + 3] || (hidden >> shapes[at]) & 1 || px < -radius || py < -radius || px > width + radius || py > height + radius) continue;
      pen.globalAlpha = (looks[look + 3] / 255) * (chosen && !chosen[at] ? 0.13 : 1);
      pen.fillStyle = `rgb(${looks[look]} ${looks[look + 1]} ${looks[look + 2]})`;
      this.mark(count > MANY ? 2 : shapes[at], px, py, radius);
    }
    pen.globalAlpha = 1;
  }

  mark(shape, x, y, radius) {
    const { pen } = this;
    if (shape === 2) return pen.fillRect(x - 0.86 * radius, y - 0.86 * radius, 1.72 * radius, 1.72 * radius);
    pen.beginPath();
    if (shape === 0) pen.arc(x, y, radius, 0, 2 * Math.PI);
    else {
      pen.moveTo(x, y - 1.1 * radius);
      pen.lineTo(x + radius, y + 0.72 * radius);
      pen.lineTo(x - radius, y + 0.72 * radius);
    }
    pen.fill();
  }
}
