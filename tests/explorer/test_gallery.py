"""The gallery of the explorer finds what the exact index finds, in the same order."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from xmr.core.errors import ConfigError, DataError
from xmr.core.types import Embeddings, Modality
from xmr.explorer.content import Rows
from xmr.explorer.gallery import INDEXES, Gallery, same_entries
from xmr.index.exact import Exact


def rows_of(vectors, labels=None):
    count = len(vectors)
    ids = np.array([f"i{n}" for n in range(count)])
    embeddings = Embeddings(torch.as_tensor(vectors), ids, ids, Modality.IMAGE)
    none = np.full(count, "", object)
    return Rows(embeddings, none if labels is None else np.array(labels, object), none, none)


def unit(count, dim=16, seed=0):
    return normalize(torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)), dim=1)


def crowded():
    """Vectors that are all but equal: every rounding error changes their order."""
    return normalize(torch.ones(20_000, 16) + 1e-7 * torch.randn(20_000, 16), dim=1)


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize(
    "vectors",
    [unit(500), unit(500)[torch.arange(500) // 7], crowded(), unit(1), unit(300).half()],
    ids=["random", "duplicates", "crowd", "one", "float16"],
)
def test_the_nearest_are_those_of_the_exact_index(vectors, metric):
    gallery = Gallery(rows_of(vectors), metric=metric)
    exact = Exact(metric=metric, device="cpu")
    exact.add(gallery.embeddings)
    for query in unit(4, seed=1):
        asked = gallery.prepared(query.numpy())
        found = gallery.nearest(asked, gallery.similarities(asked), k=min(20, len(vectors)))
        name = np.array(["q"])
        wanted = exact.search(
            Embeddings(torch.from_numpy(asked[None]), name, name, Modality.TEXT), k=min(20, len(vectors))
        )
        assert gallery.embeddings.ids[found.positions].tolist() == wanted.gallery_ids[0].tolist()
        assert found.scores.tolist() == wanted.scores[0].tolist()


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_similarities_are_cosines_or_minus_squared_distances(metric):
    vectors = 3 * torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    gallery = Gallery(rows_of(vectors), metric=metric)
    query = gallery.prepared(np.arange(8, dtype=np.float32))
    found = gallery.similarities(query)
    for row, vector in enumerate(vectors.double().numpy()):
        if metric == "ip":
            wanted = vector @ np.arange(8) / np.linalg.norm(vector) / np.linalg.norm(np.arange(8))
        else:
            wanted = -sum((a - b) ** 2 for a, b in zip(vector, range(8), strict=True))
        assert found[row] == pytest.approx(wanted, abs=1e-4)


def test_a_filter_leaves_only_its_labels_and_those_below_them():
    labels = ["animals", "animals/cat", "animalsish", "", "tools/saw"] * 10
    gallery = Gallery(rows_of(unit(50), labels))
    assert {labels[at] for at in gallery.labelled(["animals"])} == {"animals", "animals/cat"}
    assert gallery.labelled([]) is None
    assert len(gallery.labelled(["nothing"])) == 0
    query = unit(1, seed=2)[0].numpy()
    among = gallery.labelled(["tools", "animals/cat"])
    similarities = gallery.similarities(query)
    found = gallery.nearest(query, similarities, k=7, among=among)
    wanted = sorted(among.tolist(), key=lambda at: -similarities[at])[:7]
    assert found.positions.tolist() == wanted
    assert len(gallery.nearest(query, similarities, k=7, among=gallery.labelled(["nothing"])).positions) == 0


@pytest.mark.parametrize("kind", [kind for kind in INDEXES if kind != "exact"])
def test_every_index_finds_most_of_what_is_there(kind):
    clusters = unit(40)[torch.arange(2000) % 40]
    gallery = Gallery(rows_of(normalize(clusters + 0.05 * unit(2000, seed=3), dim=1)))
    query = gallery.vectors[5].numpy()
    similarities = gallery.similarities(query)
    exact = gallery.nearest(query, similarities, k=10)
    found = gallery.searched(kind, query, k=10)
    assert len(found.positions) == 10
    assert similarities[found.positions].mean() > similarities[exact.positions].mean() - 0.05
    assert gallery.has_index(kind)
    assert gallery.index(kind) is gallery.index(kind)


@pytest.mark.parametrize("kind", ["ivf", "binary"])
def test_an_entry_as_query_asks_an_index_for_one_more_and_not_for_a_thousand(kind):
    gallery = Gallery(rows_of(unit(4000)))
    found = gallery.searched(kind, gallery.vectors[5].numpy(), k=30, own=np.array([5]))
    assert found.asked == 31
    assert len(found.positions) == 30
    assert 5 not in found.positions


@pytest.mark.parametrize("among", [None, np.arange(0, 4000, 2)])
def test_an_index_that_finds_fewer_is_asked_for_fewer(among):
    gallery = Gallery(rows_of(unit(4000)))
    found = gallery.searched("ivf", gallery.vectors[5].numpy(), k=3600, among=among)
    assert found.asked in (1800, 900, 450)
    assert 0 < len(found.positions) <= found.asked
    assert among is None or set(found.positions) <= set(among)


def test_galleries_are_the_same_by_their_ids_in_any_order():
    one = Gallery(rows_of(unit(20)))
    assert same_entries(one, Gallery(rows_of(unit(20, seed=1))))
    assert same_entries(one, Gallery(rows_of(unit(20)).take(np.arange(20)[::-1])))
    assert not same_entries(one, Gallery(rows_of(unit(19))))
    assert not same_entries(one, Gallery(rows_of(unit(21)).take(np.arange(1, 21))))


def test_what_can_not_be_searched_is_refused():
    vectors = unit(20)
    vectors[3, 2] = float("nan")
    with pytest.raises(DataError, match="i3"):
        Gallery(rows_of(vectors))
    with pytest.raises(DataError, match="empty"):
        Gallery(rows_of(torch.zeros(0, 4)))
    with pytest.raises(ConfigError, match="did you mean 'ivf'"):
        Gallery(rows_of(unit(20))).index("ivff")
    with pytest.raises(ConfigError, match="distances"):
        Gallery(rows_of(unit(20)), metric="l2").index("binary")
    with pytest.raises(ConfigError, match="NaN"):
        Gallery(rows_of(unit(20))).prepared(np.full(16, np.nan))
