// How many points are drawn while a map moves: all, unless the machine is too slow for it; at rest always all.
const SLOW = 45, FAST = 22, LEAST = 10_000, RESTED = 160; // milliseconds, points

export class Pace {
  /** `rested()` is called once a movement has ended that drew only a part. */
  constructor(rested) {
    Object.assign(this, { rested, timer: 0, moving: false, share: 1 });
  }

  stop() {
    clearTimeout(this.timer);
  }

  moved() {
    this.moving = true;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.moving = false;
      if (this.share < 1) this.rested();
    }, RESTED);
  }

  /** How many of `count` points to draw in the frame that began at `now`. Their order is random: the first stand for all. */
  most(now, count) {
    if (!this.moving) return count;
    requestAnimationFrame((next) => this.adapt(next - now, count)); // the next frame comes late when this one is too much
    return Math.ceil(this.share * count);
  }

  adapt(took, count) {
    if (took > SLOW) this.share = Math.max(this.share / 2, Math.min(LEAST / count, 1));
    else if (took < FAST) this.share = Math.min(this.share * 1.25, 1);
  }
}
