import json
from pathlib import Path

import pytest
from PIL import Image

from xmr.core.errors import DataError, MissingFilesError
from xmr.data.coco_captions import load_coco_captions

FILES = [
    ("val2014", "COCO_val2014_000000391895.jpg", "test"),
    ("val2014", "COCO_val2014_000000060623.jpg", "val"),
    ("val2014", "COCO_val2014_000000184613.jpg", "restval"),
    ("train2014", "COCO_train2014_000000057870.jpg", "train"),
]


def record(folder: str, filename: str, split: str) -> dict[str, object]:
    sentences = [{"tokens": ["a", "man"], "raw": f"A man {n}. ", "imgid": 0, "sentid": n} for n in range(5)]
    return {"filepath": folder, "filename": filename, "split": split, "sentences": sentences, "cocoid": 1}


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    for folder, filename, _ in FILES:
        (tmp_path / folder).mkdir(exist_ok=True)
        Image.new("L", (6, 3)).save(tmp_path / folder / filename)
    (tmp_path / "dataset_coco.json").write_text(json.dumps({"images": [record(*file) for file in FILES]}))
    return tmp_path


def test_restval_joins_train_or_stays_out(coco: Path) -> None:
    joined = load_coco_captions(root=coco)
    assert [item.split for item in joined.items] == ["test", "val", "train", "train"]
    assert joined.items[0].item_id == "COCO_val2014_000000391895"
    assert joined.items[0].texts == tuple(f"A man {n}." for n in range(5))
    assert joined.read_image(joined.items[3].image).size == (6, 3)
    assert [item.split for item in load_coco_captions(root=coco, restval=False).items] == [
        "test",
        "val",
        "train",
    ]


def test_missing_files_say_what_to_get(coco: Path) -> None:
    (coco / "val2014" / "COCO_val2014_000000060623.jpg").unlink()
    with pytest.raises(MissingFilesError, match="lacks 1 of 4 images"):
        load_coco_captions(root=coco)
    (coco / "dataset_coco.json").unlink()
    with pytest.raises(
        MissingFilesError, match=r"no dataset_coco.json(?s:.*)caption_datasets.zip(?s:.*)val2014.zip"
    ):
        load_coco_captions(root=coco)


def test_records_that_cannot_be_used_are_all_listed(coco: Path) -> None:
    records = [record(*file) for file in FILES]
    records[0]["split"] = "dev"
    records[1]["sentences"] = []
    del records[2]["filename"]
    (coco / "dataset_coco.json").write_text(json.dumps({"images": records}))
    with pytest.raises(DataError) as caught:
        load_coco_captions(root=coco)
    for problem in ["images[0]", "split 'dev'", "images[1]", "no caption", "images[2]: KeyError: 'filename'"]:
        assert problem in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"images"', "\xff"])
def test_other_files_are_refused(coco: Path, content: str) -> None:
    (coco / "dataset_coco.json").write_text(content, encoding="latin-1")
    with pytest.raises(DataError, match="is not Karpathy's JSON"):
        load_coco_captions(root=coco)
