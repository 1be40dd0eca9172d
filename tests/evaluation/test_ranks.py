import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from xmr.core.types import Embeddings, Modality
from xmr.evaluation import ranks
from xmr.evaluation.ranks import chance_ranks, positive_ranks
from xmr.evaluation.relevance import relevance_by_item_id

COLUMNS = ("query", "above", "tied", "positives_above", "positives_tied")


def embeddings(vectors, items):
    return Embeddings(vectors, np.arange(len(items)).astype(str), np.array(items).astype(str), Modality.IMAGE)


def rows(found):
    return [tuple(row) for row in np.stack([getattr(found, name) for name in COLUMNS], axis=1).tolist()]


def loop_rows(queries, gallery, query_items, gallery_items):
    """(query, above, tied, positives above, positives tied) of each relevant pair, one by one in float64."""
    found = []
    for q, (query, item) in enumerate(zip(queries.double(), query_items, strict=True)):
        scores = [float((query * g).sum() / (query.norm() * g.norm())) for g in gallery.double()]
        scores = [round(score, 9) for score in scores]
        positives = [s for s, other in zip(scores, gallery_items, strict=True) if other == item]
        for s in sorted(positives, reverse=True):
            above, tied = sum(x > s for x in scores), sum(x == s for x in scores)
            found.append((q, above, tied, sum(x > s for x in positives), sum(x == s for x in positives)))
    return found


