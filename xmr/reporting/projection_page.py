"""The interactive page of projections: one HTML file that needs nothing else, and asks no network."""

import base64
import hashlib
import html
import json
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from io import BytesIO
from string import Template
from typing import Any

import numpy as np
from PIL import Image, ImageColor

from xmr.core.types import Modality
from xmr.reporting.projections import SHAPES, Look, Plane, class_colours, ordered_classes
from xmr.reporting.views import fit

PICTURE_BYTES = 6_000_000
"""What the small pictures of a page may take in all: it is sent as one file, and opened as one."""
THUMBNAIL = 112
DECIMALS = 4
SCRIPTS = ("markers.js", "pane.js", "page.js")


def projection_page(
    planes: Sequence[Plane], *, title: str, look: Look | None = None, picture_bytes: int = PICTURE_BYTES
) -> str:
    """A page with a tab a plane; entries of equal modality and id are the same in all of them.

    Hovering shows the id, the class and what `look` gives: the caption, and a small picture, for as many
    points as `picture_bytes` allows; the page says how many.
    """
    content, note = _content(planes, look, picture_bytes)
    assets = files("xmr.reporting") / "assets" / "projections"

    def asset(name: str) -> str:
        return (assets / name).read_text(encoding="utf-8")

    return Template(asset("page.html")).substitute(
        title=html.escape(" ".join(title.split())),
        note=html.escape(note),
        style=asset("page.css"),
        script="\n".join(map(asset, SCRIPTS)),
        # a "</script>" within a caption must not end the data
        data=json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace(
            "<", "\\u003c"
        ),
    )


def _content(planes: Sequence[Plane], look: Look | None, picture_bytes: int) -> tuple[dict[str, Any], str]:
    """What the script draws, and the line that says what is shown."""
    counted = ordered_classes(planes)
    colours = class_colours([name for name, _ in counted])
    class_of = {name: at for at, (name, _) in enumerate(counted)}
    in_first = Counter(planes[0].modalities.tolist())
    names = list(dict.fromkeys(name for plane in planes for name in plane.modalities.tolist()))
    entries: dict[tuple[str, str], dict[str, Any]] = {}
    for plane in planes:
        for id_, modality, name in zip(plane.ids, plane.modalities, plane.classes, strict=True):
            entry = {"id": str(id_), "modality": names.index(modality), "class": class_of[str(name)]}
            entries.setdefault((str(modality), str(id_)), entry)
    position = {key: at for at, key in enumerate(entries)}
    pictures, note = _looks(entries, look, picture_bytes)
    content = {
        "coloured_by": planes[0].coloured_by,
        "classes": [
            {"name": name, "colour": colours[name], "dark": _for_dark(colours[name]), "count": count}
            for name, count in counted
        ],
        "modalities": [{"name": n, "shape": SHAPES[Modality(n)], "count": in_first[n]} for n in names],
        "entries": list(entries.values()),
        "pictures": pictures,
        "tabs": [_tab(plane, position) for plane in planes],
    }
    notes = list(dict.fromkeys(plane.count for plane in planes))
    return content, ". ".join([*notes, *note]) + "."


def _for_dark(colour: str) -> str:
    """`colour`, on a dark page: half-way to white as far as it is dark."""
    parts = np.array(ImageColor.getrgb(colour)[:3]) / 255
    brightness = float(parts @ (0.2126, 0.7152, 0.0722))
    lighter = np.round(255 * (parts + (1 - parts) * max(0.0, 0.5 - brightness)))
    return "#" + "".join(f"{int(part):02x}" for part in lighter)


def _tab(plane: Plane, position: dict[tuple[str, str], int]) -> dict[str, Any]:
    # drawn in this order: by chance, else the last class or modality would hide the others
    order = np.random.default_rng(0).permutation(len(plane.points))
    points = _scaled(plane.points)[order]
    keys = zip(plane.modalities[order].tolist(), plane.ids[order].tolist(), strict=True)
    return {
        "name": plane.name,
        "x": points[:, 0].tolist(),
        "y": points[:, 1].tolist(),
        "entry": [position[str(modality), str(id_)] for modality, id_ in keys],
    }


def _scaled(points: np.ndarray) -> np.ndarray:
    """Points within [-1, 1], rounded to what a screen can show, one unit as long in both directions."""
    points = points.astype(np.float64)
    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    reach = np.abs(points - middle).max()
    return np.round((points - middle) / (reach or 1.0), DECIMALS)


def _looks(
    entries: dict[tuple[str, str], dict[str, Any]], look: Look | None, picture_bytes: int
) -> tuple[list[list[Any]], list[str]]:
    """Put captions and pictures into `entries`: the pictures, [data URI, width, height], and a note.

    Which get one when not all can depends on their ids alone.
    """
    if look is None:
        return [], []
    pictures: list[list[Any]] = []
    left, wanted = picture_bytes, 0
    for modality, id_ in sorted(entries, key=lambda key: hashlib.sha256("/".join(key).encode()).digest()):
        entry, view = entries[modality, id_], look(Modality(modality), id_)
        if view.text:
            entry["caption"] = view.text
        if view.image is None:
            continue
        wanted += 1
        if left > 0:
            picture = _data_uri(view.image)
            left -= len(picture[0])
            if left >= 0:
                entry["picture"] = len(pictures)
                pictures.append(picture)
    note = [f"{len(pictures):,} of {wanted:,} pictures are on this page"] if wanted else []
    return pictures, note


def _data_uri(picture: Image.Image) -> list[Any]:
    small = fit(picture, THUMBNAIL)
    file = BytesIO()
    small.save(file, format="JPEG", quality=72, optimize=True)
    return ["data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode(), *small.size]
