"""Scenes are distinct and repeatable, their sentences true, and their edits lead where they say."""

import hashlib
import os
import pickle
import re
import subprocess
import sys
from collections import Counter
from random import Random

import numpy as np
import pytest

from xmr.core.errors import ConfigError, DataError
from xmr.data.shape_scenes import CELLS, COLOURS, SHAPES, SPACE, decode, draw_scene, encode
from xmr.data.shape_texts import describe, draw_edits
from xmr.data.shapes import ShapeImages, load_shapes

COUNTS = {"one": 1, "two": 2, "three": 3, "four": 4}
SINGULAR = {**{f"{shape}s": shape for shape in SHAPES}, "crosses": "cross"}
CELL = "|".join(sorted(CELLS, key=len, reverse=True))
THING = r"(small|large) (\w+) (\w+)"
# things that are alike, in one line, and one more: all that makes sentences special
ODD_SCENES = [
    "5-small-red-cross",
    "1-small-red-cross_9-small-red-cross",
    "1-small-red-cross_2-small-red-cross_3-small-red-cross_9-small-red-cross",
    "1-small-red-star_2-small-red-star_4-large-red-star_5-small-blue-star",
    "3-large-black-heart_6-small-black-heart_9-large-black-heart",
]


@pytest.fixture(scope="module")
def shapes():
    return load_shapes(size=400, composed_per_item=5)


@pytest.fixture(scope="module")
def described(shapes):
    """(scene as a set of (cell, size, colour, shape), its five sentences)."""
    odd = [(key, describe(decode(key), Random(draw))) for key in ODD_SCENES for draw in range(20)]
    return [(parse_key(key), texts) for key, texts in [(i.image, i.texts) for i in shapes.items] + odd]


def parse_key(key):
    """An independent reading of a key: a set of (cell, size, colour, shape)."""
    parts = [part.split("-") for part in key.split("_")]
    return {(CELLS[int(cell) - 1], size, colour, shape) for cell, size, colour, shape in parts}


def place(thing):
    return divmod(CELLS.index(thing[0]), 3)


def find(scene, words):
    """The things of the scene that all of `words` fit."""
    cell = re.search(rf" in the ({CELL})$", words)
    adjectives = re.sub(rf" in the ({CELL})$", "", words).split()
    return [t for t in scene if set(adjectives) <= set(t[1:]) and (not cell or t[0] == cell[1])]


def test_first_sentence_is_the_scene(described):
    for scene, texts in described:
        assert {(m[3], *m[:3]) for m in re.findall(rf"[Aa] {THING} is in the ({CELL})\b", texts[0])} == scene


def test_second_sentence_is_the_scene(described):
    columns = {"on the left": 0, "in the middle": 1, "on the right": 2}
    for scene, texts in described:
        found = set()
        rows = re.split(r"(?:^|, |, and )[Tt]he (?=\w+ row has)", texts[1])[1:]
        for row in rows:
            things = re.findall(rf"a {THING} ({'|'.join(columns)})", row)
            line = ["top", "middle", "bottom"].index(row.split()[0])
            found |= {(CELLS[3 * line + columns[c]], *thing) for *thing, c in things}
        assert found == scene
        empty = 3 - len(rows)
        expected = {0: "", 1: "the other row is empty.", 2: "the other rows are empty."}[empty]
        assert texts[1].endswith(expected)
        assert ("empty" in texts[1]) == (empty > 0)


def test_third_sentence_is_the_scene(described):
    for scene, texts in described:
        head, tail = texts[2].split(": ")
        n = len(scene)
        assert head == ("There is one object" if n == 1 else f"There are {list(COUNTS)[n - 1]} objects")
        found = set()
        for number, size, colour, noun, places in re.findall(
            rf"(one|two|three|four) {THING} in ((?:(?:, and |, | and )?the (?:{CELL}))+)", tail
        ):
            cells = re.findall(rf"the ({CELL})", places)
            assert COUNTS[number] == len(cells)
            assert (noun in SHAPES) == (len(cells) == 1)
            found |= {(cell, size, colour, SINGULAR.get(noun, noun)) for cell in cells}
        assert found == scene


def test_fourth_sentence_is_true(described):
    phrase = r"(the|a|another) ([\w ]+?)"
    for scene, texts in described:
        sentence = texts[3][0].lower() + texts[3][1:-1]
        if len(scene) == 1:
            ((_, size, colour, shape),) = scene
            assert sentence == f"the {shape} is {size} and {colour}"
            continue
        directions = r"(above|below)?(?: and )?(to the left of|to the right of)?"
        match = re.fullmatch(rf"{phrase} is {directions} {phrase}", sentence)
        first, subject, vertical, horizontal, second, target = match.groups()
        pairs = [(s, t) for s in find(scene, subject) for t in find(scene, target) if s != t]
        assert first != "the" or len(find(scene, subject)) == 1
        assert second != "the" or len(find(scene, target)) == 1
        assert (second == "another") == (subject == target)
        assert any(
            {"above": r < q, "below": r > q, None: r == q}[vertical]
            and {"to the left of": c < d, "to the right of": c > d, None: c == d}[horizontal]
            for (r, c), (q, d) in ((place(s), place(t)) for s, t in pairs)
        )