def random_case(kind, seed):
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    n, g, dim = (int(rng.integers(low, high)) for low, high in ((1, 12), (1, 40), (2, 20)))
    queries, gallery = torch.randn(n, dim, generator=generator), torch.randn(g, dim, generator=generator)
    gallery_items = rng.integers(0, 4, g)
    query_items = rng.choice(gallery_items, n)
    if kind == "duplicated":
        gallery = gallery[rng.integers(0, max(1, g // 4), g)]
    elif kind == "tied":
        queries, gallery = queries.sign(), gallery.sign()
    elif kind == "collapsed":
        gallery = gallery[:1].repeat(g, 1)
    elif kind == "all relevant":
        query_items, gallery_items = np.zeros(n), np.zeros(g)
    elif kind == "one item":
        queries, gallery, query_items, gallery_items = queries[:1], gallery[:1], np.zeros(1), np.zeros(1)
    return queries, gallery, query_items, gallery_items


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["random", "duplicated", "tied", "collapsed", "all relevant", "one item"])
@pytest.mark.parametrize("tile_bytes", [1, 700, 2**25])
def test_ranks_equal_counting_one_by_one_in_tiles_of_any_size(monkeypatch, kind, seed, tile_bytes):
    monkeypatch.setattr(ranks, "TILE_BYTES", tile_bytes)
    queries, gallery, query_items, gallery_items = random_case(kind, seed)
    relevance = relevance_by_item_id(embeddings(queries, query_items), embeddings(gallery, gallery_items))
    found = positive_ranks(queries, gallery, relevance)
    assert rows(found) == loop_rows(queries, gallery, query_items, gallery_items)
    assert found.n_queries == len(queries)


@pytest.mark.parametrize("kind", ["random", "duplicated", "one item"])
def test_chance_is_one_block_of_the_whole_gallery(kind):
    queries, gallery, query_items, gallery_items = random_case(kind, 1)
    relevance = relevance_by_item_id(embeddings(queries, query_items), embeddings(gallery, gallery_items))
    constant = positive_ranks(torch.ones(len(queries), 3), torch.ones(len(gallery), 3), relevance)
    assert rows(chance_ranks(relevance)) == rows(constant)
    assert set(constant.tied) == {len(gallery)}


@pytest.mark.parametrize("dim", [1, 3, 64, 511, 512])
@pytest.mark.parametrize("copies", [1, 2, 33, 997, 1000])
def test_copies_of_a_vector_tie_wherever_they_stand(dim, copies):
    """A float32 product rounds by position: copies of one row differ in the last bit there."""
    generator = torch.Generator().manual_seed(dim + copies)
    unit = normalize(torch.randn(3, dim, generator=generator), dim=1)
    gallery = unit[torch.randint(3, (3 * copies,), generator=generator)]
    queries = torch.randn(5, dim, generator=generator)
    relevance = relevance_by_item_id(embeddings(queries, ["a"] * 5), embeddings(gallery, ["a"] * 3 * copies))
    found = positive_ranks(queries, gallery, relevance)
    of_value = {tuple(value.tolist()): int((gallery == value).all(1).sum()) for value in unit}
    blocks = {tied for q in range(5) for tied in found.tied[found.query == q]}
    if dim > 1:
        assert blocks == {count for count in of_value.values() if count}
    assert np.array_equal(found.tied, found.positives_tied)


def test_equal_cosines_of_different_vectors_tie():
    """Codes of +-1 at the same distance of the query, at any place, in any scale, with either zero."""
    rng = np.random.default_rng(0)
    dim, size = 48, 600
    query = torch.from_numpy(rng.choice([-1.0, 1.0], dim)).float()
    codes = query.repeat(size, 1)
    for row in codes:
        row[rng.choice(dim, 11, replace=False)] *= -1
    codes[7] *= 3
    codes = normalize(torch.cat([codes, torch.zeros(size, 1)], dim=1), dim=1)
    codes[::2, -1] = -0.0
    query = torch.cat([query, torch.zeros(1)])[None]
    relevance = relevance_by_item_id(embeddings(query, ["a"]), embeddings(codes, ["a"] + ["b"] * (size - 1)))
    assert rows(positive_ranks(query, codes, relevance)) == [(0, 0, size, 0, 1)]


def test_different_codes_never_count_as_one():
    """Codes of +-1 differ in sign bits alone, which sums and hashes of words mix up."""
    rng = np.random.default_rng(1)
    codes = torch.from_numpy(np.unique(rng.choice([-1.0, 1.0], (60_000, 64)), axis=0)).float()
    queries = codes[:1]
    items = np.arange(len(codes))
    items[rng.choice(len(codes), 500, replace=False)] = 0
    relevance = relevance_by_item_id(embeddings(queries, [0]), embeddings(codes, items))
    found = positive_ranks(queries, codes, relevance)
    scores = (codes @ queries[0]).numpy()
    best_first = np.sort(scores[items == 0])[::-1]
    assert found.above.tolist() == [(scores > s).sum() for s in best_first]
    assert found.tied.tolist() == [(scores == s).sum() for s in best_first]
    assert len(ranks._distinct_rows(codes)[0]) == len(codes)


@pytest.mark.parametrize("negative_zeros", [False, True])
def test_copies_tie_even_where_rounding_has_to_choose(negative_zeros):
    """Cosines half way between two steps: the last bit of a float64 product decides between them."""
    generator = torch.Generator().manual_seed(0)
    dim, size = 301, 997
    vector = torch.randn(dim, generator=generator)
    vector[::3] = 0
    copies = vector.repeat(size, 1)
    if negative_zeros:
        zeros = (vector == 0) & (torch.rand(size, dim, generator=generator) < 0.5)
        copies[zeros] = -0.0
    axis = normalize(vector.double(), dim=0)
    other = torch.randn(dim, generator=generator, dtype=torch.float64)
    other = normalize(other - (other @ axis) * axis, dim=0)
    cosines = (torch.arange(200, dtype=torch.float64)[:, None] * 1000 + 0.5) / ranks.STEPS
    queries = cosines * axis + (1 - cosines**2).sqrt() * other
    items = ["a"] + ["b"] * (size - 1)
    relevance = relevance_by_item_id(embeddings(queries, ["a"] * 200), embeddings(copies, items))
    assert set(positive_ranks(queries, copies, relevance).tied) == {size}
