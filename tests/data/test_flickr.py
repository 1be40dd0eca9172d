import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from xmr.core.errors import ConfigError, DataError, MissingFilesError
from xmr.data.dataset import RetrievalDataset
from xmr.data.flickr import load_flickr8k, load_flickr30k

IMAGES_8K = ["111_aa.jpg", "222_bb.jpg", "333_cc.jpg"]
IMAGES_30K = ["1000092795.jpg", "10002456.jpg", "2199200615.jpg"]


def captions(image: str) -> list[str]:
    return [f"Photo {image[0]} , number {n} ." for n in range(5)]


def put_images(folder: Path, names: list[str]) -> None:
    folder.mkdir()
    for name in names:
        Image.new("RGB", (5, 4)).save(folder / name)


def write_karpathy(path: Path, names: list[str]) -> None:
    records = [
        {
            "sentids": [5 * n + m for m in range(5)],
            "imgid": n,
            "sentences": [
                {"tokens": ["photo"], "raw": raw, "imgid": n, "sentid": 0} for raw in captions(name)
            ],
            "split": split,
            "filename": name,
        }
        for n, (name, split) in enumerate(zip(names, ["train", "val", "test"], strict=True))
    ]
    path.write_text(json.dumps({"images": records, "dataset": path.stem}))


def write_token(path: Path, names: list[str]) -> None:
    path.write_text(
        "".join(f"{name}#{n}\t{text}\n" for name in names for n, text in enumerate(captions(name)))
    )


@pytest.fixture
def flickr8k(tmp_path: Path) -> Path:
    put_images(tmp_path / "Flicker8k_Dataset", IMAGES_8K)
    write_karpathy(tmp_path / "dataset_flickr8k.json", IMAGES_8K)
    # as in the real file: an image with a broken name, which no list names
    write_token(tmp_path / "Flickr8k.token.txt", [*IMAGES_8K, "2258277193_586949ec62.jpg.1"])
    rows = [f'{name},"{text}"\n' for name in IMAGES_8K for text in captions(name)]
    (tmp_path / "captions.txt").write_text("image,caption\n" + "".join(rows))
    for part, name in zip(["train", "dev", "test"], IMAGES_8K, strict=True):
        (tmp_path / f"Flickr_8k.{part}Images.txt").write_text(f"{name}\n")
    return tmp_path


@pytest.fixture
def flickr30k(tmp_path: Path) -> Path:
    put_images(tmp_path / "flickr30k-images", IMAGES_30K)
    write_karpathy(tmp_path / "dataset_flickr30k.json", IMAGES_30K)
    write_token(tmp_path / "results_20130124.token", IMAGES_30K)
    lines = [f"{name}| {n}| {text}" for name in IMAGES_30K for n, text in enumerate(captions(name))]
    lines[-1] = lines[-1].replace("| 4|", "| 4  ")  # the fault of the published results.csv
    (tmp_path / "results.csv").write_text("\n".join(["image_name| comment_number| comment", *lines]) + "\n")
    for split, name in zip(["train", "val", "test"], IMAGES_30K, strict=True):
        (tmp_path / f"{split}.txt").write_text(name.removesuffix(".jpg") + "\n")
    return tmp_path


def check(dataset: RetrievalDataset, names: list[str]) -> None:
    assert [item.split for item in dataset.items] == ["train", "val", "test"]
    assert [item.item_id for item in dataset.items] == [name.removesuffix(".jpg") for name in names]
    assert [list(item.texts) for item in dataset.items] == [captions(name) for name in names]
    assert dataset.read_image(dataset.items[0].image).size == (5, 4)


@pytest.mark.parametrize("annotations", ["karpathy", "token", "csv"])
def test_flickr8k_in_each_of_its_formats(flickr8k: Path, annotations: str) -> None:
    check(load_flickr8k(root=flickr8k, annotations=annotations), IMAGES_8K)  # type: ignore[arg-type]


@pytest.mark.parametrize("annotations", ["karpathy", "token", "csv"])
def test_flickr30k_in_each_of_its_formats(flickr30k: Path, annotations: str) -> None:
    check(load_flickr30k(root=flickr30k, annotations=annotations), IMAGES_30K)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("load", "file"),
    [(load_flickr8k, "dataset_flickr8k.json"), (load_flickr30k, "dataset_flickr30k.json")],
)
def test_missing_files_say_what_to_get(
    tmp_path: Path, load: Callable[..., RetrievalDataset], file: str
) -> None:
    with pytest.raises(MissingFilesError) as caught:
        load(root=tmp_path / "absent")
    assert "absent does not exist" in str(caught.value)
    with pytest.raises(MissingFilesError) as caught:
        load(root=tmp_path)
    for part in [str(tmp_path), f"no {file}", "caption_datasets.zip", "request form", f"<root>/{file}"]:
        assert part in str(caught.value)


def test_missing_images_and_lists_are_named(flickr8k: Path) -> None:
    (flickr8k / "Flickr_8k.devImages.txt").unlink()
    with pytest.raises(MissingFilesError, match=r"has no Flickr_8k.devImages.txt"):
        load_flickr8k(root=flickr8k, annotations="token")
    (flickr8k / "Flicker8k_Dataset" / "222_bb.jpg").unlink()
    with pytest.raises(MissingFilesError, match=r"lacks 1 of 3 images\n  - Flicker8k_Dataset/222_bb.jpg"):
        load_flickr8k(root=flickr8k)
    with pytest.raises(MissingFilesError, match="has no Images"):
        load_flickr8k(root=flickr8k, images="Images")


def test_faults_in_captions_and_lists_are_all_named(flickr8k: Path) -> None:
    with (flickr8k / "Flickr8k.token.txt").open("a") as file:
        file.write("no tab in this line\n444_dd.jpg#0\t \n")
    with pytest.raises(DataError, match=r"line 21: not an image(?s:.*)line 22: no image, or no caption"):
        load_flickr8k(root=flickr8k, annotations="token")
    (flickr8k / "Flickr_8k.testImages.txt").write_text("111_aa.jpg\n999_zz.jpg\n")
    with pytest.raises(DataError) as caught:
        load_flickr8k(root=flickr8k, annotations="csv")
    assert "111_aa.jpg is also in the list of train" in str(caught.value)
    assert "999_zz.jpg has no caption in captions.txt" in str(caught.value)
    (flickr8k / "captions.txt").write_text("image|caption\n111_aa.jpg|one\n")
    with pytest.raises(DataError, match="it needs image and caption"):
        load_flickr8k(root=flickr8k, annotations="csv")
    with pytest.raises(ConfigError, match="did you mean 'token'"):
        load_flickr8k(root=flickr8k, annotations="tokens")  # type: ignore[arg-type]
