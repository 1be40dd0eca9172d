// Where the graph's nodes lie on the screen: the server's places, stretched to the plot, with room for each and the query.
const FILLED = 0.36, LARGEST = 46, SMALLEST = 13, GAP = 5, STEPS = 120;

/** The radius of `many` nodes that together fill a fair part of the plot. */
export function radiusFor(many, width, height) {
  const radius = Math.sqrt((FILLED * width * height) / (Math.PI * (many + 2)));
  return Math.min(Math.max(radius, SMALLEST), LARGEST);
}

/**
 * Circles {x, y, radius} of nodes ({x, y} in 0..1, similarity) around the query's in the middle, the same for the same plot.
 * Places keep their order: they are scaled, moved out of the middle, then apart until none covers another.
 * The more similar to the query, the larger.
 */
export function placed(nodes, width, height) {
  const usual = radiusFor(nodes.length, width, height), core = Math.max(usual * 1.3, 36);
  const similarities = nodes.map(({ similarity }) => similarity), least = Math.min(...similarities), span = Math.max(...similarities) - least;
  const radii = similarities.map((value) => usual * (span > 0 ? 0.82 + 0.42 * ((value - least) / span) : 1));
  const hole = Math.max(...radii) + core + GAP, border = Math.max(...radii) + 8;
  const across = Math.max(width - 2 * (border + hole), 1), along = Math.max(height - 2 * (border + hole), 1);
  const circles = nodes.map(({ x, y }, at) => {
    const dx = (x - 0.5) * across, dy = (y - 0.5) * along, far = Math.hypot(dx, dy), angle = far > 0 ? Math.atan2(dy, dx) : at;
    return { x: (far + hole) * Math.cos(angle), y: (far + hole) * Math.sin(angle), radius: radii[at] };
  });
  const middle = { x: 0, y: 0, radius: core, fixed: true };
  for (let step = 0, moves = true; step < STEPS && moves; step++) {
    moves = part([middle, ...circles]);
    clamp(circles, width / 2 - 8, height / 2 - 8);
  }
  for (const circle of [middle, ...circles]) {
    circle.x += width / 2;
    circle.y += height / 2;
  }
  return { middle, circles };
}

/** Move circles that are too near to each other apart, half of it each; false once nothing moves. */
function part(circles) {
  let moved = false;
  for (let a = 0; a < circles.length; a++) {
    for (let b = a + 1; b < circles.length; b++) {
      const one = circles[a], other = circles[b], dx = other.x - one.x, dy = other.y - one.y, far = Math.hypot(dx, dy), short = one.radius + other.radius + GAP - far;
      if (short < 0.01) continue;
      const ux = far > 0 ? dx / far : Math.cos(b), uy = far > 0 ? dy / far : Math.sin(b), own = one.fixed ? 0 : short / 2;
      one.x -= ux * own;
      one.y -= uy * own;
      other.x += ux * (short - own);
      other.y += uy * (short - own);
      moved = true;
    }
  }
  return moved;
}

function clamp(circles, across, along) {
  for (const circle of circles) {
    circle.x = Math.min(Math.max(circle.x, circle.radius - across), across - circle.radius);
    circle.y = Math.min(Math.max(circle.y, circle.radius - along), along - circle.radius);
  }
}

const AXES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
/** The circle to go to from number `at` with an arrow key: ahead, and rather straight ahead than near; null when there is none. */
export function nextPlace(circles, at, key) {
  if (!AXES[key]) return null;
  const [dx, dy] = AXES[key], from = circles[at];
  let best = null, least = Infinity;
  circles.forEach(({ x, y }, to) => {
    const ahead = (x - from.x) * dx + (y - from.y) * dy, aside = Math.abs((x - from.x) * dy) + Math.abs((y - from.y) * dx);
    if (ahead > 1 && ahead + 2 * aside < least) [best, least] = [to, ahead + 2 * aside];
  });
  return best;
}
