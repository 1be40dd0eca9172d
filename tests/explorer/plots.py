"""What tests of the graph and the map ask of the page: circles, points, pixels, the server's numbers."""

import io
from typing import Any

import numpy as np
from PIL import Image


def circles(tab: Any) -> list[dict[str, float]]:
    """The circles of the nodes and, last, of the query, in pixels of the plot."""
    return tab.evaluate(
        """() => {
          const frame = document.querySelector(".graph-svg").getBoundingClientRect();
          const rings = (of) => [...document.querySelectorAll(`${of} .graph-ring`)];
          return [...rings(".graph-node"), ...rings(".graph-query")].map((ring) => {
            const {x, y, width} = ring.getBoundingClientRect();
            return {x: x - frame.x + width / 2, y: y - frame.y + width / 2, radius: width / 2,
                    across: frame.width, along: frame.height};
          });
        }"""
    )


def graph_of(tab: Any, **asked: Any) -> dict[str, Any]:
    """What the server says to the same question."""
    body = {"column": {"source": "colours-1a2b3c", "index": "exact"}, **asked}
    return tab.evaluate(
        """(body) => fetch("/api/graph", {method: "POST", body: JSON.stringify(body),
             headers: {"Content-Type": "application/json"}}).then((said) => said.json())""",
        body,
    )


def points(tab: Any, source: str = "colours-1a2b3c", method: str = "pca") -> dict[str, np.ndarray]:
    """The numbers of a map as the server sends them; y points up."""
    numbers = tab.evaluate(
        "(path) => fetch(path).then((said) => said.arrayBuffer()).then((all) => [...new Float32Array(all)])",
        f"/api/map/points?source={source}&method={method}",
    )
    names = ("x", "y", "label", "modality", "correct", "cluster")
    return dict(zip(names, np.array(numbers).reshape(6, -1), strict=True))


def entry(tab: Any, row: int, source: str = "colours-1a2b3c") -> dict[str, Any]:
    """What a point is."""
    return tab.evaluate(
        """([source, row]) => fetch("/api/map/entries", {method: "POST",
             body: JSON.stringify({source, method: "pca", rows: [row]}),
             headers: {"Content-Type": "application/json"}}).then((said) => said.json())""",
        [source, row],
    )["entries"][0]


def lonely(found: dict[str, np.ndarray]) -> int:
    """The row of an image that lies farthest from all other points."""
    places = np.column_stack([found["x"], found["y"]])
    gaps = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(gaps, np.inf)
    return int(np.where(found["modality"] == 0, gaps.min(axis=1), -1).argmax())


def view_of(found: dict[str, np.ndarray], row: int, zoom: float) -> str:
    """The address's words for a view with a point in the middle."""
    x, y = found["x"], -found["y"]
    return f"{(x[row] - x.min()) / np.ptp(x):.6f}:{(y[row] - y.min()) / np.ptp(y):.6f}:{zoom}"


def middle(tab: Any, number: int = 0) -> tuple[float, float]:
    """The pixel in the middle of a map."""
    box = tab.locator(".map-over").nth(number).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drawn(tab: Any, colour: tuple[int, int, int], number: int = 0) -> int:
    """How many pixels of a map have about this colour now; pale ones are mixed with the page's."""
    shot = Image.open(io.BytesIO(tab.locator(".map-plot").nth(number).screenshot())).convert("RGB")
    return int((np.abs(np.asarray(shot, int)[50:] - colour).max(axis=2) < 60).sum())


def pixels(tab: Any, number: int = 0) -> int:
    """How many pixels near the middle of a map have a ring or a mark over them now."""
    return tab.evaluate(
        """(number) => {
          const canvas = document.querySelectorAll(".map-over")[number], {width, height} = canvas;
          const near = canvas.getContext("2d").getImageData(width / 2 - 20, height / 2 - 20, 40, 40).data;
          return near.filter((value, at) => at % 4 === 3 && value > 0).length;
        }""",
        number,
    )
