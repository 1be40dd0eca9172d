"""Projection plots: embeddings on a plane, coloured by class, as PNG files and one interactive page."""

import colorsys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from xmr.core.errors import ConfigError, DataError
from xmr.core.files import atomic_path, write_text
from xmr.core.types import Embeddings, Modality
from xmr.evaluation.projection import LIMIT, chosen_rows, project
from xmr.reporting.typography import font, shorten
from xmr.reporting.views import View

PALETTE = (
    *("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"),
    *("#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"),
)
"""Ten colours that the colour-blind tell apart (Petroff 2021, "Accessible Color Sequences")."""
SHAPES = {Modality.IMAGE: "circle", Modality.TEXT: "triangle", Modality.COMPOSED: "square"}
MARKERS = {"circle": "o", "triangle": "^", "square": "s"}
NAMES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP", "fc2": "FC2"}
NO_LABEL = "no label"
PIXELS_PER_INCH = 144
LEGEND_CLASSES = 24
TURNS = 16
LEGEND_WIDTH = 330
INK, MUTED, FRAME = "#1c2430", "#5b6675", "#d5dae2"

Look = Callable[[Modality, str], View]
"""What an embedding shows: its modality and id -> its picture and text."""


@dataclass(frozen=True)
class Plane:
    """N points (N, 2) of one projection with what each one is; `total` of them are in the split.

    `classes` (N,) are what the points are coloured by: labels, or modalities where there are no labels.
    """

    name: str
    points: np.ndarray
    ids: np.ndarray
    modalities: np.ndarray
    classes: np.ndarray
    coloured_by: str
    total: int

    @property
    def count(self) -> str:
        """`2,000 of 5,400 embeddings, drawn at random`, or `1,243 embeddings`."""
        shown, total = f"{len(self.points):,}", f"{self.total:,}"
        return f"{total} embeddings" if shown == total else f"{shown} of {total} embeddings, drawn at random"


def write_projections(
    embeddings: Sequence[Embeddings],
    labels: Mapping[str, str],
    folder: Path,
    *,
    methods: Sequence[str] = ("pca", "tsne"),
    title: str,
    seed: int = 0,
    look: Look | None = None,
) -> dict[str, Path]:
    """A PNG a method (`pca.png`) and a page of all (`projections.html`) in `folder`: paths by method, "page".

    `embeddings` are those of each modality, in one space; `labels` gives the class of an item id, and items
    without one are grey. `look` gives the page the picture and caption of each point. Raises what
    `xmr.evaluation.projection.project` does.
    """
    planes = project_all(embeddings, labels, methods=methods, seed=seed)
    return write_planes(dict(zip(methods, planes, strict=True)), folder, title=title, look=look)


def write_planes(
    planes: Mapping[str, Plane], folder: Path, *, title: str, look: Look | None = None
) -> dict[str, Path]:
    """A PNG a plane, named by its key, and `projections.html` with a tab a plane: paths by key, "page"."""
    from xmr.reporting.projection_page import projection_page

    paths = {name: folder / f"{name}.png" for name in planes}
    for name, plane in planes.items():
        with atomic_path(paths[name]) as beside:
            draw_projection(plane, title=title).save(beside, format="PNG", optimize=True)
    paths["page"] = folder / "projections.html"
    write_text(paths["page"], projection_page(list(planes.values()), title=title, look=look))
    return paths


def project_all(
    embeddings: Sequence[Embeddings],
    labels: Mapping[str, str],
    *,
    methods: Sequence[str],
    seed: int = 0,
    limit: int = LIMIT,
) -> list[Plane]:
    """A plane for each of `methods`, of the same at most `limit` embeddings, drawn at random by `seed`."""
    if not methods:
        raise ConfigError("methods=[]; name at least one of pca, tsne, umap, fc2")
    if not embeddings or len({each.dim for each in embeddings}) > 1:
        dims = [each.dim for each in embeddings]
        raise DataError(f"embeddings of dimensions {dims} are in no common space; give those of one model")
    total = sum(len(each) for each in embeddings)
    rows = chosen_rows(total, limit=limit, seed=seed)
    ids = np.concatenate([each.ids for each in embeddings])[rows]
    modalities = np.concatenate([np.full(len(each), str(each.modality)) for each in embeddings])[rows]
    items = np.concatenate([each.item_ids for each in embeddings])[rows]
    found = np.array([labels.get(str(item)) or NO_LABEL for item in items])
    has_labels = bool((found != NO_LABEL).any())
    vectors = np.concatenate([each.vectors.float().cpu().numpy() for each in embeddings])[rows]
    return [
        Plane(
            name=NAMES.get(method, method),
            points=project(vectors, method=method, seed=seed),
            ids=ids,
            modalities=modalities,
            classes=found if has_labels else modalities,
            coloured_by="label" if has_labels else "modality",
            total=total,
        )
        for method in methods
    ]


