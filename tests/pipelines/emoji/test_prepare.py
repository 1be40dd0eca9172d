"""Building the emoji data set from packages: equal in, equal out, and nothing that may not ship."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from xmr.core.errors import MissingFilesError
from xmr.data.emoji import load_emoji
from xmr.pipelines.emoji.concepts import concept_of, edit_text, look_of
from xmr.pipelines.emoji.prepare import prepare_emoji
from xmr.pipelines.emoji.sources import PACKAGES, package_folder, package_stem
from xmr.pipelines.emoji.texts import Source, clean_keyword, readable_name, write_texts

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "scripts" / "prepare_data.py"
GROUPS = {"0": "people-body", "1": "flags", "2": "animals-nature"}
SUBGROUPS = {"0": "person-role", "1": "country-flag", "2": "cat-face"}
# hexcode, character, label, group, emojibase's tags
EMOJI = [
    ("1F9D1-200D-1F680", "🧑‍🚀", "astronaut", 0, ["rocket", "space"]),
    ("1F469-200D-1F680", "👩‍🚀", "woman astronaut", 0, ["rocket", "space", "woman"]),
    ("1F63A", "😺", "grinning cat", 2, ["cat", "smile"]),
    ("1F431", "🐱", "cat face", 2, ["pet"]),
    ("1F1EB-1F1F7", "🇫🇷", "flag: France", 1, ["FR", "flag"]),
    ("1F3AE", "🎮", "video game", 2, ["controller"]),
    ("0023-FE0F-20E3", "#️⃣", "keycap: #", 2, ["keycap"]),
]
FILES = {
    "0023-fe0f-20e3": "blue",
    "1f63a": "orange",
    "1f431": "orange",
    "1f1eb-1f1f7": "red",
    "1f3ae": "teal",
}
FILES |= {"1f9d1-200d-1f680": "gold", "1f469-200d-1f680": "yellow"}
TONES = {"1f3fb": (250, 220, 200), "1f3fc": (150, 110, 90), "1f3fd": (220, 170, 130)}
TONES |= {"1f3fe": (110, 80, 60), "1f3ff": (60, 40, 30)}


def picture(path, colour, height=256):
    """A disc on a transparent ground."""
    image = Image.new("RGBA", (256, height))
    ImageDraw.Draw(image).ellipse((20, 20, 236, 236), fill=colour)
    image.save(path, "WEBP", lossless=True)


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")


@pytest.fixture
def packages(tmp_path):
    """The four packages with a handful of emoji."""
    folder = tmp_path / "packages"
    base, cldr = (package_folder(folder, name) for name in ("emojibase-data", "cldr-annotations-full"))
    rows = [
        {"hexcode": code, "emoji": char, "label": label, "group": group, "subgroup": group, "tags": tags}
        for code, char, label, group, tags in EMOJI
    ]
    rows.append({"hexcode": "1F1E6", "emoji": "🇦", "label": "regional indicator A"})
    rows[0]["skins"] = [
        {"hexcode": f"1F9D1-{tone.upper()}-200D-1F680", "tone": number}
        for number, tone in enumerate(TONES, start=1)
    ]
    rows[0]["skins"].append({"hexcode": "1F9D1-1F3FB-1F9D1-1F3FC", "tone": [1, 2]})
    write(base / "en" / "data.json", rows)
    phrases = [{"key": key, "message": f"{key} & more"} for key in (*GROUPS.values(), *SUBGROUPS.values())]
    write(base / "en" / "messages.json", {"groups": phrases, "subgroups": []})
    write(base / "meta" / "groups.json", {"groups": GROUPS, "subgroups": SUBGROUPS})
    write(base / "LICENSE", "MIT License, Permission is hereby granted")
    annotations = {"😺": {"default": ["animal", "mouth", "smile"]}, "🐱": {"default": ["pet", "whiskers"]}}
    write(cldr / "annotations/en/annotations.json", {"annotations": {"annotations": annotations}})
    write(cldr / "LICENSE", "UNICODE LICENSE V3")
    keywords = {"🧑‍🚀": ["astronaut", "moon", "stars", ":D"], "👩‍🚀": ["female", "moon", "planets"]}
    write(package_folder(folder, "emojilib") / "dist" / "emoji-en-US.json", keywords)
    assets = package_folder(folder, "@lobehub/fluent-emoji-3d") / "assets"
    assets.mkdir(parents=True)
    for name, colour in FILES.items():
        picture(assets / f"{name}.webp", colour, height=264 if name == "1f63a" else 256)
    for tone, colour in TONES.items():
        picture(assets / f"1f9d1-{tone}-200d-1f680.webp", colour)
    return folder


def read_rows(folder):
    lines = (folder / "emoji.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["id"]: row for row in map(json.loads, lines[1:])}


def test_same_packages_give_the_same_bytes(packages, tmp_path):
    for name in ("one", "two"):
        prepare_emoji(packages, tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["ATTRIBUTION.md", "emoji.jsonl", "pictures.zip"]
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_what_is_built_loads(packages, tmp_path):
    header = prepare_emoji(packages, tmp_path / "out")
    dataset = load_emoji(folder=tmp_path / "out", val_fraction=0, test_fraction=0)
    assert header["items"] == len(dataset.items) == 4
    assert header["edits"] == len(dataset.composed_queries) == 5 + 2
    cat = dataset.read_image("1f63a-grinning-cat.webp")
    assert (cat.mode, cat.size) == ("RGB", (96, 96))
    assert cat.getpixel((0, 0)) == (255, 255, 255)
    disc = Image.eval(cat.convert("L"), lambda value: 255 * (value < 240)).getbbox()
    assert disc[2] - disc[0] == disc[3] - disc[1]  # the rows too many are cut off, not squeezed in


def test_left_out_are_unlicensed_and_twin_pictures(packages, tmp_path):
    prepare_emoji(packages, tmp_path)
    ids = set(read_rows(tmp_path))
    assert ids == {
        "1f9d1-1f680-astronaut",
        "1f469-1f680-woman-astronaut",
        "1f63a-grinning-cat",  # and not the cat face, which looks the same
        "23-20e3-keycap-hash",
    }


def test_tones_are_named_by_what_the_pictures_show(packages, tmp_path):
    prepare_emoji(packages, tmp_path)
    dataset = load_emoji(folder=tmp_path)
    tones = [query for query in dataset.composed_queries if "skin" in query.text]
    shown = [dataset.read_image(query.target).getpixel((48, 48))[2] for query in tones]
    assert [query.text.split()[-3] for query in tones] == [
        "light", "medium-light", "medium", "medium-dark", "dark",
    ]  # fmt: skip
    assert shown == sorted(shown, reverse=True)


def test_a_missing_package_is_named(packages, tmp_path):
    with pytest.raises(MissingFilesError, match="4 problems") as raised:
        prepare_emoji(tmp_path / "nowhere", tmp_path / "out")
    assert all(f"{name} {version}" in str(raised.value) for name, version in PACKAGES.items())
    (package_folder(packages, "emojibase-data") / "en" / "messages.json").unlink()
    with pytest.raises(MissingFilesError, match=r"messages\.json does not exist"):
        prepare_emoji(packages, tmp_path / "out")


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("man: red hair", "man with red hair"),
        ("woman: beard", "woman with a beard"),
        ("person: bald", "bald person"),
        ("keycap: 7", "keycap 7"),
        ("Japanese “no vacancy” button", "japanese no vacancy button"),
        ("two o’clock", "two o'clock"),
    ],
)
def test_readable_name(label, name):
    assert readable_name(label) == name


@pytest.mark.parametrize(
    ("keyword", "clean"),
    [
        ("Throw_Up", "throw up"),
        ("green\xa0face", "green face"),
        ("piñata", "piñata"),
        ("12:30", "12:30"),
        ("1st", "1st"),
        (":D", ""),
        ("143", ""),
        ("u6e80", ""),
        ("clock930", ""),
        ("“no", ""),
        ("得", ""),
        ("x", ""),
        ("the", ""),
    ],
)
def test_clean_keyword(keyword, clean):
    assert clean_keyword(keyword) == clean


def test_texts_repeat_neither_themselves_nor_another_emoji():
    sources = {
        "dog": Source("dog", "animals", ("pet", "dog", "puppy", "pups", "puppies"), ("PET", "bark", "woof")),
        "cat": Source("cat", "animals", ("pet", "purr"), ("meow",)),
        "fox": Source("fox", "animals", ("bark", "woof"), ()),
        "ox": Source("ox", "animals", (), ()),
        "man": Source("man astronaut", "jobs", ("space", "man"), ("male", "moon")),
        "woman": Source("woman astronaut", "jobs", ("space", "woman"), ("female", "moon")),
    }
    texts = write_texts(sources)
    assert texts["dog"][:2] == ("dog", "pet, puppy, pups")
    assert texts["fox"][1] == "fox, bark, woof"  # the dog has the same two keywords
    assert texts["ox"] == ("ox", "ox, animals")
    assert texts["man"][1:] == ("man astronaut, space", "man astronaut, moon")
    lines = [line for lines in texts.values() for line in lines]
    assert len(set(lines)) == len(lines)


@pytest.mark.parametrize(
    ("reference", "target", "text"),
    [
        ("1f9d1-200d-1f680", "1f469-200d-1f680", "the same, but a woman"),
        ("1f469-200d-1f680", "1f9d1-200d-1f680", "the same, but of no particular gender"),
        ("1f93c", "1f93c-200d-2642", "the same, but men"),
        ("1f468", "1f468-200d-1f9b2", "the same, but bald"),
        ("1f469-200d-1f9b0", "1f468-200d-1f9b0", "the same, but a man"),
        ("1f9d4-200d-2640", "1f9d4", "the same, but of no particular gender"),
        ("1f9d2", "1f467", "the same, but a girl"),
        ("1f468-200d-1f9b2", "1f468", ""),
        ("1f468", "1f469-200d-1f9b0", ""),
        ("1f680", "1f680", ""),
        ("2640", "2642", ""),
        ("1f6b9", "1f6ba", ""),
        ("1f680", "1f6f8", ""),
    ],
)
def test_edit_text(reference, target, text):
    assert edit_text(look_of(reference), look_of(target)) == text


def test_looks_of_one_idea_are_one_concept():
    for codes in (
        ["1f9d1-200d-1f680", "1f468-200d-1f680", "1f469-200d-1f680"],
        ["1fac5", "1f934", "1f478"],
        ["1f6b9", "1f6ba"],
        ["1f931", "1f469-200d-1f37c"],
        ["1f9dc", "1f9dc-200d-2640", "1f9dc-200d-2642"],
    ):
        assert len({concept_of(code, "") for code in codes}) == 1
    assert concept_of("1f476", "person") == concept_of("1f469-200d-1f9b0", "person")
    assert concept_of("1f680", "") != concept_of("1f6f8", "")


def run_script(*arguments, **environment):
    command = [sys.executable, str(SCRIPT), "emoji", *map(str, arguments)]
    # the script's own folder leads sys.path, not the repository
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_script_builds_from_archives(packages, tmp_path):
    archives = tmp_path / "archives"
    archives.mkdir()
    for name in PACKAGES:
        with tarfile.open(archives / f"{package_stem(name)}.tgz", "w:gz") as archive:
            archive.add(package_folder(packages, name), "package")
    result = run_script("--packages", archives, "--output", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert "4 items" in result.stdout
    assert str(tmp_path / "out") in result.stdout
    prepare_emoji(packages, tmp_path / "direct")
    archive = (tmp_path / "direct" / "pictures.zip").read_bytes()
    assert (tmp_path / "out" / "pictures.zip").read_bytes() == archive


def test_script_says_what_is_missing(tmp_path):
    no_archives = run_script("--packages", tmp_path, "--output", tmp_path / "out")
    no_npm = run_script("--output", tmp_path / "out", PATH=str(tmp_path))
    for result, reason in ((no_archives, "emojilib-4.0.3.tgz"), (no_npm, "npm is not installed")):
        assert result.returncode == 1
        assert reason in result.stderr
        assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()
