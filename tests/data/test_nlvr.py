"""NLVR as it lies in its repository, and as a table: made-up drawings, with planted leaks."""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xmr.core.errors import ConfigError, DataError, MissingFilesError
from xmr.data.composed import composed_split
from xmr.data.dataset import RetrievalDataset
from xmr.data.nlvr import load_nlvr

BOXES = ["red", "green", "blue"]


def draw(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    strip = Image.new("RGB", (400, 100), (128, 128, 128))
    for box, colour in enumerate(BOXES):
        strip.paste(colour, (150 * box, 0, 150 * box + 100, 100))
    strip.save(path)


def repository(root: Path, examples: list[tuple[str, str, bool]], part: str = "dev") -> Path:
    """(identifier, sentence, label) as in the repository; its lines don't tell the folders of the images."""
    lines = [{"identifier": i, "sentence": s, "label": str(label).lower()} for i, s, label in examples]
    (root / part).mkdir(parents=True)
    (root / part / f"{part}.json").write_text("\n".join(json.dumps(line) for line in lines))
    for number, (identifier, _, label) in enumerate(examples):
        for permutation in range(6 if label else 0):
            draw(root / part / "images" / str(number % 2) / f"{part}-{identifier}-{permutation}.png")
    return root


def many(count: int) -> list[tuple[str, str, bool]]:
    """Presentations of four drawings with one sentence: true, true, false, false; sentences come again."""
    return [
        (f"{n}-{m}", f"There is sentence {n if n % 5 else n + 1}{'.' * (n % 2)}", m < 2)
        for n in range(count)
        for m in range(4)
    ]


def splits_of(dataset: RetrievalDataset, key) -> dict[str, set[str]]:
    found = defaultdict(set)
    for item in dataset.items:
        found[key(item)].add(item.split)
    return found


def test_items_are_drawings_labelled_by_their_sentence(tmp_path: Path) -> None:
    examples = [
        ("1-0", "A tower.", True),
        ("1-1", "a  tower", True),
        ("1-2", "A tower.", False),
        ("2-0", "B", True),
    ]
    dataset = load_nlvr(root=repository(tmp_path, examples), val_fraction=0, test_fraction=0)
    assert [(i.item_id, i.image, i.texts, i.label) for i in dataset.items] == [
        ("dev-1-0-0", "dev/images/0/dev-1-0-0.png", ("A tower.",), "A tower."),
        ("dev-1-1-0", "dev/images/1/dev-1-1-0.png", ("a  tower",), "A tower."),
        ("dev-2-0-0", "dev/images/1/dev-2-0-0.png", ("B",), "B"),
    ]
    assert dataset.relevance == "label"
    queries = [(q.reference_id, q.text, q.target_id) for q in dataset.composed_queries]
    assert queries == [
        ("dev-1-0-0", "A tower.", "dev-1-1-0"),
        ("dev-1-1-0", "a  tower", "dev-1-0-0"),
    ]
    split = composed_split(dataset, "train")
    assert split.gallery_ids.tolist() == [
        "dev-1-0-0",
        "dev-1-1-0",
        "dev-2-0-0",
    ]  # B is there to be told apart
    assert split.query_item_ids.tolist() == ["A tower.", "A tower."]


@pytest.mark.parametrize("seed", range(3))
def test_no_sentence_and_no_example_is_in_two_splits(tmp_path: Path, seed: int) -> None:
    """Planted: sentence 6 is that of presentations 5 and 6, spelt in two ways."""
    dataset = load_nlvr(
        root=repository(tmp_path, many(40)), val_fraction=0.3, test_fraction=0.3, seed=seed, permutations=2
    )
    assert {item.split for item in dataset.items} == {"train", "val", "test"}
    by_presentation = splits_of(dataset, lambda item: item.item_id.split("-")[1])
    by_sentence = splits_of(dataset, lambda item: item.texts[0].rstrip("."))
    assert len(by_presentation) == 40
    assert len(by_sentence) == 32
    assert all(len(found) == 1 for found in [*by_presentation.values(), *by_sentence.values()])
    assert by_presentation["5"] == by_presentation["6"]


def test_permutations_are_drawings_of_their_own(tmp_path: Path) -> None:
    root = repository(tmp_path, many(4))
    dataset = load_nlvr(root=root, permutations=6, val_fraction=0, test_fraction=0)
    assert len(dataset.items) == 4 * 2 * 6
    # a reference's boxes in another order would count as found
    assert dataset.composed_queries == ()
    single = load_nlvr(root=root, val_fraction=0, test_fraction=0)
    assert len(single.items) == len(single.composed_queries) == 8
    for query in single.composed_queries:
        assert query.reference_id.split("-")[:3] != query.target_id.split("-")[:3]


def test_parts_are_pooled(tmp_path: Path) -> None:
    repository(tmp_path, [("1-0", "same", True), ("2-0", "dev alone", True)])
    repository(tmp_path, [("1-0", "same", True), ("3-0", "test alone", True)], part="test")
    dataset = load_nlvr(root=tmp_path, parts=["dev", "test"], val_fraction=0.3, test_fraction=0.3)
    assert len(dataset.items) == 4
    assert [len(found) for found in splits_of(dataset, lambda item: item.label).values()] == [1, 1, 1]


def test_boxes_in_a_square_or_as_they_are(tmp_path: Path) -> None:
    root = repository(tmp_path, [("1-0", "s", True)])
    grid = load_nlvr(root=root)
    strip = load_nlvr(root=root, layout="strip")
    key = grid.items[0].image
    assert strip.read_image(key).size == (400, 100)
    picture = grid.read_image(key)
    assert picture.size == (260, 260)
    corners = [(20, 20), (140, 20), (20, 140)]
    for (left, top), colour in zip(corners, BOXES, strict=True):
        box = np.asarray(picture.crop((left, top, left + 100, top + 100)))
        assert (box == np.asarray(Image.new("RGB", (1, 1), colour))).all()
    assert (np.asarray(picture) == 128).all(axis=-1).sum() == 260 * 260 - 3 * 100 * 100
    assert grid.read_image.fingerprint([key]) != strip.read_image.fingerprint([key])


def test_a_table_keeps_its_true_rows(tmp_path: Path) -> None:
    rows = [("i/a.png", "one", True, "1"), ("i/b.png", "one", False, "1"), ("i/c.png", "two", True, "2")]
    names = ("image", "sentence", "label", "group")
    lines = [json.dumps(dict(zip(names, row, strict=True))) for row in rows]
    (tmp_path / "records.jsonl").write_text("\n".join(lines))
    draw(tmp_path / "i/a.png")
    with pytest.raises(MissingFilesError, match=r"lacks 1 of 2 images\n  - i/c\.png"):
        load_nlvr(root=tmp_path, annotations="table")
    draw(tmp_path / "i/c.png")
    dataset = load_nlvr(root=tmp_path, annotations="table")
    assert [item.item_id for item in dataset.items] == ["a", "c"]
    Image.new("RGB", (50, 50)).save(tmp_path / "i/c.png")
    with pytest.raises(DataError, match=r"'i/c\.png' is 50 x 50 pixels.*layout=strip"):
        dataset.read_image("i/c.png")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFilesError, match=r"none does not exist\nGet the repository lil-lab/nlvr"):
        load_nlvr(root=tmp_path / "none")
    with pytest.raises(MissingFilesError, match=r"has no records\.jsonl"):
        load_nlvr(root=tmp_path, annotations="table")
    repository(tmp_path, [("1-0", "s", True)])
    (tmp_path / "dev/images/0/dev-1-0-1.png").unlink()
    with pytest.raises(MissingFilesError, match=r"lacks 1 of 2 images\n  - dev/images/dev-1-0-1\.png"):
        load_nlvr(root=tmp_path, permutations=2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"annotations": "tabel"}, "annotations='tabel' is unknown; did you mean 'table'"),
        ({"parts": ["deev"]}, "parts='deev' is unknown; did you mean 'dev'"),
        ({"parts": []}, "name at least one of train, dev"),
        ({"parts": ["dev", "dev"]}, "each once"),
        ({"layout": "square"}, "layout='square' is unknown"),
        ({"permutations": 0}, "use 1 to 6"),
        ({"permutations": 7}, "use 1 to 6"),
    ],
)
def test_settings_are_checked(tmp_path: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_nlvr(root=tmp_path, **settings)


def test_true_pairs(shared_data: Path) -> None:
    dataset = load_nlvr(root=shared_data / "nlvr-true", annotations="table")
    assert len(dataset.items) == 1649
    assert len({item.texts[0] for item in dataset.items}) == 665
    assert len({item.label for item in dataset.items}) == 655  # ten are another spelling
    assert all(len(found) == 1 for found in splits_of(dataset, lambda item: item.label).values())
    assert len(dataset.composed_queries) == 1579
