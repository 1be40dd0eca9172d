"""The metrics page beside loops: classes, compression, words, differences, queries of the evaluation."""

from dataclasses import replace

import numpy as np
import pytest

from tests.explorer.worlds import World, explorer_of
from xmr.core.errors import ConfigError, DataError
from xmr.core.types import Modality
from xmr.explorer.insight import Insight
from xmr.explorer.judged import Choice
from xmr.explorer.metrics import class_name
from xmr.explorer.queries import EntryName, Query


@pytest.fixture(scope="module")
def insight(tmp_path_factory):
    folder = tmp_path_factory.mktemp("worlds")
    return Insight(explorer_of(World(folder), World(folder, name="noisy", noise=60.0)))


def vectors_of(world):
    content = world.load()
    return content, {m: rows.embeddings.vectors.numpy() for m, rows in content.rows.items()}


def test_the_precision_of_a_class_is_its_share_of_the_first_k(insight, tmp_path):
    content, vectors = vectors_of(World(tmp_path))
    labels = content.rows[Modality.IMAGE].labels.tolist()
    found = insight.classes("colours", 5)
    assert [each["label"] for each in found["classes"]] == [
        "cold/blue",
        "cold/green",
        "warm/red",
        "warm/yellow",
    ]
    for each in found["classes"]:
        query = World(tmp_path).encoder.encode_text([each["query"]])[0]
        order = sorted(range(24), key=lambda row: (-float(vectors[Modality.IMAGE][row] @ query), row))
        assert each["precision"] == sum(labels[row] == each["label"] for row in order[:5]) / 5
        assert (each["count"], each["possible"]) == (4, 0.8)
    assert found["mean"] == pytest.approx(np.mean([each["precision"] for each in found["classes"]]))
    assert insight.classes("colours", 100)["k"] == 24
    assert insight.classes("colours", 100) is insight.classes("colours", 10**6)


def test_class_names_are_words():
    assert class_name("animals-nature/animal-bug") == "animal bug"
    assert class_name("living_room") == "living room"


def test_images_without_labels_have_no_classes(tmp_path):
    world = World(tmp_path)
    load = world.load

    def unlabelled():
        content = load()
        content.rows[Modality.IMAGE].labels[:] = ""
        return content

    world.load = unlabelled
    with pytest.raises(DataError, match="no labels"):
        Insight(explorer_of(world)).classes("colours", 5)


def test_the_ledger_tells_bytes_and_overlap(insight):
    found = insight.compression("colours", Modality.IMAGE)
    rows = {row["index"]: row for row in found["rows"]}
    assert list(rows) == ["exact", "ivf", "pq", "binary"]
    assert (rows["exact"]["bytes"], rows["exact"]["ratio"], rows["exact"]["overlap"]) == (24 * 5 * 4, 1, 1)
    assert rows["binary"]["bytes"] == 24 * 8
    assert rows["binary"]["ratio"] == pytest.approx(480 / 192, abs=1e-3)
    assert 0 <= rows["binary"]["overlap"] <= 1
    assert "24 vectors" in rows["pq"]["error"]
    assert insight.compression("colours", Modality.IMAGE) is found


def test_words_are_left_out_one_by_one(insight, tmp_path):
    encoder = World(tmp_path).encoder
    entry = EntryName("colours", "image", "p/0&x=1")
    picture = encoder.encode_image([World(tmp_path).picture("0/red")])[0]
    found = insight.words("colours", Query("a red green", entry=entry))
    whole = float(encoder.encode_text(["a red green"])[0] @ picture)
    assert found["similarity"] == pytest.approx(whole, abs=1e-5)
    for word, shorter in zip(found["words"], ("red green", "a green", "a red"), strict=True):
        assert word["change"] == pytest.approx(
            whole - float(encoder.encode_text([shorter])[0] @ picture), abs=1e-5
        )
    assert [word["word"] for word in found["words"]] == ["a", "red", "green"]
    with pytest.raises(ConfigError, match="give both"):
        insight.words("colours", Query("a red green"))


