import io
from pathlib import Path

from PIL import Image
from rich.console import Console

from xmr.data.dataset import ComposedQuery, Item, RetrievalDataset
from xmr.data.image_folder import load_image_folder
from xmr.data.images import FolderImages
from xmr.data.table import load_table
from xmr.pipelines.doctor.data import check_data


def run(dataset: RetrievalDataset) -> tuple[list[str], str]:
    console = Console(file=io.StringIO(), width=200)
    problems = check_data(dataset, console=console, workers=2)
    assert isinstance(console.file, io.StringIO)
    return problems, console.file.getvalue()


def make(
    folder: Path, images: dict[str, Image.Image], items: list[Item], queries: tuple[ComposedQuery, ...] = ()
) -> RetrievalDataset:
    for name, image in images.items():
        image.save(folder / name)
    return RetrievalDataset("toy", tuple(items), FolderImages(folder), queries)


def plain(value: int, size: tuple[int, int] = (6, 4), mode: str = "RGB") -> Image.Image:
    return Image.new("L", size, value).convert(mode)


def test_a_good_set_has_no_problem_and_is_described(tmp_path: Path) -> None:
    images = {"a.png": plain(1), "b.png": plain(2, mode="L"), "c.png": plain(3, size=(10, 5))}
    images["darker.png"] = plain(4)
    items = [
        Item("a", "a.png", ("a dog runs", "one brown dog runs fast"), "train", "dog"),
        Item("b", "b.png", ("a cat sits",), "val", "cat"),
        Item("c", "c.png", ("a cow stands there",), "test", "cow"),
    ]
    query = ComposedQuery("q", "a", "a.png", "make it darker", "darker", "darker.png", "train")
    problems, text = run(make(tmp_path, images, items, (query,)))
    assert problems == []
    assert "no problem found" in text
    assert "4/4" in text
    train = next(line for line in text.splitlines() if line.startswith("│ train"))
    assert [cell.strip() for cell in train.strip("│").split("│")] == [
        "train",
        "1",
        "2",
        "2",
        "2.0",
        "2",
        "1",
        "1",
    ]
    assert "image width: min 6, median 6, max 10 pixels" in text
    assert "RGB 3, L 1" in text
    assert "caption length: min 3, median 3.5, mean 3.8, max 5 words" in text


def test_unreadable_and_missing_images_are_listed_with_the_reason(tmp_path: Path) -> None:
    names = ["good.png", "cut.png", "text.png", "gone.png"]
    items = [Item(name, name, (f"the picture {name}",), "train") for name in names]
    dataset = make(tmp_path, {"good.png": plain(1), "cut.png": plain(2)}, items)
    cut = tmp_path / "cut.png"
    cut.write_bytes(cut.read_bytes()[:40])
    (tmp_path / "text.png").write_text("<html>404</html>")
    problems, text = run(dataset)
    assert len(problems) == 3
    assert all(name in problem for name, problem in zip(names[1:], problems, strict=True))
    assert "gone.png does not exist" in problems[2]
    assert "3 problems" in text


def test_copies_across_splits_are_leaks_and_within_one_are_not(tmp_path: Path) -> None:
    images = {
        "a.png": plain(1),
        "b.bmp": plain(1),
        "c.png": plain(1, size=(4, 6)),
        "d.png": plain(9),
        "e.png": plain(9),
    }
    sides = {"a.png": "train", "b.bmp": "test", "c.png": "test", "d.png": "val", "e.png": "val"}
    items = [Item(name, name, (f"this is {name}",), side) for name, side in sides.items()]
    problems, text = run(make(tmp_path, images, items))
    assert problems == ["images with the same pixels in several splits: 'a.png' (train), 'b.bmp' (test)"]
    assert "copies within a split: 1 (images with the same pixels as another)" in text


def test_an_image_on_both_sides_is_a_leak(tmp_path: Path) -> None:
    items = [
        Item("1", "a.png", ("a small dog",), "train"),
        Item("2", "a.png", ("a large dog",), "test"),
        Item("3", "b.png", ("a large cat",), "train"),
    ]
    query = ComposedQuery("q", "val 1", "b.png", "make it small", "val 2", "a.png", "val")
    problems, _ = run(make(tmp_path, {"a.png": plain(1), "b.png": plain(2)}, items, (query,)))
    assert "image 'a.png' is in train and val and test" in problems
    assert "image 'b.png' is in train and val" in problems


def test_hard_captions_are_told_with_examples(tmp_path: Path) -> None:
    items = [
        Item("1", "1.png", ("A dog  runs.", "dog"), "train"),
        Item("2", "2.png", ("a dog runs.", "a wet dog"), "train"),
        Item("3", "3.png", ("a dog runs.", "dog ."), "test"),
    ]
    problems, text = run(make(tmp_path, {f"{n}.png": plain(n) for n in (1, 2, 3)}, items))
    assert problems == []
    assert "train: captions that fit several images, of which one counts: 1: 'a dog runs.' (2)" in text
    assert "test: captions that are also in train: 1: 'a dog runs.'" in text
    assert "captions of a single word or less: 2: 'dog', 'dog .'" in text


def test_labels_that_train_lacks_are_told(tmp_path: Path) -> None:
    items = [Item("1", "1.png", ("a cat",), "train", "cat"), Item("2", "2.png", ("a dog",), "test", "dog")]
    _, text = run(make(tmp_path, {"1.png": plain(1), "2.png": plain(2)}, items))
    assert "test: labels that train lacks: 1: dog" in text


def test_an_empty_set_is_a_problem(tmp_path: Path) -> None:
    problems, _ = run(make(tmp_path, {}, []))
    assert problems == ["it has no image"]


def test_a_set_of_unreadable_images_only(tmp_path: Path) -> None:
    problems, _ = run(make(tmp_path, {}, [Item("1", "1.png", ("a cat",), "train")]))
    assert len(problems) == 1


def test_flickr8k_1k_is_good(shared_data: Path) -> None:
    problems, text = run(load_table(path=shared_data / "flickr8k-1k" / "captions.jsonl"))
    assert problems == []
    assert "caption length: min 3, median 12, mean 12.0, max 35 words" in text


def test_fashion_8_has_copies_across_train_and_test(shared_data: Path) -> None:
    problems, _ = run(load_image_folder(root=shared_data / "fashion-8", val_fraction=0))
    assert len(problems) == 8
    assert "'train/Shirts/11110.jpg' (train), 'test/Shirts/11111.jpg' (test)" in problems[0]
