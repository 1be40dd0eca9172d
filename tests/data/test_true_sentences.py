"""What is dealt apart shares nothing, found by brute force; queries go round the pictures of a sentence."""

import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from xmr.core.errors import ConfigError, DataError
from xmr.data.true_sentences import (
    TrueSentence,
    deal_apart,
    next_picture_queries,
    read_true_rows,
    same_words,
)

PATTERNS = {"sentence": r".*\w.*", "identifier": r"\d+-\d+"}


def row(image: str, sentence: str, group: str, variant: str = "") -> TrueSentence:
    return TrueSentence(f"{image}/{sentence}", image, f"{image}.png", sentence, group, variant)


def random_rows(seed: int) -> list[TrueSentence]:
    """Pictures whose sentences, groups and images overlap at random."""
    rng = Random(seed)
    spellings = ("s {}", "S {}.", " s  {}")
    return [
        row(
            f"i{rng.randrange(200)}",
            rng.choice(spellings).format(rng.randrange(150)),
            f"g{rng.randrange(150)}",
        )
        for _ in range(90)
    ]


def reachable(rows: list[TrueSentence]) -> list[frozenset[int]]:
    """The rows that each row is linked to: every pair compared, until nothing is added."""
    sets = [{n} for n in range(len(rows))]
    grown = True
    while grown:
        grown = False
        for n, one in enumerate(rows):
            for m, other in enumerate(rows):
                alike = one.image_id == other.image_id or one.group == other.group
                if (alike or same_words(one.sentence) == same_words(other.sentence)) and sets[n] != sets[m]:
                    sets[n] = sets[m] = sets[n] | sets[m]
                    grown = True
    return [frozenset(found) for found in sets]


@pytest.mark.parametrize("seed", range(4))
def test_linked_rows_share_a_split_and_others_are_dealt_freely(seed):
    rows = random_rows(seed)
    splits = deal_apart(rows, val_fraction=0.25, test_fraction=0.25, seed=seed)
    linked = reachable(rows)
    assert all(len({splits[n] for n in group}) == 1 for group in linked)
    assert len(set(linked)) > 10
    assert set(splits) == {"train", "val", "test"}


def test_splits_do_not_hang_on_the_order_of_the_rows():
    rows = random_rows(7)
    splits = dict(
        zip(
            (r.row_id for r in rows),
            deal_apart(rows, val_fraction=0.2, test_fraction=0.2, seed=1),
            strict=True,
        )
    )
    shuffled = Random(0).sample(rows, len(rows))
    again = deal_apart(shuffled, val_fraction=0.2, test_fraction=0.2, seed=1)
    assert [splits[r.row_id] for r in shuffled] == again
    assert deal_apart(rows, val_fraction=0.2, test_fraction=0.2, seed=2) != list(splits.values())


def test_spellings_of_a_sentence_are_one():
    assert same_words("There is a  blue Tower.") == same_words(" there is a blue tower")
    rows = [row(f"i{n}", f"Tower {n}" if n > 1 else f"A tower{'.' * n}", f"g{n}") for n in range(40)]
    for seed in range(20):
        splits = deal_apart(rows, val_fraction=0.4, test_fraction=0.3, seed=seed)
        assert splits[0] == splits[1]


def test_fractions_must_leave_something_to_train_on():
    with pytest.raises(ConfigError, match=r"val_fraction=0\.6"):
        deal_apart([row("a", "s", "g")], val_fraction=0.6, test_fraction=0.4, seed=0)


def test_queries_go_round_the_pictures_of_a_sentence():
    rows = [row("a", "Red.", "1"), row("b", "red", "2"), row("x", "alone", "3"), row("c", "red", "2")]
    queries = next_picture_queries(rows, ["val", "val", "train", "val"])
    assert [(q.reference_id, q.text, q.target_id, q.split) for q in queries] == [
        ("a", "Red.", "b", "val"),
        ("b", "red", "c", "val"),
        ("c", "red", "a", "val"),
    ]
    assert queries[0].target == "b.png"


def test_queries_stay_within_a_variant_and_never_lead_back():
    rows = [
        row("a0", "s", "1", "0"),
        row("a1", "s", "1", "1"),
        row("b0", "s", "2", "0"),
        row("b0", "s", "2", "0"),
    ]
    queries = next_picture_queries(rows, ["train"] * 4)
    assert [(q.reference_id, q.target_id) for q in queries] == [("a0", "b0"), ("b0", "a0")]


def test_true_lines_are_kept_and_false_ones_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    labels = ["true", "false", True, False, "True"]
    lines = [{"sentence": f" s {n} ", "identifier": f"{n}-0", "label": v} for n, v in enumerate(labels)]
    path = tmp_path / "dev.json"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    with caplog.at_level("INFO"):
        rows = read_true_rows(path, PATTERNS)
    assert rows == [{"sentence": f"s {n}", "identifier": f"{n}-0"} for n in (0, 2, 4)]
    assert "left out 2 of 5 sentences" in caplog.text


def test_all_bad_lines_are_listed(tmp_path: Path) -> None:
    lines = ['{"sentence": " . ", "identifier": "1-0", "label": "true"}', "no json", '{"label": "yes"}']
    path = tmp_path / "dev.json"
    path.write_text("\n".join(lines + ['{"sentence": "s", "identifier": "x", "label": "false"}'] * 30))
    with pytest.raises(DataError) as error:
        read_true_rows(path, PATTERNS)
    message = str(error.value)
    assert f"{path}: 35 problems" in message
    assert "line 2: not JSON" in message
    assert r"line 1: sentence=' . ' is not like .*\w.*" in message
    assert "line 3: label='yes' is neither true nor false" in message
    assert "... and 15 more" in message
    assert Counter(message.split("\n")[1:21])["  - line 4: identifier='x' is not like \\d+-\\d+"] == 1