def ranks_of(world):
    """The expected rank of the first correct picture for each text, by a loop."""
    content, vectors = vectors_of(world)
    text, image = content.rows[Modality.TEXT].embeddings, content.rows[Modality.IMAGE].embeddings
    ranks = {}
    for row, (id_, item) in enumerate(zip(text.ids.tolist(), text.item_ids.tolist(), strict=True)):
        scores = vectors[Modality.IMAGE].astype(float) @ vectors[Modality.TEXT][row].astype(float)
        right = image.ids.tolist().index(item)
        ties = int((np.abs(scores - scores[right]) < 1e-9).sum())
        ranks[id_] = 1 + int((scores > scores[right] + 1e-9).sum()) + (ties - 1) / 2
    return ranks


def test_queries_are_random_hard_or_failed(insight, tmp_path):
    ranks = ranks_of(World(tmp_path))
    hard = insight.queries("colours", "text_to_image", Choice("hard", count=48))
    assert (hard["total"], hard["evaluated"]) == (48, 48)
    assert [each["first_rank"] for each in hard["queries"]] == sorted(ranks.values(), reverse=True)
    for each in hard["queries"]:
        assert each["first_rank"] == ranks[each["entry"]["id"]]
    failed = insight.queries("colours", "text_to_image", Choice("failed", count=48, k=2))
    assert {each["entry"]["id"] for each in failed["queries"]} == {
        id_ for id_, rank in ranks.items() if rank > 2
    }
    one, same, other = (
        [q["entry"]["id"] for q in insight.queries("colours", "text_to_image", Choice(seed=seed))["queries"]]
        for seed in (0, 0, 1)
    )
    assert one == same != other
    warm = insight.queries("colours", "image_to_text", Choice(count=30, label="warm"))
    assert {each["entry"]["label"] for each in warm["queries"]} == {"warm/red", "warm/yellow"}
    assert warm["queries"][0]["entry"]["modality"] == "image"
    for wrong in (Choice("worst"), Choice(count=0), Choice(seed=-1)):
        with pytest.raises(ConfigError):
            insight.queries("colours", "text_to_image", wrong)
    with pytest.raises(ConfigError, match="direction"):
        insight.queries("colours", "text_to_text", Choice())


def test_the_queries_where_two_models_differ_most(insight, tmp_path):
    one, other = ranks_of(World(tmp_path)), ranks_of(World(tmp_path, name="noisy", noise=60.0))
    found = insight.differences(
        "colours", "noisy", "text_to_image", metric="first_rank", count=48, side="both"
    )
    ratio = {id_: abs(np.log(one[id_] / other[id_])) for id_ in one}
    assert found["differing"] == sum(value > 0 for value in ratio.values()) == len(found["rows"])
    shown = [ratio[row["entry"]["id"]] for row in found["rows"]]
    assert shown == pytest.approx(sorted(shown, reverse=True))
    for row in found["rows"]:
        assert row["one_rank"] == row["one"] == one[row["entry"]["id"]]
        assert row["other_rank"] == other[row["entry"]["id"]]
    assert found["one"]["mean"] == pytest.approx(np.mean(list(one.values())))
    difference = np.mean(list(one.values())) - np.mean(list(other.values()))
    assert found["difference"]["value"] == pytest.approx(difference)
    better = insight.differences("colours", "noisy", "text_to_image", metric="recall@1", count=48, side="one")
    assert all(row["one"] > row["other"] for row in better["rows"])
    with pytest.raises(ConfigError, match="metric=recall"):
        insight.differences("colours", "noisy", "text_to_image", metric="recall", count=5, side="both")


def test_ranks_among_other_galleries_are_not_compared(tmp_path):
    part = World(tmp_path, name="part")
    whole = part.load()
    part.load = lambda: replace(whole, searched={modality: np.arange(12) for modality in whole.searched})
    with pytest.raises(ConfigError, match="12, and not the same ones"):
        Insight(explorer_of(World(tmp_path), part)).differences(
            "colours", "part", "text_to_image", metric="first_rank", count=5, side="both"
        )
