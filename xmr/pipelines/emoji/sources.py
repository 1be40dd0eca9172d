"""Reads the emoji that the data set is built from out of four npm packages."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xmr.core.errors import MissingFilesError, problems_message
from xmr.pipelines.emoji.concepts import SKIN_TONES
from xmr.pipelines.emoji.texts import Source, readable_name

PACKAGES = {
    "@lobehub/fluent-emoji-3d": "1.1.0",
    "cldr-annotations-full": "48.2.0",
    "emojibase-data": "17.0.0",
    "emojilib": "4.0.3",
}
# The pictures' package has these too, but Microsoft never published them under its MIT licence: people in
# groups, countries' flags, and pictures that show a trademark (its paperclip, game pad and logo).
_UNLICENSED_SUBGROUPS = {"family", "country-flag", "subdivision-flag"}
_UNLICENSED_EMOJI = {"1f46a", "1f4ce", "1f3ae"}
_UNLICENSED_EMOJI |= {"1f9d1-200d-1f4bb", "1f468-200d-1f4bb", "1f469-200d-1f4bb"}
# The pictures' package has the files of two tones the wrong way round, and those of one emoji all mixed
# up, as its skin colours show: tone that a file name claims -> tone that the picture has.
_SHOWN_TONE = {"medium-light": "medium", "medium": "medium-light"}
_SHOWN_TONE_OF = {
    "1f6b5": {
        "dark": "light",
        "medium-dark": "medium-light",
        "medium-light": "medium",
        "medium": "medium-dark",
        "light": "dark",
    },
}


@dataclass(frozen=True)
class Emoji:
    """One emoji of the packages that has a picture; `tones` are its pictures by skin tone (`dark`)."""

    hexcode: str
    group: str
    subgroup: str
    source: Source
    picture: Path
    tones: Mapping[str, Path]

    @property
    def item_id(self) -> str:
        """Its code points and its name: `1f468-1f680-man-astronaut`."""
        code = "-".join(part for part in self.hexcode.split("-") if part != "200d")
        return f"{code}-{slug(self.source.name)}"

    def toned_id(self, tone: str) -> str:
        """The id of its picture in skin tone `tone`: `1f44b-waving-hand-dark-skin-tone`."""
        return f"{self.item_id}-{tone}-skin-tone"


def slug(text: str) -> str:
    """`text` as the words of an id, parted by `-`."""
    text = text.replace("#", "hash").replace("*", "asterisk").replace("ñ", "n").replace("'", "")
    return re.sub("[^a-z0-9]+", "-", text).strip("-")


def package_stem(name: str) -> str:
    """How npm names the archive of a package: `@a/b` of version 1.0 -> `a-b-1.0`."""
    return f"{name.removeprefix('@').replace('/', '-')}-{PACKAGES[name]}"


def package_folder(packages: Path, name: str) -> Path:
    """Where package `name` lies unpacked below `packages`."""
    return packages / package_stem(name) / "package"


def check_packages(packages: Path) -> None:
    """Raise `MissingFilesError` that lists the packages without a folder below `packages`."""
    missing = [
        f"{name} {version}: no folder {package_folder(packages, name)}"
        for name, version in PACKAGES.items()
        if not package_folder(packages, name).is_dir()
    ]
    if missing:
        remedy = "Fetch each with `npm pack NAME@VERSION`, or run without --packages."
        raise MissingFilesError(problems_message(f"packages in {packages}", missing, remedy))


def read_emoji(packages: Path) -> list[Emoji]:
    """The emoji with a picture that may be passed on, in Unicode's order."""
    check_packages(packages)
    emojibase = package_folder(packages, "emojibase-data")
    groups = _json(emojibase / "meta" / "groups.json")
    messages = _json(emojibase / "en" / "messages.json")
    phrases = {m["key"]: m["message"] for m in (*messages["groups"], *messages["subgroups"])}
    curated, crowd = _keywords(packages)
    pictures = _pictures(packages)
    emoji = []
    for row in _json(emojibase / "en" / "data.json"):
        hexcode = _hexcode(row["hexcode"])
        group = groups["groups"].get(str(row.get("group")), "")
        subgroup = groups["subgroups"].get(str(row.get("subgroup")), "")
        licensed = subgroup not in _UNLICENSED_SUBGROUPS and hexcode not in _UNLICENSED_EMOJI
        if not subgroup or hexcode not in pictures or not licensed:
            continue
        char = _bare(row["emoji"])
        category = f"{phrases[group]}, {phrases[subgroup]}".replace(" & ", " and ").replace(" / ", " or ")
        keywords = tuple(dict.fromkeys([*curated.get(char, []), *row["tags"]]))
        source = Source(readable_name(row["label"]), category, keywords, tuple(crowd.get(char, [])))
        tones = _tones(hexcode, row.get("skins", []), pictures)
        emoji.append(Emoji(hexcode, group, subgroup, source, pictures[hexcode], tones))
    return emoji


def _keywords(packages: Path) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The keywords of each emoji: CLDR's, and emojilib's."""
    cldr = _json(package_folder(packages, "cldr-annotations-full") / "annotations/en/annotations.json")
    annotations = cldr["annotations"]["annotations"]
    emojilib = _json(package_folder(packages, "emojilib") / "dist" / "emoji-en-US.json")
    return (
        {_bare(char): annotation.get("default", []) for char, annotation in annotations.items()},
        {_bare(char): keywords for char, keywords in emojilib.items()},
    )


def _pictures(packages: Path) -> dict[str, Path]:
    assets = package_folder(packages, "@lobehub/fluent-emoji-3d") / "assets"
    return {_hexcode(path.stem): path for path in sorted(assets.glob("*.webp"), reverse=True)}


def _tones(base: str, skins: list[dict[str, Any]], pictures: Mapping[str, Path]) -> dict[str, Path]:
    """The pictures in one skin tone, by the tone they show, light to dark.

    An emoji of two people has a list of two tones, and is left out.
    """
    claimed = {SKIN_TONES[s["tone"]]: _hexcode(s["hexcode"]) for s in skins if isinstance(s["tone"], int)}
    shown = _SHOWN_TONE_OF.get(base, _SHOWN_TONE)
    files = {shown.get(tone, tone): pictures[code] for tone, code in claimed.items() if code in pictures}
    return {tone: files[tone] for tone in SKIN_TONES.values() if tone in files}


def _hexcode(name: str) -> str:
    """Code points without the variation selector and leading zeros, which the packages write or leave out."""
    return name.lower().replace("-fe0f", "").lstrip("0")


def _bare(char: str) -> str:
    return char.replace("\ufe0f", "")


def _json(path: Path) -> Any:
    if not path.is_file():
        raise MissingFilesError(f"{path} does not exist; fetch its package anew with `npm pack NAME@VERSION`")
    return json.loads(path.read_text(encoding="utf-8"))