def test_fifth_sentence_counts_every_thing(described):
    for scene, texts in described:
        sentence = texts[4][0].lower() + texts[4][1:-1]
        if match := re.fullmatch(
            r"(the only object|both objects|all (\w+) objects) (is|are) (\w+)", sentence
        ):
            whole = 1 if "only" in sentence else COUNTS.get(match[2], 2)
            assert len(scene) == whole == len(find(scene, match[4]))
            assert (match[3] == "is") == (whole == 1)
            continue
        if sentence.startswith("there"):
            assert re.match(r"there (is one|are (two|three|four)) ", sentence)
            counted = re.findall(r"(one|two|three|four) (\w+)", sentence)
        else:
            clauses = re.findall(r"(one|two|three|four)( objects?)? (is|are) (\w+)", sentence)
            assert all((verb == "is") == (number == "one") for number, _, verb, _ in clauses)
            assert clauses[0][1] == (" object" if clauses[0][0] == "one" else " objects")
            assert not any(noun for _, noun, _, _ in clauses[1:])
            counted = [(number, value) for number, _, _, value in clauses]
        for number, value in counted:
            assert len(find(scene, SINGULAR.get(value, value))) == COUNTS[number]
            assert sentence.startswith("there") <= ((value in SHAPES) == (number == "one"))
        assert sum(COUNTS[number] for number, _ in counted) == len(scene)


def test_sentences_are_well_formed_and_full_ones_are_unique(shapes, described):
    for _, texts in described:
        assert len(set(texts)) == 5
        for text in texts:
            assert re.fullmatch(r"[A-Z][a-z,: ]*[a-z]\.", text)
            assert "  " not in text
            assert not re.search(r"\ba [aeiou]|\ban [^aeiou]|, ,|and and", text, re.IGNORECASE)
    for form in range(3):
        assert len({item.texts[form] for item in shapes.items}) == len(shapes.items)


def test_edits_lead_to_their_targets(shapes):
    kinds = Counter()
    odd = [
        (key, text, encode(target))
        for key in ODD_SCENES
        for draw in range(20)
        for text, target in draw_edits(decode(key), Random(draw), 5)
    ]
    edits = [(query.reference, query.text, query.target) for query in shapes.composed_queries]
    for reference, text, target in edits + odd:
        scene = parse_key(reference)
        kinds[text.split()[0]] += 1
        if match := re.fullmatch(rf"add a {THING} in the ({CELL})", text):
            assert match[4] not in {thing[0] for thing in scene}
            expected = scene | {(match[4], *match.groups()[:3])}
        else:
            match = re.fullmatch(
                rf"(make|remove|turn|move) the (.+?)(?: (\w+)| into a (\w+)| to the ({CELL}))?", text
            )
            verb, words, adjective, noun, cell = match.groups()
            if verb == "remove" and adjective:  # the optional adjective took the noun
                words, adjective = f"{words} {adjective}", None
            (old,) = find(scene, words)
            new = list(old)
            if adjective:
                new[1 if adjective in {"small", "large"} else 2] = adjective
            new[3], new[0] = noun or new[3], cell or new[0]
            expected = scene - {old} | (set() if verb == "remove" else {tuple(new)})
        assert parse_key(target) == expected != scene
    assert set(kinds) == {"add", "make", "remove", "turn", "move"}


def test_edits_are_counted_and_keep_the_split(shapes):
    split_of = {item.item_id: item.split for item in shapes.items}
    for query in shapes.composed_queries:
        assert query.reference_id == query.reference
        assert query.target_id == query.target
        assert query.split == split_of[query.reference_id]
    per_item = Counter(query.reference_id for query in shapes.composed_queries)
    assert max(per_item.values()) == 5
    assert 0.96 * 5 * 400 < len({query.query_id for query in shapes.composed_queries}) <= 5 * 400
    assert load_shapes(size=10, composed_per_item=0).composed_queries == ()


def test_no_scene_of_a_query_is_in_two_splits():
    """Single shapes are few: their edits meet in scenes that another split has."""
    for size in (400, 1200):
        dataset = load_shapes(size=size, composed_per_item=5)
        splits = {item.item_id: {item.split} for item in dataset.items}
        for query in dataset.composed_queries:
            splits.setdefault(query.target_id, set()).add(query.split)
        assert {scene for scene, found in splits.items() if len(found) > 1} == set()
        assert len(dataset.composed_queries) < 5 * size


def test_scenes_are_distinct_and_labelled_by_their_number(shapes):
    assert len({item.item_id for item in shapes.items}) == 400
    for item in shapes.items:
        n = len(parse_key(item.image))
        assert item.label == f"{list(COUNTS)[n - 1]} object{'s' if n > 1 else ''}"
    assert set(Counter(item.label for item in shapes.items)) == {
        "one object",
        "two objects",
        "three objects",
        "four objects",
    }


