"""Builds the emoji data set (pictures, item table, attribution) from four unpacked npm packages."""

import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from PIL import Image, features

from xmr.core.errors import MissingFilesError
from xmr.core.files import atomic_path, sha256_file, write_text
from xmr.data.emoji import PICTURES, TABLE
from xmr.pipelines.emoji.concepts import concept_of, edit_text, look_of
from xmr.pipelines.emoji.sources import PACKAGES, Emoji, package_folder, read_emoji
from xmr.pipelines.emoji.texts import write_texts

SIZE = 96
QUALITY = 90
ATTRIBUTION = "ATTRIBUTION.md"
# Mean squared difference of 24 x 24 thumbnails, values in [0, 1], below which pictures look the same.
_TWIN_DIFFERENCE = 1e-5
_OWNERS = {
    "@lobehub/fluent-emoji-3d": (
        "The pictures: Microsoft's Fluent Emoji, Copyright (c) Microsoft Corporation; packaged by LobeHub, "
        "Copyright (c) LobeHub; both MIT"
    ),
    "cldr-annotations-full": "Names and keywords: Copyright Unicode, Inc.; Unicode-3.0",
    "emojibase-data": "Names, tags, groups and skin tones: Copyright (c) Miles Johnson; MIT",
    "emojilib": "Keywords: Copyright (c) Mu-An Chiou; MIT",
}

Track = Callable[[Sequence[str]], Iterable[str]]


def prepare_emoji(packages: Path, output: Path, *, track: Track = iter) -> dict[str, Any]:
    """Write the archive, the table and the attribution to `output`; return the table's header.

    `packages` holds each package unpacked (`package_folder` says where). The same packages, Pillow and
    libwebp give the same bytes. `track` wraps the pictures' ids, to show progress.
    Raises `MissingFilesError` that lists what is not there.
    """
    emoji = read_emoji(packages)
    texts = write_texts({each.item_id: each.source for each in emoji})
    files = {each.item_id: each.picture for each in emoji}
    files |= {each.toned_id(tone): path for each in emoji for tone, path in each.tones.items()}
    pictures = without_twins({picture_id: shrink(files[picture_id]) for picture_id in track(list(files))})
    write_archive(output / PICTURES, {f"{name}.webp": encode(image) for name, image in pictures.items()})
    rows = _rows(emoji, texts, pictures.keys())
    header = {
        "pictures_sha256": sha256_file(output / PICTURES),
        "pictures": len(pictures),
        "items": len(rows),
        "edits": sum(len(row["edits"]) for row in rows),
        "packages": PACKAGES,
        "libwebp": features.version("webp"),
    }
    lines = [json.dumps(row, ensure_ascii=False) for row in (header, *rows)]
    write_text(output / TABLE, "\n".join(lines) + "\n")
    write_text(output / ATTRIBUTION, _attribution(packages, header))
    return header


def _rows(
    emoji: Sequence[Emoji], texts: Mapping[str, tuple[str, ...]], pictures: Iterable[str]
) -> list[dict[str, Any]]:
    """The table's rows; a concept bears the name of its first emoji."""
    shown = set(pictures)
    concepts: dict[str, str] = {}
    looks = {each.item_id: look_of(each.hexcode) for each in emoji if each.item_id in shown}
    rows = []
    for each in emoji:
        if each.item_id not in shown:
            continue
        edits = [(edit_text(looks[each.item_id], look), other) for other, look in looks.items()]
        edits += [(f"the same, but with {tone} skin tone", each.toned_id(tone)) for tone in each.tones]
        concept = concepts.setdefault(concept_of(each.hexcode, each.subgroup), each.source.name)
        row = {"id": each.item_id, "label": f"{each.group}/{each.subgroup}", "concept": concept}
        kept = [[text, target] for text, target in edits if text and target in shown]
        rows.append({**row, "texts": texts[each.item_id], "edits": kept})
    return rows


def shrink(path: Path) -> Image.Image:
    """The picture on white, `SIZE` x `SIZE` RGB."""
    with Image.open(path) as image:
        # a few files have some transparent rows too many
        picture = image.convert("RGBA").crop((0, 0, image.width, image.width))
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture)
    return white.convert("RGB").resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def without_twins(pictures: Mapping[str, Image.Image]) -> dict[str, Image.Image]:
    """The pictures that don't look like an earlier one: no search could tell the two apart."""
    small = [image.resize((24, 24), Image.Resampling.BOX) for image in pictures.values()]
    pixels = np.stack([np.asarray(image, np.float32).ravel() / 255 for image in small])
    norms = (pixels**2).mean(axis=1)
    differences = norms[:, None] + norms - 2 * pixels @ pixels.T / pixels.shape[1]
    twins = np.tril(differences < _TWIN_DIFFERENCE, k=-1).any(axis=1)
    return {name: image for (name, image), twin in zip(pictures.items(), twins, strict=True) if not twin}


def encode(image: Image.Image) -> bytes:
    """The image as WebP."""
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=QUALITY, method=6)
    return buffer.getvalue()


def write_archive(target: Path, contents: Mapping[str, bytes]) -> None:
    """An uncompressed zip file of `contents`, sorted by name and without times: equal in, equal out."""
    with atomic_path(target) as path, ZipFile(path, "w", ZIP_STORED) as archive:
        for name in sorted(contents):
            archive.writestr(ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), contents[name])


def _attribution(packages: Path, header: Mapping[str, Any]) -> str:
    """Who made what, under which licence, and the licences' words."""
    sources = "\n".join(f"- `{name}` {PACKAGES[name]} (npm). {owner}." for name, owner in _OWNERS.items())
    licences = {
        "MIT (Fluent Emoji, LobeHub, emojibase, emojilib)": package_folder(packages, "emojibase-data"),
        "Unicode-3.0 (CLDR)": package_folder(packages, "cldr-annotations-full"),
    }
    texts = ""
    for title, folder in licences.items():
        if not (folder / "LICENSE").is_file():
            raise MissingFilesError(f"{folder / 'LICENSE'} does not exist; fetch its package anew")
        words = (folder / "LICENSE").read_text(encoding="utf-8").strip()
        texts += f"\n## {title}\n\n```text\n{words}\n```\n"
    return f"""# Where the emoji data set comes from

Built by `python scripts/prepare_data.py emoji` from packages of the npm registry:

{sources}

Changed: the pictures are on white, {SIZE} x {SIZE}, WebP of quality {QUALITY}; the texts are drawn from
names and keywords and cleaned; skin tones are named as the pictures show them. Left out: country flags,
families, couples and trademarks, which Microsoft has not published under its MIT licence, and pictures
that look like another one. No data of OpenMoji is used.

- `{PICTURES}`: {header["pictures"]} pictures, SHA-256 `{header["pictures_sha256"]}`
- `{TABLE}`: {header["items"]} items, {header["edits"]} edits
{texts}"""
