"""The API of graphs, maps and metrics."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from xmr.core.types import Modality
from xmr.explorer import queries
from xmr.explorer.files import tagged
from xmr.explorer.insight import Insight
from xmr.explorer.judged import Choice, Kind
from xmr.explorer.maps import Method
from xmr.explorer.metrics import Side
from xmr.explorer.routes import Among, answer
from xmr.explorer.search import Column
from xmr.explorer.waiting import patient

more = APIRouter(prefix="/api")


async def insight_of(request: Request) -> Insight:
    """What the application answers with."""
    return request.app.state.insight


Served = Annotated[Insight, Depends(insight_of)]


@dataclass
class Graph:
    """A query, the column whose results are drawn, and how many; clusters are chosen where not given."""

    query: queries.Query
    column: Column
    among: Among = "image"
    n: int = 50
    clusters: int | None = None
    labels: list[str] = field(default_factory=list)


@dataclass
class MapRows:
    """Points of a map, by row."""

    source: str
    method: Method
    rows: list[int]


@dataclass
class MapKeys:
    """Entries to be found on a map, by key."""

    source: str
    method: Method
    keys: list[str]


@dataclass
class MapQuery:
    """A query to be placed on a map."""

    source: str
    method: Method
    query: queries.Query


@dataclass
class Words:
    """A text and a picture, an upload or an image entry, that a model compares."""

    source: str
    text: str
    entry: queries.EntryName | None = None
    upload: str | None = None


@more.get("/queries", summary="Random, hard or failed queries of the evaluation")
@patient
def evaluation_queries(
    insight: Served,
    source: str,
    direction: str,
    kind: Kind = "random",
    count: int = 12,
    seed: int = 0,
    k: int = 10,
    label: str = "",
) -> JSONResponse:
    """Each with the rank of its first correct entry."""
    return answer(insight.queries(source, direction, Choice(kind, count, seed, k, label)))


@more.post("/graph", summary="The first results as a graph: clusters, edges, places")
@patient
def graph(insight: Served, graph: Graph) -> JSONResponse:
    """The layout is the same every time."""
    found = insight.graph(
        graph.query,
        graph.column,
        among=Modality(graph.among),
        n=graph.n,
        clusters=graph.clusters,
        labels=tuple(graph.labels),
    )
    return answer(found)


@more.get("/map", summary="A map of all entries: whether it is ready, and what it shows")
@patient
def map_(insight: Served, source: str, method: Method = "pca") -> JSONResponse:
    """Answers at once; ask again while it is computing."""
    return answer(insight.map(source, method))


@more.get("/map/points", summary="The points of a map as float32", response_class=Response)
@patient
def map_points(request: Request, insight: Served, source: str, method: Method = "pca") -> Response:
    """x, y, label, modality, correct, cluster: six blocks of `count` little-endian float32."""
    made = insight.map_of(source, method)
    return tagged(made.data, request, tag=made.id, media_type="application/octet-stream")


@more.post("/map/entries", summary="What points of a map are")
@patient
def map_entries(insight: Served, asked: MapRows) -> JSONResponse:
    """At most 500 rows at a time."""
    return answer(insight.map_entries(asked.source, asked.method, asked.rows))


@more.post("/map/rows", summary="Where entries lie in a map")
@patient
def map_rows(insight: Served, asked: MapKeys) -> JSONResponse:
    """At most 5,000 keys at a time; null for what the map does not show."""
    return answer(insight.map_rows(asked.source, asked.method, asked.keys))


@more.post("/map/position", summary="Where a query lies on a map")
@patient
def map_position(insight: Served, asked: MapQuery) -> JSONResponse:
    """Exactly by PCA, else among its nearest points."""
    return answer(insight.map_position(asked.source, asked.method, asked.query))


@more.get("/metrics/board", summary="The leaderboard of the runs that are open")
@patient
def board(insight: Served, metric: str | None = None) -> JSONResponse:
    """Results as the runs wrote them, grouped by protocol."""
    return answer(insight.board(metric))


@more.get("/metrics/classes", summary="Precision@k of each class, by its name as a text query")
@patient
def classes(insight: Served, source: str, k: int = 100) -> JSONResponse:
    """Computed once, then kept."""
    return answer(insight.classes(source, k))


@more.get("/metrics/compression", summary="Bytes, overlap with exact search and time of each index")
@patient
def compression(insight: Served, source: str, among: Among = "image") -> JSONResponse:
    """Computed once, then kept."""
    return answer(insight.compression(source, Modality(among)))


@more.post("/metrics/words", summary="What each word adds to a text's match with a picture")
@patient
def words(insight: Served, asked: Words) -> JSONResponse:
    """Each word is left out in turn."""
    return answer(insight.words(asked.source, queries.Query(asked.text, asked.upload, asked.entry)))


@more.get("/metrics/differences", summary="The queries that two models answer most differently")
@patient
def differences(
    insight: Served,
    one: str,
    other: str,
    direction: str,
    metric: str = "first_rank",
    count: int = 20,
    side: Literal["both", "one", "other"] = "both",
) -> JSONResponse:
    """With the difference of the means, its interval, and the p of no difference."""
    chosen: Side = side
    found = insight.differences(one, other, direction, metric=metric, count=count, side=chosen)
    return answer(found)
