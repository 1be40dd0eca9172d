from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from xmr.core.errors import ConfigError, DataError, MissingFilesError
from xmr.data.image_folder import load_image_folder


def fill(root: Path, counts: dict[str, int]) -> Path:
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (4, 4), (number, 0, 0)).save(root / folder / f"{number:03}.PNG", "PNG")
    return root


def test_split_folders_with_val_carved_out_of_each_class(tmp_path: Path) -> None:
    root = fill(tmp_path, {"train/sea_shore": 20, "train/forest": 40, "test/sea_shore": 3, "test/forest": 2})
    dataset = load_image_folder(root=root, template="a view of the {label}", val_fraction=0.1)
    counts = Counter((item.split, item.label) for item in dataset.items)
    assert counts == {
        ("train", "sea_shore"): 18,
        ("train", "forest"): 36,
        ("val", "sea_shore"): 2,
        ("val", "forest"): 4,
        ("test", "sea_shore"): 3,
        ("test", "forest"): 2,
    }
    test = dataset.split("test")
    assert dict(zip(test.text_item_ids, test.texts, strict=True)) == {
        "forest": "a view of the forest",
        "sea_shore": "a view of the sea shore",
    }
    assert test.image_item_ids.tolist() == ["forest", "forest", "sea_shore", "sea_shore", "sea_shore"]
    assert dataset.read_image(dataset.items[0].image).size == (4, 4)


def test_given_val_folder_is_left_as_it_is(tmp_path: Path) -> None:
    root = fill(tmp_path, {"train/a": 20, "val/a": 5})
    assert Counter(i.split for i in load_image_folder(root=root).items) == {"train": 20, "val": 5}


def test_class_folders_are_split_class_by_class(tmp_path: Path) -> None:
    root = fill(tmp_path, {"cat": 10, "dog": 20})
    dataset = load_image_folder(root=root, fractions={"train": 0.5, "val": 0.2, "test": 0.3})
    counts = Counter((item.label, item.split) for item in dataset.items)
    assert [counts["cat", split] for split in ("train", "val", "test")] == [5, 2, 3]
    assert [counts["dog", split] for split in ("train", "val", "test")] == [10, 4, 6]


def test_other_files_are_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = fill(tmp_path, {"cat": 3})
    (root / "cat" / "notes.txt").write_text("x")
    (root / "cat" / ".DS_Store").write_text("x")
    (root / "readme.md").write_text("x")
    assert len(load_image_folder(root=root).items) == 3
    assert "left out files that are no images: 1 '.txt'" in caplog.text


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"train/a": 2, "validation/a": 2}, "has train and also validation; split folders are named"),
        ({"set/train/a": 2}, "is a folder inside a class folder"),
        ({"a": 2, "b": 0}, "b has no image"),
        ({"train": 0}, "it has no class folder"),
        ({}, "it has no class folder"),
    ],
)
def test_other_layouts_are_refused(tmp_path: Path, counts: dict[str, int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_image_folder(root=fill(tmp_path, counts))


def test_wrong_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFilesError, match="is not a folder"):
        load_image_folder(root=tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"has no \{label\}"):
        load_image_folder(root=tmp_path, template="a photo")
    with pytest.raises(ConfigError, match=r"val_fraction=1 is outside \[0, 1\)"):
        load_image_folder(root=tmp_path, val_fraction=1)


def test_fashion_8(shared_data: Path) -> None:
    dataset = load_image_folder(root=shared_data / "fashion-8")
    assert Counter(item.split for item in dataset.items) == {"train": 1696, "val": 184, "test": 808}
    assert len(dataset.split("val").texts) == 8
    assert "a photo of a Casual Shoes." in dataset.split("test").texts
