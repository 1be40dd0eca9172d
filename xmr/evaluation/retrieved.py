"""Which of the entries that a query found are correct, as far as anyone knows."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from xmr.evaluation.results_file import QueryResults


@dataclass(frozen=True, eq=False)
class Gallery:
    """The item id of each gallery entry by its id: an entry is correct for queries of the same item."""

    items: Mapping[str, str]

    @cached_property
    def entries(self) -> dict[str, list[str]]:
        """The ids of the entries of each item."""
        of: dict[str, list[str]] = defaultdict(list)
        for id_, item in self.items.items():
            of[item].append(id_)
        return dict(of)


def galleries_of(queries: Mapping[str, QueryResults]) -> dict[str, Gallery]:
    """The gallery of each direction, as the results tell it: what one finds, the other one asks with."""
    return {
        direction: Gallery(dict(zip(back.query_ids.tolist(), back.item_ids.tolist(), strict=True)))
        for direction, back in _turned(queries)
    }


def texts_of(queries: Mapping[str, QueryResults]) -> dict[str, dict[str, str]]:
    """The texts of each direction's gallery by id, as the results tell them."""
    return {
        direction: {
            id_: text
            for id_, text in zip(back.query_ids.tolist(), back.texts, strict=True)
            if text is not None
        }
        for direction, back in _turned(queries)
    }


def _turned(queries: Mapping[str, QueryResults]) -> Iterator[tuple[str, QueryResults]]:
    """Each direction with what the results have of the one that leads back."""
    for direction in queries:
        query, _, entry = direction.partition("_to_")
        if query != entry and f"{entry}_to_{query}" in queries:
            yield direction, queries[f"{entry}_to_{query}"]


def marks(of: QueryResults, row: int, gallery: Gallery | None) -> list[bool | None]:
    """Whether each entry that query `row` found is correct; None where it is not known.

    Without a `gallery` the rank of the first correct entry tells as far as it reaches, ties aside.
    """
    if of.retrieved is None:
        return []
    ids = of.retrieved[row].tolist()
    if gallery is not None:
        item = str(of.item_ids[row])
        return [gallery.items.get(id_) == item for id_ in ids]
    first = _untied_first(of, row)
    return [None if first is None or place > first else place == first for place in range(1, len(ids) + 1)]


def relevant(of: QueryResults, row: int, gallery: Gallery | None) -> list[str]:
    """The ids of the gallery entries that are correct for query `row`, as far as they are known."""
    if gallery is None:
        return []
    return gallery.entries.get(str(of.item_ids[row]), [])


def _untied_first(of: QueryResults, row: int) -> int | None:
    """The rank of the first correct entry of a query; None where ties or a lack of figures hide it."""
    if "first_rank" not in of.values or of.scores is None:
        return None
    rank, scores = float(of.values["first_rank"][row]), of.scores[row]
    shown = scores[: int(rank) + 1]
    # equal scores: which of the entries is at that rank is chance
    return int(rank) if rank.is_integer() and len(set(shown.tolist())) == len(shown) else None