def test_a_scene_that_came_before_is_drawn_anew():
    assert len({draw_scene(Random(f"0:{index}")) for index in range(3000)}) < 3000
    items = load_shapes(size=3000, composed_per_item=0).items
    assert len({item.image for item in items}) == 3000


def test_a_larger_set_begins_with_the_smaller_one(shapes):
    more = load_shapes(size=700, composed_per_item=5)
    assert more.items[:400] == shapes.items
    # some edits are left out of one of them: others' scenes decide which
    first = {item.item_id for item in shapes.items}
    both = set(shapes.composed_queries) & set(more.composed_queries)
    assert len(both) > 0.98 * sum(query.reference_id in first for query in more.composed_queries)
    assert load_shapes(size=50, seed=1).items != shapes.items[:50]


def test_splits_have_their_fractions_at_every_size():
    for size, seed in [(100, 0), (101, 3), (2000, 1)]:
        splits = Counter(item.split for item in load_shapes(size=size, seed=seed).items)
        assert abs(splits["val"] - 0.15 * size) <= 2
        assert abs(splits["test"] - 0.15 * size) <= 2
    assert {item.split for item in load_shapes(size=50, val_fraction=0, test_fraction=0).items} == {"train"}


def test_same_in_every_process(shapes):
    program = (
        "import hashlib; from xmr.data.shapes import load_shapes\n"
        "d = load_shapes(size=60)\n"
        "pixels = b''.join(d.read_image(i.image).tobytes() for i in d.items)\n"
        "print(d.fingerprint, [q.text for q in d.composed_queries], hashlib.sha256(pixels).hexdigest())"
    )
    outputs = set()
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", program]
        outputs.add(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    here = load_shapes(size=60)
    pixels = b"".join(here.read_image(item.image).tobytes() for item in here.items)
    expected = [q.text for q in here.composed_queries]
    assert outputs == {f"{here.fingerprint} {expected} {hashlib.sha256(pixels).hexdigest()}\n".encode()}


@pytest.mark.parametrize("image_size", [24, 96, 100, 224])
def test_images_show_the_scene(shapes, image_size):
    read = ShapeImages(image_size)
    background = read("1-small-red-star").getpixel((image_size - 1, image_size - 1))
    for item in shapes.items[:60]:
        pixels = np.asarray(read(item.image))
        assert pixels.shape == (image_size, image_size, 3)
        things = {thing[0]: thing for thing in parse_key(item.image)}
        for number, name in enumerate(CELLS):
            top, left = (round(i * image_size / 3) for i in divmod(number, 3))
            cell = pixels[top : top + image_size // 3, left : left + image_size // 3]
            middle = cell[len(cell) // 2, len(cell) // 2]
            expected = COLOURS[things[name][2]] if name in things else background
            assert np.allclose(middle, expected, atol=0 if image_size > 24 else 40)  # an edge is near
            assert (cell == background).all() == (name not in things)
            border = np.concatenate([cell[0], cell[-1], cell[:, 0], cell[:, -1]])
            assert image_size == 24 or (border == background).all()  # nothing is cut off
    assert len({read(item.image).tobytes() for item in shapes.items}) == 400


def test_large_things_cover_more_than_small_ones():
    read = ShapeImages(96)
    for shape in SHAPES:
        small, large = (np.asarray(read(f"5-{size}-red-{shape}")) for size in ("small", "large"))
        covered = [(pixels != pixels[0, 0]).any(axis=-1).sum() for pixels in (small, large)]
        assert covered[1] > 2 * covered[0] > 0


def test_reader_pickles_and_names_what_it_draws(shapes):
    keys = [item.image for item in shapes.items[:5]]
    copy = pickle.loads(pickle.dumps(shapes.read_image))
    assert copy(keys[0]).tobytes() == shapes.read_image(keys[0]).tobytes()
    assert copy.fingerprint(keys) == shapes.read_image.fingerprint(keys)
    others = [ShapeImages(64).fingerprint(keys), copy.fingerprint(keys[:4])]
    assert copy.fingerprint(keys) not in others


@pytest.mark.parametrize(
    "key",
    [
        "",
        "cat.jpg",
        "0-small-red-star",
        "1-small-pink-star",
        "1-red-star",
        "2-small-red-star_1-small-red-star",
        "1-small-red-star_1-large-red-star",
        "1-small-red-star_2-small-red-star_3-small-red-star_4-small-red-star_5-small-red-star",
    ],
)
def test_keys_that_are_no_scene(key):
    with pytest.raises(DataError, match="is no scene"):
        ShapeImages(96)(key)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"size": 0}, "size=0"),
        ({"size": SPACE + 1}, f"use size <= {SPACE}"),
        ({"image_size": 10}, "image_size=10"),
        ({"val_fraction": -0.1}, "val_fraction=-0.1"),
        ({"val_fraction": 0.5, "test_fraction": 0.5}, "left to train on"),
        ({"composed_per_item": 6}, "composed_per_item=6"),
        ({"composed_per_item": -1}, "composed_per_item=-1"),
    ],
)
def test_arguments_out_of_range(arguments, named):
    with pytest.raises(ConfigError, match=re.escape(named)):
        load_shapes(**arguments)
