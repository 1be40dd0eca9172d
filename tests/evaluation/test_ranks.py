import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from xmr.core.types import Embeddings, Modality
from xmr.evaluation import tiles, tiles_torch
from xmr.evaluation.ranks import Ranking, chance_ranks, positive_ranks, positive_ranks_both
from xmr.evaluation.relevance import Pairs, relevance_by_item_id
from xmr.evaluation.scored import STEPS

WAYS = ("few", "many", "torch few", "torch many")
COLUMNS = ("query", "above", "tied", "positives_above", "positives_tied")


def embeddings(vectors, items):
    return Embeddings(vectors, np.arange(len(items)).astype(str), np.array(items).astype(str), Modality.IMAGE)


def count_by(monkeypatch, way, tile=None):
    """Make ranks be counted by one of the loops, in tiles of a size."""
    module = tiles_torch if "torch" in way else tiles
    monkeypatch.setattr(module, "FEW", 10**6 if "few" in way else -1)
    if tile is not None:
        monkeypatch.setattr(tiles, "FEW_TILE", tile)
        monkeypatch.setattr(tiles, "MANY_TILE", tile)
        monkeypatch.setattr(tiles_torch, "TILE", {"cpu": tile})
    return Ranking(backend="torch" if "torch" in way else "numba")


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
@pytest.mark.parametrize("tile", [(1, 1), (3, 7), (1024, 512)])
@pytest.mark.parametrize("way", WAYS)
def test_ranks_equal_counting_one_by_one_in_tiles_of_any_size(monkeypatch, kind, seed, tile, way):
    ranking = count_by(monkeypatch, way, tile)
    queries, gallery, query_items, gallery_items = random_case(kind, seed)
    relevance = relevance_by_item_id(embeddings(queries, query_items), embeddings(gallery, gallery_items))
    found = positive_ranks(queries, gallery, relevance, ranking)
    assert rows(found) == loop_rows(queries, gallery, query_items, gallery_items)
    assert found.n_queries == len(queries)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["random", "duplicated", "collapsed", "all relevant"])
@pytest.mark.parametrize("way", WAYS)
def test_both_directions_of_one_product_are_the_two_directions(monkeypatch, kind, seed, way):
    ranking = count_by(monkeypatch, way, (5, 3))
    queries, gallery, query_items, gallery_items = random_case(kind, seed)
    left, right = embeddings(queries, query_items), embeddings(gallery, gallery_items)
    relevance = relevance_by_item_id(left, right), relevance_by_item_id(right, left)
    forward, backward = positive_ranks_both(queries, gallery, relevance, ranking)
    assert rows(forward) == rows(positive_ranks(queries, gallery, relevance[0], ranking))
    assert rows(backward) == rows(positive_ranks(gallery, queries, relevance[1], ranking))


def many_thousand(seed=0):
    """As large as needs several tiles, blocks and threads, with close scores, copies and many relevant."""
    generator = torch.Generator().manual_seed(seed)
    centers = torch.randn(40, 24, generator=generator)
    query_items, gallery_items = (torch.randint(40, (n,), generator=generator).numpy() for n in (700, 5000))
    queries, gallery = (
        normalize(centers[items] + 2 * torch.randn(len(items), 24, generator=generator), dim=1)
        for items in (query_items, gallery_items)
    )
    gallery[1000:1400] = gallery[:400]
    return queries, gallery, query_items, gallery_items


@pytest.mark.parametrize("way", WAYS)
def test_thousands_of_entries_rank_as_a_float64_product_says(monkeypatch, way):
    ranking = count_by(monkeypatch, way)
    queries, gallery, query_items, gallery_items = many_thousand()
    relevance = relevance_by_item_id(embeddings(queries, query_items), embeddings(gallery, gallery_items))
    found = positive_ranks(queries, gallery, relevance, ranking)
    scores = (queries.double() @ gallery.double().T).numpy()
    scores /= np.outer(queries.double().norm(dim=1), gallery.double().norm(dim=1))
    scores = np.round(scores, 10)
    for q, item in enumerate(query_items):
        best_first = np.sort(scores[q, gallery_items == item])[::-1]
        ascending = np.sort(scores[q])
        above = len(ascending) - np.searchsorted(ascending, best_first, side="right")
        at_least = len(ascending) - np.searchsorted(ascending, best_first, side="left")
        assert found.above[found.query == q].tolist() == above.tolist()
        assert found.tied[found.query == q].tolist() == (at_least - above).tolist()


def test_all_ways_agree_to_the_last_rank_on_many_queries(monkeypatch):
    queries, gallery, query_items, gallery_items = many_thousand(1)
    relevance = relevance_by_item_id(embeddings(queries, query_items), embeddings(gallery, gallery_items))
    found = []
    for way in WAYS:
        with monkeypatch.context() as patch:
            found.append(rows(positive_ranks(queries, gallery, relevance, count_by(patch, way))))
    assert found.count(found[0]) == len(WAYS)


@pytest.mark.parametrize("seed", range(4))
def test_ranks_up_to_a_limit_are_the_ranks_and_what_is_beyond_stands_last(seed):
    queries, gallery, query_items, gallery_items = many_thousand(seed)
    relevance = relevance_by_item_id(embeddings(queries, query_items), embeddings(gallery, gallery_items))
    whole = positive_ranks(queries, gallery, relevance)
    limited = positive_ranks(queries, gallery, relevance, Ranking(limit="relevant", depth=10))
    limit = np.maximum(relevance.counts, 10)[whole.query]
    told = whole.above < limit
    assert 0.05 < told.mean() < 0.95
    for name in COLUMNS:
        assert np.array_equal(getattr(whole, name)[told], getattr(limited, name)[told]), name
    assert (limited.above[~told] >= limit[~told]).all()
    assert np.array_equal((limited.above + limited.tied)[~told], np.full((~told).sum(), len(gallery)))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("limit", ["none", "relevant"])
