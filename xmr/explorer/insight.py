"""Graphs, maps and metrics of the sources that are open: what pages other than search ask for."""

from typing import Any

import numpy as np

from xmr.core.errors import ConfigError
from xmr.core.types import Modality
from xmr.explorer.graph_view import check_graph, graph_json, graph_options
from xmr.explorer.judged import Choice, Judge, queries_json
from xmr.explorer.maps import Map, Maps, entries_json, position_json, rows_json
from xmr.explorer.metrics import Side, classes_json, compression_json, differences_json
from xmr.explorer.once import Once
from xmr.explorer.queries import Query, asked, is_known, picture_of
from xmr.explorer.search import Column, prepare
from xmr.explorer.service import Explorer
from xmr.reporting.word_drop import word_drop


class Insight:
    """Answers what takes longer than a search; what was computed once is kept."""

    def __init__(self, explorer: Explorer) -> None:
        self._explorer, self._judge = explorer, Judge()
        self._maps = Maps(self._judge)
        self._once: Once[dict[str, Any]] = Once()

    def queries(self, source: str, direction: str, choice: Choice) -> dict[str, Any]:
        """Random, hard or failed queries of an evaluation."""
        of = self._explorer.source(source)
        return queries_json(of, self._judge(of, direction), direction, choice)

    def graph(
        self,
        query: Query,
        column: Column,
        *,
        among: Modality = Modality.IMAGE,
        n: int = 50,
        clusters: int | None = None,
        labels: tuple[str, ...] = (),
    ) -> dict[str, Any]:
        """The graph of the first `n` results of a column."""
        check_graph(n, clusters)
        explorer, options = self._explorer, graph_options(among, n, labels)
        question, source = asked(query, explorer.sources), explorer.source(column.source)
        prepare(question, column, source, options)
        return explorer.work(
            lambda: graph_json(question, source, column, options, explorer.uploads, clusters=clusters)
        )

    def map(self, source: str, method: str) -> dict[str, Any]:
        """How far a map is, and what it shows once it is ready."""
        return self._maps.status(self._explorer.source(source), method)

    def map_of(self, source: str, method: str) -> Map:
        """The map itself."""
        return self._maps.get(self._explorer.source(source), method)

    def map_entries(self, source: str, method: str, rows: list[int]) -> dict[str, Any]:
        """What the points at `rows` are."""
        return entries_json(self._explorer.source(source), self.map_of(source, method), rows)

    def map_rows(self, source: str, method: str, keys: list[str]) -> dict[str, Any]:
        """Where entries lie in the map."""
        return rows_json(self._explorer.source(source), self.map_of(source, method), keys)

    def map_position(self, source: str, method: str, query: Query) -> dict[str, Any]:
        """Where a query lies on the map."""
        explorer = self._explorer
        of, made = explorer.source(source), self.map_of(source, method)
        question = asked(query, explorer.sources)
        if not is_known(question, of):
            of.encoder  # noqa: B018  # loads it
        return explorer.work(lambda: position_json(question, of, made, explorer.uploads))

    def board(self, metric: str | None) -> dict[str, Any]:
        """The leaderboard of the runs that are open."""
        from xmr.explorer.board_view import board_json  # scipy and parquet: a second

        return board_json(self._explorer.sources, metric=metric)

    def classes(self, source: str, k: int) -> dict[str, Any]:
        """Precision of each class."""
        of = self._explorer.source(source)
        k = min(k, len(of.gallery(Modality.IMAGE)))
        encoder = of.encoder
        key = ("classes", source, k)
        return self._once(
            key, lambda: self._explorer.work(lambda: classes_json(of, encoder.encode_text, k=k))
        )

    def compression(self, source: str, among: Modality) -> dict[str, Any]:
        """The ledger of compression."""
        of = self._explorer.source(source)
        return self._once(("compression", source, among), lambda: compression_json(of, among))

    def words(self, source: str, query: Query) -> dict[str, Any]:
        """What each word of the query's text adds to its match with the query's picture."""
        explorer = self._explorer
        of, question = explorer.source(source), asked(query, explorer.sources)
        if not question.text or not question.shows_picture:
            raise ConfigError("words are explained of a picture and a text; give both")
        encoder, text = of.encoder, question.text

        def explained() -> dict[str, Any]:
            picture = encoder.encode_image([picture_of(question, explorer.uploads)])[0]
            changes = word_drop(encoder.encode_text, picture, text)
            words = [{"word": change.word, "change": round(change.change, 6)} for change in changes]
            whole = encoder.encode_text([text])[0]
            cosine = float(whole @ picture / (np.linalg.norm(whole) * np.linalg.norm(picture)))
            return {"similarity": round(cosine, 6), "words": words}

        return explorer.work(explained)

    def differences(
        self, one: str, other: str, direction: str, *, metric: str, count: int, side: Side
    ) -> dict[str, Any]:
        """The queries that two models answer most differently."""
        sources = [self._explorer.source(id_) for id_ in (one, other)]
        first, second = [(source, self._judge(source, direction)) for source in sources]
        return differences_json(first, second, metric=metric, count=count, side=side)
