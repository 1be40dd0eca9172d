"""Fashion IQ's files, made up: categories, sentences, and images that several lists name."""

import json
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from xmr.core.errors import ConfigError, DataError, MissingFilesError
from xmr.data.composed import composed_split
from xmr.data.fashion_iq import load_fashion_iq

CATEGORIES = ("dress", "shirt", "toptee")


def pair(candidate: str, target: str, *captions: object) -> dict[str, object]:
    return {
        "candidate": candidate,
        "target": target,
        "captions": list(captions or ("is red", "has sleeves ")),
    }


def write(root: Path, **changes: list[object]) -> Path:
    """Four images and two queries for each category and split; `changes` are other contents of files."""
    (root / "images").mkdir()
    for category in CATEGORIES:
        for split in ("train", "val"):
            names = [f"{category}{split}{n}" for n in range(4)]
            contents = {
                "captions/cap": [pair(names[0], names[1]), pair(names[2], names[0], "is blue", "longer")],
                "image_splits/split": names,
            }
            for kind, content in contents.items():
                content = changes.get(f"{kind.split('/')[1]}_{category}_{split}", content)
                path = root / f"{kind}.{category}.{split}.json"
                path.parent.mkdir(exist_ok=True)
                path.write_text(json.dumps(content))
            for name in names:
                Image.new("RGB", (4, 4)).save(root / "images" / f"{name}.jpg")
    return root


def test_queries_and_gallery(tmp_path: Path) -> None:
    dataset = load_fashion_iq(root=write(tmp_path))
    assert Counter((item.split, item.label) for item in dataset.items) == {
        (split, category): 4 for split in ("train", "val") for category in CATEGORIES
    }
    split = composed_split(dataset, "val")
    assert split.groups.tolist() == ["dress"] * 2 + ["shirt"] * 2 + ["toptee"] * 2
    assert split.texts[:2] == ("is red and has sleeves", "is blue and longer")
    assert split.reference_ids[:2].tolist() == ["dressval0", "dressval2"]
    assert split.target_ids[:2].tolist() == ["dressval1", "dressval0"]
    assert len(split.gallery_ids) == 12
    assert dataset.read_image(split.gallery_keys[0]).size == (4, 4)


def test_one_category_has_its_own_gallery(tmp_path: Path) -> None:
    split = composed_split(load_fashion_iq(root=write(tmp_path), categories=["shirt"]), "val")
    assert split.gallery_ids.tolist() == [f"shirtval{n}" for n in range(4)]
    assert set(split.groups) == {"shirt"}


def test_an_image_of_both_splits_counts_as_val(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = ["dressval1", *(f"shirttrain{n}" for n in range(4))]
    queries = [pair("shirttrain0", "dressval1"), pair("shirttrain0", "shirttrain2")]
    dataset = load_fashion_iq(root=write(tmp_path, split_shirt_train=names, cap_shirt_train=queries))
    assert {item.item_id: item.split for item in dataset.items}["dressval1"] == "val"
    assert [q.target_id for q in dataset.composed_queries if q.query_id.startswith("shirt-train")] == [
        "shirttrain2"
    ]
    assert "left out 1 of 2 train queries of shirt" in caplog.text


def test_an_image_of_two_categories_is_one_item(tmp_path: Path) -> None:
    names = ["dressval1", *(f"shirtval{n}" for n in range(4))]
    queries = [pair("shirtval0", "dressval1")]
    dataset = load_fashion_iq(root=write(tmp_path, split_shirt_val=names, cap_shirt_val=queries))
    split = composed_split(dataset, "val")
    assert len(split.gallery_ids) == 12
    assert split.target_ids[split.groups == "shirt"].tolist() == ["dressval1"]


def test_missing_images_are_an_error_or_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = write(tmp_path)
    (root / "images/dressval1.jpg").unlink()
    with pytest.raises(MissingFilesError, match=r"lacks 1 of 24 images\n  - images/dressval1\.jpg"):
        load_fashion_iq(root=root)
    dataset = load_fashion_iq(root=root, skip_missing=True)
    assert len(dataset.items) == 23
    assert len(dataset.composed_queries) == 11
    assert "left out 1 of 2 val queries of dress" in caplog.text


def test_a_target_that_is_its_reference_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    queries = [pair("dressval1", "dressval1"), pair("dressval0", "dressval1", "", "is red")]
    dataset = load_fashion_iq(root=write(tmp_path, cap_dress_val=queries))
    texts = [q.text for q in dataset.composed_queries if q.query_id.startswith("dress-val")]
    assert texts == ["is red"]  # one of its sentences is empty
    assert "left out 1 of 2 val queries of dress" in caplog.text


def test_all_bad_records_are_listed(tmp_path: Path) -> None:
    bad = [
        pair("dressval0", "dressval1", "one"),
        pair("dressval0", "dressval1", " ", ""),
        pair("dressval0", "dressval1", "one", 2),
        {"candidate": "dressval0", "captions": ["as in", "test"]},
        pair("", "dressval1"),
    ]
    with pytest.raises(DataError) as error:
        load_fashion_iq(root=write(tmp_path, cap_dress_val=bad * 5))
    message = str(error.value)
    assert "cap.dress.val.json: 25 problems" in message
    assert "[0]: captions is ['one'], not a list of two sentences" in message
    assert "[1]: captions is '', not a text" in message
    assert "[2]: captions is ['one', 2]" in message
    assert "[3]: no target" in message
    assert "[4]: candidate is '', not a text" in message
    assert "... and 5 more" in message


def test_what_is_missing_or_unknown_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFilesError, match=r"none does not exist\nGet captions/ and image_splits/"):
        load_fashion_iq(root=tmp_path / "none")
    with pytest.raises(ConfigError, match="categories='dresses' is unknown; did you mean 'dress'"):
        load_fashion_iq(root=tmp_path, categories=["dresses"])
    with pytest.raises(ConfigError, match="at least one"):
        load_fashion_iq(root=tmp_path, categories=[])
