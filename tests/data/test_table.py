import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from xmr.core.errors import ConfigError, DataError, MissingFilesError
from xmr.data.dataset import RetrievalDataset
from xmr.data.table import load_table

ROWS = [
    {
        "image": "img/a.png",
        "captions": ["a red square", 'a "red", plain box'],
        "kind": "red",
        "side": "train",
    },
    {
        "image": "img/b.png",
        "captions": ["a blue square", "ein blaues Viereck, groß"],
        "kind": "blue",
        "side": "val",
    },
    {"image": "img/c.png", "captions": ["line one\nline two", "green"], "kind": "green", "side": "test"},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "img").mkdir()
    for number, name in enumerate("abc"):
        Image.new("RGB", (8, 6), (80 * number, 10, 20)).save(tmp_path / "img" / f"{name}.png")
    return tmp_path


def write_csv(path: Path, rows: list[list[str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def write_jsonl(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def write_captions(folder: Path, kind: str) -> Path:
    flat = [{**row, "caption": text} for row in ROWS for text in row["captions"]]
    columns = ["image", "caption", "kind", "side"]
    if kind == "csv":
        return write_csv(folder / "data.csv", [columns, *([str(row[c]) for c in columns] for row in flat)])
    if kind == "jsonl":
        return write_jsonl(folder / "data.jsonl", ROWS)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), folder / "data.parquet")
    return folder / "data.parquet"


def texts(dataset: RetrievalDataset) -> dict[str, tuple[str, ...]]:
    return {item.item_id: item.texts for item in dataset.items}


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_each_format_gives_the_same_items(folder: Path, kind: str) -> None:
    dataset = load_table(path=write_captions(folder, kind), label_column="kind", split_column="side")
    assert [item.texts for item in dataset.items] == [tuple(row["captions"]) for row in ROWS]
    assert [item.split for item in dataset.items] == ["train", "val", "test"]
    assert [item.label for item in dataset.items] == ["red", "blue", "green"]
    assert dataset.items[1].item_id == "img/b.png"
    assert dataset.read_image(dataset.items[1].image).size == (8, 6)
    assert dataset.name == "data"


def test_rows_of_an_image_are_merged_however_its_path_is_written(folder: Path) -> None:
    rows = [["image", "caption"], ["img/a.png", "one"], ["img/b.png", "two"], ["./img//a.png", "three"]]
    dataset = load_table(path=write_csv(folder / "t.csv", rows))
    assert texts(dataset) == {"img/a.png": ("one", "three"), "img/b.png": ("two",)}


def test_several_caption_columns_may_have_empty_cells(folder: Path) -> None:
    rows = [["file", "c0", "c1"], ["a.png", "one", "two"], ["b.png", "", "three"]]
    path = write_csv(folder / "t.csv", rows)
    kwargs = {"image_column": "file", "image_root": folder / "img", "caption_column": ["c0", "c1"]}
    assert texts(load_table(path=path, **kwargs)) == {"a.png": ("one", "two"), "b.png": ("three",)}
    write_csv(path, [*rows, ["c.png", " ", ""]])
    with pytest.raises(DataError, match="line 4: no caption in c0, c1"):
        load_table(path=path, **kwargs)


def test_where_keeps_the_matching_rows_only(folder: Path) -> None:
    rows = [{"image": f"img/{n}.png", "caption": n, "label": n != "b"} for n in "abc"]
    path = write_jsonl(folder / "t.jsonl", rows)
    assert list(texts(load_table(path=path, where={"label": True}))) == ["img/a.png", "img/c.png"]
    with pytest.raises(DataError, match="keeps none of 3 rows"):
        load_table(path=path, where={"label": "maybe"})


def test_captions_and_groups_never_straddle(folder: Path) -> None:
    rows = []
    for number in range(40):
        Image.new("L", (2, 2)).save(folder / f"{number}.png")
        rows += [
            {"image": f"{number}.png", "caption": f"{number}, {n}", "scene": number // 4} for n in (0, 1)
        ]
    path = write_jsonl(folder / "t.jsonl", rows)
    by_image = load_table(path=path, fractions={"train": 0.5, "test": 0.5})
    assert Counter(item.split for item in by_image.items) == {"train": 20, "test": 20}
    by_scene = load_table(path=path, group_column="scene", fractions={"train": 0.5, "test": 0.5})
    splits_of_scene: dict[int, set[str]] = {}
    for item in by_scene.items:
        splits_of_scene.setdefault(int(item.image[:-4]) // 4, set()).add(item.split)
    assert all(len(splits) == 1 for splits in splits_of_scene.values())
    assert set().union(*splits_of_scene.values()) == {"train", "test"}


def test_all_bad_rows_are_listed_at_once_with_their_lines(folder: Path) -> None:
    path = folder / "t.jsonl"
    good = {"image": "img/a.png", "caption": "fine", "split": "train", "id": "1"}
    lines = [
        json.dumps(good),
        json.dumps({**good, "image": "img/nowhere.png", "id": "2"}),
        json.dumps({**good, "caption": "  "}),
        json.dumps({**good, "split": "vall"}),
        "{broken",
        json.dumps([1, 2]),
        json.dumps({**good, "image": "img/b.png"}),
        json.dumps({**good, "split": "val"}),
        "",
        json.dumps({"caption": "no image", "split": "train", "id": "9"}),
        json.dumps({**good, "caption": 7}),
        json.dumps({**good, "image": {"bytes": "..."}}),
    ]
    path.write_text("\n".join(lines))
    with pytest.raises(DataError) as caught:
        load_table(path=path, split_column="split", id_column="id")
    message = str(caught.value)
    for problem in [
        "line 2: image 'img/nowhere.png' does not exist",
        "line 3: empty caption",
        "line 4: split 'vall' is unknown; did you mean 'val'?",
        "line 5: not JSON",
        "line 6: a list, not an object",
        "line 7: id '1' is given to 'img/b.png' here, but to 'img/a.png' in line 1",
        "line 8: image 'img/a.png' has split 'val' here, but 'train' in line 1",
        "line 10: no image",
        "line 11: caption 7 is int, not text",
        "line 12: image is dict, not text",
    ]:
        assert problem in message
    assert "t.jsonl: 11 problems" in message  # line 4 also contradicts line 1
    assert "image_root" in message


def test_first_twenty_bad_rows_and_their_count(folder: Path) -> None:
    path = write_csv(folder / "t.csv", [["image", "caption"], *([f"{n}.png", "x"] for n in range(50))])
    with pytest.raises(DataError, match=r"50 problems(?s:.*)line 21: (?s:.*)and 30 more"):
        load_table(path=path)


def test_csv_faults_name_their_line(folder: Path) -> None:
    path = folder / "t.csv"
    path.write_text('image,caption\nimg/a.png,one, two\nimg/b.png,"two\nlines"\nimg/c.png\n')
    with pytest.raises(DataError) as caught:
        load_table(path=path)
    assert "line 2: 3 cells, but the header has 2; put quotes around" in str(caught.value)
    assert "line 5: 1 cells" in str(caught.value)
    path.write_text('image,caption\nimg/a.png,one\nimg/b.png,"never closed\nimg/c.png,three\n')
    with pytest.raises(DataError, match="line 3: unexpected end of data"):
        load_table(path=path)


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet"])
def test_files_without_rows_are_refused(folder: Path, name: str) -> None:
    path = folder / name
    with pytest.raises(MissingFilesError, match="does not exist"):
        load_table(path=path)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="is empty"):
        load_table(path=path)
    if name == "t.parquet":
        pyarrow.parquet.write_table(pyarrow.table({"image": [], "caption": []}), path)
    else:
        path.write_text("image,caption\n" if name == "t.csv" else "\n\n")
    with pytest.raises(DataError, match="has no row"):
        load_table(path=path)


def test_folders_other_endings_and_other_content_are_refused(folder: Path) -> None:
    write_csv(folder / "t.csv", [["image", "caption"]])
    with pytest.raises(DataError, match=r"is a folder; name a file in it \(t.csv\)"):
        load_table(path=folder)
    (folder / "t.xlsx").write_bytes(b"PK")
    with pytest.raises(ConfigError, match="set format to csv, jsonl or parquet"):
        load_table(path=folder / "t.xlsx")
    with pytest.raises(ConfigError, match="format='jsonll' is unknown; did you mean 'jsonl'"):
        load_table(path=folder / "t.csv", format="jsonll")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="can't be read as Parquet"):
        load_table(path=folder / "t.csv", format="parquet")
    (folder / "t.csv").write_bytes("image,caption\nimg/a.png,ein grünes Feld\n".encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8: byte 0xfc in line 2"):
        load_table(path=folder / "t.csv")
    (folder / "t.jsonl").write_text("not json\n")
    with pytest.raises(DataError, match="line 1: not JSON"):
        load_table(path=folder / "t.jsonl")


def test_byte_order_mark_of_spreadsheets_is_no_part_of_the_header(folder: Path) -> None:
    (folder / "t.csv").write_bytes("image,caption\r\nimg/a.png,one\r\n".encode("utf-8-sig"))
    assert texts(load_table(path=folder / "t.csv")) == {"img/a.png": ("one",)}


def test_wrong_columns_name_those_that_exist_and_the_nearest(folder: Path) -> None:
    path = write_csv(folder / "t.csv", [["image", "sentence", "class"], ["img/a.png", "one", "x"]])
    with pytest.raises(ConfigError, match=r"neither caption nor captions; (.*) image, sentence, class"):
        load_table(path=path)
    with pytest.raises(ConfigError) as caught:
        load_table(path=path, caption_column="sentense", label_column="clas", where={"image": "x"})
    assert "did you mean 'sentence'?" in str(caught.value)
    assert "did you mean 'class'?" in str(caught.value)
    assert "Its columns: image, sentence, class" in str(caught.value)
    both = write_csv(folder / "u.csv", [["image", "caption", "captions"], ["img/a.png", "one", "two"]])
    with pytest.raises(ConfigError, match="both caption and captions"):
        load_table(path=both)
    twice = write_csv(folder / "v.csv", [["image", "caption", "caption"], ["img/a.png", "one", "two"]])
    with pytest.raises(DataError, match="names 'caption' more than once"):
        load_table(path=twice)


def test_settings_that_contradict_are_refused(folder: Path) -> None:
    path = write_captions(folder, "csv")
    with pytest.raises(ConfigError, match="relevance=label needs label_column"):
        load_table(path=path, relevance="label")
    with pytest.raises(ConfigError, match="both decide the split"):
        load_table(path=path, split_column="side", group_column="kind")
    with pytest.raises(MissingFilesError, match="image_root"):
        load_table(path=path, image_root=folder / "images")


def test_an_unused_split_column_is_reported(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    load_table(
        path=write_csv(folder / "t.csv", [["image", "caption", "split"], ["img/a.png", "one", "test"]])
    )
    assert "column 'split' that is not used" in caplog.text


def test_check_images_finds_the_truncated_one(folder: Path) -> None:
    whole = (folder / "img/b.png").read_bytes()
    (folder / "img/b.png").write_bytes(whole[: len(whole) // 2])
    path = write_captions(folder, "jsonl")
    assert len(load_table(path=path).items) == 3
    with pytest.raises(DataError, match=r"1 problem\n  - line 2: image .*b.png can't be read"):
        load_table(path=path, check_images=True)


def test_flickr8k_1k_in_both_of_its_files(shared_data: Path) -> None:
    root = shared_data / "flickr8k-1k"
    fractions = {"train": 0.8, "val": 0.2, "test": 0}
    by_row = load_table(path=root / "captions.txt", image_root=root / "images", fractions=fractions)
    by_image = load_table(path=root / "captions.jsonl", fractions=fractions)
    for dataset in (by_row, by_image):
        assert Counter(item.split for item in dataset.items) == {"train": 800, "val": 200}
        assert all(len(item.texts) == 5 for item in dataset.items)
    assert [item.texts for item in by_row.items] == [item.texts for item in by_image.items]
    assert by_image.read_image(by_image.items[0].image).mode == "RGB"


def test_nlvr_true_by_group(shared_data: Path) -> None:
    dataset = load_table(
        path=shared_data / "nlvr-true" / "records.jsonl",
        caption_column="sentence",
        group_column="group",
        where={"label": True},
    )
    assert len(dataset.items) == 1649
    split_of: dict[str, set[str]] = {}
    for item in dataset.items:
        split_of.setdefault("-".join(item.image.split("-")[:2]), set()).add(item.split)
    assert all(len(splits) == 1 for splits in split_of.values())