def class_colours(classes: Sequence[str]) -> dict[str, str]:
    """A colour for each of `classes`, in their order; grey for "no label".

    Up to ten have the palette of the colour-blind. More have hues a golden angle apart in three brightnesses:
    neighbours differ, but not all pairs can.
    """
    named = [name for name in classes if name != NO_LABEL]
    palette = PALETTE if len(named) <= len(PALETTE) else [_hue(n) for n in range(len(named))]
    return {**dict(zip(named, palette, strict=False)), NO_LABEL: "#8a93a0"}


def _hue(n: int) -> str:
    red, green, blue = colorsys.hls_to_rgb(n * 0.381966 % 1, (0.46, 0.62, 0.36)[n % 3], 0.72)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"


def ordered_classes(planes: Sequence[Plane]) -> list[tuple[str, int]]:
    """Names and numbers of points of the first plane's classes and of any other's, the largest first."""
    counts = Counter({name: 0 for plane in planes for name in plane.classes.tolist()})
    counts.update(planes[0].classes.tolist())
    return sorted(counts.items(), key=lambda pair: (pair[0] == NO_LABEL, -pair[1], pair[0]))


def draw_projection(plane: Plane, *, title: str) -> Image.Image:
    """The points of a plane, a colour a class and a marker a modality, with a legend; 1,800 pixels wide."""
    # the object interface keeps no global state and needs no display; importing it takes a second
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.5, 9), dpi=PIXELS_PER_INCH)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.025, 0.03, 0.715, 0.85))
    heading = shorten(title.replace("\n", " · "), font(34, bold=True), 12 * PIXELS_PER_INCH)
    figure.text(0.025, 0.95, _plain(heading), fontsize=16, fontweight="bold", color=INK)
    figure.text(0.025, 0.91, f"{plane.name} of {plane.count}", fontsize=11.5, color=MUTED)
    classes = ordered_classes([plane])
    colours = class_colours([name for name, _ in classes])
    size = 60 if len(plane.points) <= 400 else 34 if len(plane.points) <= 1500 else 20
    # by chance and in turns, else the last class or modality would hide the others
    order = np.random.default_rng(0).permutation(len(plane.points))
    for turn in np.array_split(order, TURNS):
        for modality in dict.fromkeys(plane.modalities[turn].tolist()):
            rows = turn[plane.modalities[turn] == modality]
            axes.scatter(
                plane.points[rows, 0],
                plane.points[rows, 1],
                s=size,
                c=[colours[name] for name in plane.classes[rows].tolist()],
                marker=MARKERS[SHAPES[Modality(modality)]],
                edgecolors="white",
                linewidths=0.5,
                alpha=0.9,
            )
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.margins(0.04)
    for spine in axes.spines.values():
        spine.set_color(FRAME)
    _draw_legend(figure, plane, classes, colours)
    file = BytesIO()
    figure.savefig(file, format="png")
    return Image.open(file).convert("RGB")


def _draw_legend(figure: Any, plane: Plane, classes: list[tuple[str, int]], colours: dict[str, str]) -> None:
    """Modalities, then the largest classes, at the right."""
    from matplotlib.lines import Line2D

    def sign(shape: str, colour: str, text: str) -> Any:
        return Line2D([], [], linestyle="", marker=MARKERS[shape], markersize=8, color=colour, label=text)

    face = font(23)
    counts = Counter(plane.modalities.tolist())
    if plane.coloured_by == "modality":
        signs = [sign(SHAPES[Modality(n)], colours[n], f"{n}  {count:,}") for n, count in classes]
    else:
        signs = [sign(SHAPES[Modality(n)], MUTED, f"{n}  {count:,}") for n, count in counts.items()]
        signs.append(Line2D([], [], linestyle="", label=" "))
        for name, count in classes[:LEGEND_CLASSES]:
            signs.append(
                sign("circle", colours[name], _plain(f"{shorten(name, face, LEGEND_WIDTH)}  {count:,}"))
            )
        if len(classes) > LEGEND_CLASSES:
            rest = sum(count for _, count in classes[LEGEND_CLASSES:])
            more = f"and {len(classes) - LEGEND_CLASSES:,} more classes  {rest:,}"
            signs.append(Line2D([], [], linestyle="", label=more))
    figure.legend(
        handles=signs,
        loc="upper left",
        bbox_to_anchor=(0.745, 0.888),
        frameon=False,
        fontsize=11.5,
        labelcolor=INK,
        handletextpad=0.3,
        borderpad=0,
    )


def _plain(text: str) -> str:
    """`text` without what matplotlib would read as mathematics."""
    return text.replace("$", r"\$")
