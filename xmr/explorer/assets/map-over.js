// What lies over a map's points: rings around single ones, the query's mark, and the lasso.
const MARK = 9;

function ring(pen, [x, y], radius, colour, width) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.lineWidth = width;
  pen.strokeStyle = colour;
  pen.stroke();
}

/** A diamond with its name beside it, legible on any points. */
function queryMark(pen, [x, y], { paper, link, onLink }, width) {
  pen.beginPath();
  pen.moveTo(x, y - MARK);
  pen.lineTo(x + MARK, y);
  pen.lineTo(x, y + MARK);
  pen.lineTo(x - MARK, y);
  pen.closePath();
  pen.lineWidth = 3;
  pen.strokeStyle = paper;
  pen.stroke();
  pen.fillStyle = link;
  pen.fill();
  pen.font = "600 12.5px system-ui, sans-serif";
  const wide = pen.measureText("query").width + 12, left = x + MARK + 4 + wide < width ? x + MARK + 4 : x - MARK - 4 - wide;
  pen.beginPath();
  pen.roundRect(left, y - 10, wide, 20, 10);
  pen.lineWidth = 2;
  pen.stroke();
  pen.fill();
  pen.fillStyle = onLink;
  pen.textBaseline = "middle";
  pen.fillText("query", left + 6, y + 0.5);
}

function outline(pen, path, { link }, fill) {
  pen.beginPath();
  path.forEach(([x, y], at) => (at ? pen.lineTo(x, y) : pen.moveTo(x, y)));
  pen.closePath();
  pen.globalAlpha = fill;
  pen.fillStyle = link;
  pen.fill();
  pen.globalAlpha = 1;
  pen.lineWidth = 2;
  pen.strokeStyle = link;
  pen.setLineDash([6, 4]);
  pen.stroke();
  pen.setLineDash([]);
}

/** Draw a pane's marks {hovered, linked, near: rows}, its query {x, y}, its outline and its lasso, in its theme's colours. */
export function paintOver(pane) {
  const { size, marks, query, lasso, radius, map, theme } = pane, pen = pane.over.getContext("2d");
  pen.setTransform(size.density, 0, 0, size.density, 0, 0);
  pen.clearRect(0, 0, size.width, size.height);
  if (pane.outline) outline(pen, pane.outline.map(([x, y]) => pane.pixelOf(x, y)), theme, 0); // colours below it mean something
  const at = (row) => pane.pixelOf(map.points.x[row], map.points.y[row]);
  for (const row of marks.near ?? []) ring(pen, at(row), radius + 4, theme.link, 1.6);
  for (const row of [marks.hovered, marks.linked]) {
    if (row === null || row === undefined) continue;
    ring(pen, at(row), radius + 5, theme.paper, 5);
    ring(pen, at(row), radius + 5, theme.ink, 2.4);
  }
  if (query) queryMark(pen, pane.pixelOf(query.x, -query.y), theme, size.width);
  if (lasso.path) outline(pen, lasso.path, theme, 0.14);
}
