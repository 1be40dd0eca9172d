"""Models that do not differ share a letter; what can't be tested is named with the reason."""

from pathlib import Path

import numpy as np
import pytest

from tests.reporting.synthetic_runs import config, finished, metrics, queries, result, sweep
from xmr.reporting.board.board import Board, boards
from xmr.reporting.board.letters import with_letters
from xmr.reporting.records.runs import read_runs

METRIC = "text_to_image/recall@1"
DRAW = np.random.default_rng(0)


def scored(folder: Path, right: np.ndarray, *, loss: str = "InfoNCE", seed: int = 0) -> Path:
    """A finished run whose recall is that of its queries."""
    finished(
        folder, settings=config(loss=loss, seed=seed), metrics=metrics(0.5) | {METRIC: float(right.mean())}
    )
    return queries(folder, right)


def lettered(root: Path, **settings: int) -> Board:
    (board,) = boards(read_runs(root)[0], metric=METRIC)
    return with_letters(board, **settings)


def hits(count: int, of: int = 400) -> np.ndarray:
    return DRAW.permutation(np.arange(of) < count)


def test_models_far_apart_have_letters_of_their_own_and_alike_ones_share(tmp_path: Path) -> None:
    good = hits(300)
    nearly = good.copy()
    nearly[np.flatnonzero(good)[:2]] = False
    scored(tmp_path / "a", good, loss="InfoNCE")
    scored(tmp_path / "b", nearly, loss="SigLIP")
    scored(tmp_path / "c", hits(100), loss="Triplet")
    board = lettered(tmp_path)
    assert {row.label: row.letters for row in board.rows} == {
        "loss=InfoNCE": {METRIC: "a"},
        "loss=SigLIP": {METRIC: "a"},
        "loss=Triplet": {METRIC: "b"},
    }
    assert "400 queries" in board.notes[0]
    assert "3 pairs" in board.notes[0]


def test_the_best_has_the_first_letter_where_lower_is_better(tmp_path: Path) -> None:
    far, near = hits(10), hits(390)
    for name, right, loss in (("a", near, "InfoNCE"), ("b", far, "SigLIP")):
        scored(tmp_path / name, right, loss=loss)
    board = lettered(tmp_path)
    assert [row.letters[METRIC] for row in board.rows] == ["a", "b"]
    assert board.rows[0].label == "loss=InfoNCE"


def test_seeds_are_tested_together_and_in_any_order_of_queries(tmp_path: Path) -> None:
    base = {"InfoNCE": 300, "SigLIP": 100}
    for loss, count in base.items():
        for seed in range(3):
            scored(tmp_path / f"{loss}{seed}", hits(count + seed), loss=loss, seed=seed)
    shuffled = DRAW.permutation(400)
    names = np.array([f"q{n}" for n in range(400)])
    right = hits(302)
    queries(scored(tmp_path / "further", right, seed=3), right[shuffled], ids=names[shuffled])
    board = lettered(tmp_path)
    assert [row.letters for row in board.rows] == [{METRIC: "a"}, {METRIC: "b"}]
    assert "queries and seeds" in board.notes[0]


@pytest.mark.parametrize("kind", ["absent", "damaged", "other queries", "another evaluation's"])
def test_what_can_not_be_tested_is_named_with_the_reason(tmp_path: Path, kind: str) -> None:
    for name, loss in (("a", "InfoNCE"), ("b", "SigLIP")):
        scored(tmp_path / name, hits(200), loss=loss)
    odd = scored(tmp_path / "c", hits(200), loss="Triplet") / "queries.parquet"
    if kind == "absent":
        odd.unlink()
    elif kind == "damaged":
        odd.write_bytes(odd.read_bytes()[:100])
    elif kind == "other queries":
        queries(odd.parent, hits(100, of=200))
    else:
        queries(odd.parent, hits(90))
    board = lettered(tmp_path)
    without = [row.label for row in board.rows if not row.letters]
    assert without == ["loss=Triplet"]
    (note,) = [note for note in board.notes if note.startswith("not tested")]
    reason = {
        "absent": "no queries.parquet",
        "damaged": "no whole Parquet file",
        "other queries": "other queries",
        "another evaluation's": "no mean over its queries",
    }[kind]
    assert "loss=Triplet" in note
    assert reason in note
    assert "\n" not in note
    assert str(tmp_path) not in note


def test_medians_are_not_tested(tmp_path: Path) -> None:
    for name, loss in (("a", "InfoNCE"), ("b", "SigLIP")):
        scored(tmp_path / name, hits(200), loss=loss)
    (board,) = boards(read_runs(tmp_path)[0], metric="text_to_image/median_rank")
    board = with_letters(board)
    assert not any(row.letters for row in board.rows)
    assert "no values of single queries" in board.notes[0]


def test_only_the_best_models_are_tested_and_the_board_says_so(tmp_path: Path) -> None:
    sweep(tmp_path, 25)
    for record in read_runs(tmp_path)[0]:
        assert record.folder is not None
        queries(record.folder, hits(200))
    assert "2 models below" in lettered(tmp_path, models=3).notes[-1]


def test_one_model_has_no_letter(tmp_path: Path) -> None:
    scored(tmp_path / "a", hits(200))
    result(tmp_path / "b", 0.1, metrics={"mean_recall": 0.1})
    board = lettered(tmp_path)
    assert not any(row.letters for row in board.rows)
    assert board.notes == ()
