from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from xmr.core.errors import ConfigError, MissingFilesError
from xmr.data.scenes import load_scenes


def fill(root: Path, counts: dict[str, int]) -> Path:
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (4, 4)).save(root / folder / f"{number}.jpg")
    return root


def test_a_share_of_each_class_of_train_is_val(tmp_path: Path) -> None:
    root = fill(
        tmp_path, {"train/coast": 20, "train/inside_city": 10, "test/coast": 3, "test/inside_city": 4}
    )
    dataset = load_scenes(root=root, val_fraction=0.2)
    assert (dataset.name, dataset.relevance) == ("scenes", "label")
    assert Counter((item.split, item.label) for item in dataset.items) == {
        ("train", "coast"): 16,
        ("val", "coast"): 4,
        ("train", "inside_city"): 8,
        ("val", "inside_city"): 2,
        ("test", "coast"): 3,
        ("test", "inside_city"): 4,
    }
    assert set(dataset.split("test").texts) == {"a photo of a coast.", "a photo of a inside city."}
    assert load_scenes(root=root, name="mine").name == "mine"


def test_what_is_missing_is_named_with_how_it_must_lie(tmp_path: Path) -> None:
    with pytest.raises(
        MissingFilesError, match=r"folder .*none does not exist\n(?s:.*)MIT_split(?s:.*)<root>"
    ):
        load_scenes(root=tmp_path / "none")
    fill(tmp_path, {"train/coast": 2})
    with pytest.raises(MissingFilesError, match=r"has no test\n(?s:.*)<root>/test/<class>"):
        load_scenes(root=tmp_path)


def test_settings_are_checked(tmp_path: Path) -> None:
    root = fill(tmp_path, {"train/coast": 2, "test/coast": 1})
    with pytest.raises(ConfigError, match="val_fraction=1"):
        load_scenes(root=root, val_fraction=1)


def test_any_set_of_classes_does(shared_data: Path) -> None:
    dataset = load_scenes(root=shared_data / "fashion-8")
    assert Counter(item.split for item in dataset.items) == {"train": 1696, "val": 184, "test": 808}
