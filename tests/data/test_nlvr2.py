"""NLVR2's pairs, made up: two photographs are one picture, a pair has up to two true sentences."""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xmr.core.errors import ConfigError, DataError, MissingFilesError
from xmr.data.joined_images import PairImages
from xmr.data.nlvr2 import load_nlvr2

SENTENCES = ("Both show dogs.", "One dog sits.")


def repository(root: Path, sets: int, folder: str = "dev") -> Path:
    """Sets of four pairs with two sentences, each true of two pairs: of 0 and 1, and of 1 and 2."""
    lines = [
        {
            "identifier": f"dev-{s}-{pair}-{n}",
            "sentence": f"{SENTENCES[n]} {s}",
            "label": str(pair in (n, n + 1)),
        }
        for s in range(sets)
        for pair in range(4)
        for n in range(2)
    ]
    (root / "images" / folder).mkdir(parents=True)
    (root / "dev.json").write_text("\n".join(json.dumps(line) for line in lines))
    for s in range(sets):
        for pair in range(3):
            for side, colour in enumerate(("red", "blue")):
                Image.new("RGB", (8, 6), colour).save(
                    root / "images" / folder / f"dev-{s}-{pair}-img{side}.png"
                )
    return root


def test_items_are_pairs_with_their_true_sentences(tmp_path: Path) -> None:
    dataset = load_nlvr2(root=repository(tmp_path, 1, "dev/7"), val_fraction=0, test_fraction=0)
    assert [(item.item_id, item.texts) for item in dataset.items] == [
        ("dev-0-0", ("Both show dogs. 0",)),
        ("dev-0-1", ("Both show dogs. 0", "One dog sits. 0")),
        ("dev-0-2", ("One dog sits. 0",)),
    ]
    assert dataset.items[0].image == "images/dev/7/dev-0-0-img0.png|images/dev/7/dev-0-0-img1.png"
    assert [(q.query_id, q.reference_id, q.text, q.target_id) for q in dataset.composed_queries] == [
        ("dev-0-0-0+next", "dev-0-0", "Both show dogs. 0", "dev-0-1"),
        ("dev-0-1-0+next", "dev-0-1", "Both show dogs. 0", "dev-0-0"),
        ("dev-0-1-1+next", "dev-0-1", "One dog sits. 0", "dev-0-2"),
        ("dev-0-2-1+next", "dev-0-2", "One dog sits. 0", "dev-0-1"),
    ]
    assert dataset.relevance == "item"
    assert dataset.read_image(dataset.items[0].image).size == (448, 448)


def test_no_set_is_in_two_splits(tmp_path: Path) -> None:
    dataset = load_nlvr2(root=repository(tmp_path, 12), val_fraction=0.3, test_fraction=0.3)
    splits = defaultdict(set)
    for item in dataset.items:
        splits[item.item_id.split("-")[1]].add(item.split)
    assert {len(found) for found in splits.values()} == {1}
    assert set.union(*splits.values()) == {"train", "val", "test"}


def test_missing_photographs_are_an_error_or_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = repository(tmp_path, 2)
    (root / "images/dev/dev-1-1-img0.png").unlink()
    with pytest.raises(MissingFilesError, match=r"lacks 1 of 12 images(?s:.*)skip_missing=true"):
        load_nlvr2(root=root)
    dataset = load_nlvr2(root=root, skip_missing=True)
    assert len(dataset.items) == 5
    assert "left out 2 of 8 sentences, whose photographs are missing" in caplog.text
    assert {q.reference_id.split("-")[1] for q in dataset.composed_queries} == {"0"}
    for path in (root / "images/dev").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="both photographs of none of 8 rows"):
        load_nlvr2(root=root, skip_missing=True)


def test_what_is_missing_or_unknown_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFilesError, match=r"none does not exist\nGet dev\.json"):
        load_nlvr2(root=tmp_path / "none")
    with pytest.raises(ConfigError, match="parts='tests' is unknown; did you mean 'test"):
        load_nlvr2(root=tmp_path, parts=["tests"])
    with pytest.raises(ConfigError, match="name at least one of"):
        load_nlvr2(root=tmp_path, parts=[])


@pytest.mark.parametrize("size", [(800, 600), (100, 300), (900, 3), (1, 1)])
def test_both_photographs_are_whole_and_undistorted(tmp_path: Path, size: tuple[int, int]) -> None:
    for side, colour in enumerate(("red", "blue")):
        Image.new("RGB", size, colour).save(tmp_path / f"{side}.png")
    picture = np.asarray(PairImages(tmp_path)("0.png|1.png")).astype(int)
    for half, channel in enumerate((0, 2)):
        shown = (picture[:, :, channel] > 200) & (picture[:, :, 1] < 50)
        rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
        assert shown[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert half * 224 <= rows[0] <= rows[-1] < half * 224 + 224
        scale = min(448 / size[0], 224 / size[1])
        assert abs(len(columns) - size[0] * scale) <= 1
        assert abs(len(rows) - size[1] * scale) <= 1


def test_a_pair_changes_with_either_photograph(tmp_path: Path) -> None:
    for name in ("0.png", "1.png"):
        Image.new("RGB", (5, 5)).save(tmp_path / name)
    read = PairImages(tmp_path)
    before = read.fingerprint(["0.png|1.png"])
    Image.new("RGB", (9, 9)).save(tmp_path / "1.png")
    assert read.fingerprint(["0.png|1.png"]) != before
    with pytest.raises(DataError, match=r"2\.png does not exist"):
        read("0.png|2.png")
