"""CIRR's files, made up: their fields become queries, candidates and a gallery."""

import json
from pathlib import Path

import pytest
from PIL import Image

from xmr.core.errors import DataError, MissingFilesError
from xmr.data.cirr import load_cirr, read_cirr_test
from xmr.data.composed import composed_split


def record(split: str = "dev", pair: int = 12, **changes: object) -> dict[str, object]:
    members = [f"{split}-0-{n}-img0" for n in range(6)]
    return {
        "pairid": pair,
        "reference": members[2],
        "target_hard": members[4],
        "target_soft": {members[4]: 1.0},
        "caption": "remove all but one dog ",
        "img_set": {"id": 1, "members": members, "reference_rank": 3, "target_rank": 4},
        **changes,
    }


FOLDERS = {"train": "train/34", "val": "dev"}


def write(
    root: Path, records: dict[str, list[object]], images: int = 8, folders: dict[str, str] = FOLDERS
) -> Path:
    for split, folder in folders.items():
        prefix = folder[:5].rstrip("/")
        names = {f"{prefix}-0-{n}-img0": f"./{folder}/{prefix}-0-{n}-img0.png" for n in range(images)}
        for file, content in (
            (f"captions/cap.rc2.{split}.json", records[split]),
            (f"image_splits/split.rc2.{split}.json", names),
        ):
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_text(json.dumps(content))
        (root / "img_raw" / folder).mkdir(parents=True, exist_ok=True)
        for name in names.values():
            Image.new("RGB", (4, 4)).save(root / "img_raw" / name)
    return root


def test_queries_candidates_and_gallery(tmp_path: Path) -> None:
    dataset = load_cirr(
        root=write(tmp_path, {"train": [record("train")], "val": [record(pair=13), record(pair=14)]})
    )
    query = dataset.composed_queries[1]
    assert (query.query_id, query.split, query.text) == ("13", "val", "remove all but one dog")
    assert (query.reference_id, query.reference) == ("dev-0-2-img0", "img_raw/dev/dev-0-2-img0.png")
    assert (query.target_id, query.target) == ("dev-0-4-img0", "img_raw/dev/dev-0-4-img0.png")
    assert query.candidates == tuple(f"dev-0-{n}-img0" for n in (0, 1, 3, 4, 5))
    assert dataset.composed_queries[0].reference == "img_raw/train/34/train-0-2-img0.png"
    split = composed_split(dataset, "val")
    assert len(split.gallery_ids) == 8  # with the images that no query names
    assert len(split.query_ids) == len(split.candidates) == 2
    assert dataset.read_image(query.target).size == (4, 4)
    with pytest.raises(DataError, match=r"split 'test' has no composed query \(train 1, val 2, test 0\)"):
        composed_split(dataset, "test")


def test_all_bad_records_are_listed(tmp_path: Path) -> None:
    bad = [
        record(caption=" "),
        record(reference="dev-9-9-img9"),
        {name: cell for name, cell in record().items() if name != "target_hard"},
        "text",
        record(reference=["a"]),
    ]
    with pytest.raises(DataError) as error:
        load_cirr(root=write(tmp_path, {"train": [record("train")], "val": bad * 6}))
    message = str(error.value)
    assert "cap.rc2.val.json: 30 problems" in message
    assert "[0]: caption is ' ', not a text" in message
    assert "[1]: no photograph of the val split is named 'dev-9-9-img9'" in message
    assert "[2]: no target_hard" in message
    assert "[3]: " in message
    assert "[4]: " in message
    assert "... and 10 more" in message


def test_a_target_outside_its_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="target 'dev-0-7-img0' is not among its 5 candidates"):
        load_cirr(
            root=write(tmp_path, {"train": [record("train")], "val": [record(target_hard="dev-0-7-img0")]})
        )


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFilesError, match=r"none does not exist\nGet the annotations: git clone"):
        load_cirr(root=tmp_path / "none")
    root = write(tmp_path, {"train": [record("train")], "val": [record()]})
    (root / "img_raw/dev/dev-0-7-img0.png").unlink()
    with pytest.raises(MissingFilesError, match=r"lacks 1 of 16 images\n  - img_raw/dev/dev-0-7-img0\.png"):
        load_cirr(root=root)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("captions/cap.rc2.val.json", "{", "is not JSON"),
        ("captions/cap.rc2.val.json", "{}", "holds a dict, not a list"),
        ("image_splits/split.rc2.val.json", "[]", "holds a list, not a dict"),
        ("image_splits/split.rc2.val.json", '{"a": 1}', "'a': 1 is not a path"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, file: str, content: str, message: str) -> None:
    root = write(tmp_path, {"train": [record("train")], "val": [record()]})
    (root / file).write_text(content)
    with pytest.raises(DataError, match=message) as error:
        load_cirr(root=root)
    assert file in str(error.value)


def test_the_test_split_has_queries_without_targets(tmp_path: Path) -> None:
    asked = record("test1", pair=7)
    del asked["target_hard"], asked["target_soft"]
    queries, paths = read_cirr_test(root=write(tmp_path, {"test1": [asked]}, folders={"test1": "test1"}))
    assert [(query.pair_id, query.reference) for query in queries] == [("7", "test1-0-2-img0")]
    assert queries[0].members == tuple(f"test1-0-{n}-img0" for n in (0, 1, 3, 4, 5))
    assert list(paths)[3] == "test1-0-3-img0"
    assert paths["test1-0-3-img0"] == tmp_path / "img_raw/test1/test1-0-3-img0.png"


def test_bad_records_and_missing_files_of_the_test_split_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFilesError, match=r"cap\.rc2\.test1\.json"):
        read_cirr_test(root=tmp_path)
    write(tmp_path, {"test1": [record("test1", reference="gone")]}, folders={"test1": "test1"})
    with pytest.raises(DataError, match="no photograph of the test1 split is named 'gone'"):
        read_cirr_test(root=tmp_path)