def test_excluded_entries_rank_as_if_they_were_not_there(monkeypatch, way, seed, limit):
    ranking = count_by(monkeypatch, way)
    rng = np.random.default_rng(seed)
    queries, gallery, query_items, gallery_items = random_case(["tied", "duplicated"][seed % 2], seed)
    relevance = relevance_by_item_id(embeddings(queries, query_items), embeddings(gallery, gallery_items))
    out = [np.flatnonzero(rng.random(len(gallery)) < 0.3) for _ in queries]
    start = np.concatenate([[0], np.cumsum([len(one) for one in out])])
    excluded = Pairs(start, np.concatenate([np.empty(0, int), *out]))
    ranking = Ranking(backend=ranking.backend, limit=limit, depth=len(gallery) + 1)
    found = positive_ranks(queries, gallery, relevance.without(excluded), ranking)
    expected = []
    for q, gone in enumerate(out):
        kept = np.delete(np.arange(len(gallery)), gone)
        if (gallery_items[kept] == query_items[q]).any():
            alone = loop_rows(queries[[q]], gallery[kept], query_items[[q]], gallery_items[kept])
            number = len({row[0] for row in expected})
            expected += [(number, *row[1:]) for row in alone]
    assert rows(found) == expected


@pytest.mark.parametrize("seed", range(4))
def test_candidates_of_its_own_are_all_that_a_query_ranks(seed):
    rng = np.random.default_rng(seed)
    queries, gallery, query_items, gallery_items = random_case("tied", seed)
    relevance = relevance_by_item_id(embeddings(queries, query_items), embeddings(gallery, gallery_items))
    own = [np.unique(rng.integers(0, len(gallery), 6)) for _ in queries]
    among = Pairs(np.concatenate([[0], np.cumsum([len(one) for one in own])]), np.concatenate(own))
    found = positive_ranks(queries, gallery, relevance.only_among(among))
    expected = []
    for q, kept in enumerate(own):
        if (gallery_items[kept] == query_items[q]).any():
            alone = loop_rows(queries[[q]], gallery[kept], query_items[[q]], gallery_items[kept])
            number = len({row[0] for row in expected})
            expected += [(number, *row[1:]) for row in alone]
    assert rows(found) == expected


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("similarity", ["dot", "l2"])
def test_other_similarities_rank_as_their_formulas_say(monkeypatch, way, similarity):
    ranking = Ranking(backend=count_by(monkeypatch, way).backend, similarity=similarity)
    queries, gallery, query_items, gallery_items = many_thousand(2)
    queries, gallery = queries[:60] * 3, gallery * torch.linspace(0, 5, len(gallery))[:, None] + 0.3
    query_items = query_items[:60]
    relevance = relevance_by_item_id(embeddings(queries, query_items), embeddings(gallery, gallery_items))
    found = positive_ranks(queries, gallery, relevance, ranking)
    product = queries.double() @ gallery.double().T
    distance = torch.cdist(queries.double(), gallery.double(), compute_mode="donot_use_mm_for_euclid_dist")
    scores = np.round((product if similarity == "dot" else -(distance**2)).numpy(), 7)
    for q, item in enumerate(query_items):
        best_first = np.sort(scores[q, gallery_items == item])[::-1]
        assert found.above[found.query == q].tolist() == [(scores[q] > s).sum() for s in best_first]


def test_vectors_of_one_sign_that_round_the_same_way_each_time_still_tie_and_rank():
    """The worst case of a float32 sum: equal addends, whose roundings do not cancel."""
    gallery = torch.full((3000, 2048), 0.1)
    gallery[::2, 0] += 1e-5
    gallery[7, 0] += 1e-4
    items = ["a"] * 3000
    relevance = relevance_by_item_id(embeddings(gallery[:1], ["a"]), embeddings(gallery, items))
    query = torch.zeros(1, 2048)
    query += 0.1
    query[0, 0] = 0.2
    found = positive_ranks(query, gallery, relevance)
    assert sorted(set(found.tied.tolist())) == [1, 1499, 1500]
    assert found.above[:2].tolist() == [0, 1]


@pytest.mark.parametrize("kind", ["random", "duplicated", "one item"])
def test_chance_is_one_block_of_the_whole_gallery(kind):
    queries, gallery, query_items, gallery_items = random_case(kind, 1)
    relevance = relevance_by_item_id(embeddings(queries, query_items), embeddings(gallery, gallery_items))
    constant = positive_ranks(torch.ones(len(queries), 3), torch.ones(len(gallery), 3), relevance)
    assert rows(chance_ranks(relevance.counts, relevance.sizes)) == rows(constant)
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
    codes[7] *= 4
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
    cosines = (torch.arange(200, dtype=torch.float64)[:, None] * 1000 + 0.5) / STEPS
    queries = cosines * axis + (1 - cosines**2).sqrt() * other
    items = ["a"] + ["b"] * (size - 1)
    relevance = relevance_by_item_id(embeddings(queries, ["a"] * 200), embeddings(copies, items))
    assert set(positive_ranks(queries, copies, relevance).tied) == {size}
