"""The API of search and pictures."""

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from xmr.core.types import Modality
from xmr.explorer import queries
from xmr.explorer.files import tagged
from xmr.explorer.pictures import Small
from xmr.explorer.search import Column, Options
from xmr.explorer.service import Explorer
from xmr.explorer.waiting import patient

router = APIRouter(prefix="/api")
BYTES = {"schema": {"type": "string", "format": "binary"}}
CHECKED = "private, no-cache"
"""Browsers ask whether a picture has changed: another server may have other sources of the same ids."""
Among = Literal["image", "text"]
Size = Annotated[int, Query(description="pixels of the longer side: 96, 192, 384 or 768")]


async def explorer_of(request: Request) -> Explorer:
    """The explorer that the application serves."""
    return request.app.state.explorer


Served = Annotated[Explorer, Depends(explorer_of)]


@dataclass
class Search:
    """A query, and the columns that it is searched in."""

    query: queries.Query
    columns: list[Column]
    among: Among = "image"
    k: int = 30
    labels: list[str] = field(default_factory=list)
    tags: int = 10
    bins: int = 40

    @property
    def options(self) -> Options:
        """What `Explorer.search` takes."""
        return Options(Modality(self.among), self.k, tuple(self.labels), self.tags, self.bins)


def answer(value: Any) -> JSONResponse:
    """`value` as it stands: it holds plain values alone, and FastAPI would copy them all."""
    return JSONResponse(value)


@router.get("/health", summary="Whether the explorer runs; needs no token")
async def health() -> dict[str, str]:
    """`{"status": "ok", "version"}`."""
    return {"status": "ok", "version": version("xmr")}


@router.get("/sources", summary="The models and stores that are open, kinds of index, limits")
async def sources(explorer: Served) -> JSONResponse:
    """Loads nothing: what is not known yet is null."""
    return answer({"version": version("xmr"), **explorer.overview()})


@router.post("/sources/load", summary="Load vectors, data and model of a source")
@patient
def load(explorer: Served, source: Annotated[str, Body(embed=True)]) -> JSONResponse:
    """Answers once all is there, with the source."""
    return answer(explorer.load(source))


@router.post("/search", summary="One query in up to four columns, side by side")
@patient
def search(explorer: Served, search: Search) -> JSONResponse:
    """Results with scores and correctness, diagnostics of the similarities, and how far columns agree."""
    return answer(explorer.search(search.query, search.columns, search.options))


@router.get("/entry", summary="All that is known of an image, a text or a composed query")
@patient
def entry(
    explorer: Served, source: str, modality: Literal["image", "text", "composed"], id: str
) -> JSONResponse:
    """An entry with the texts and pictures of its item."""
    return answer(explorer.entry(source, modality, id))


@router.get("/labels", summary="The labels of a source, with counts")
@patient
def labels(explorer: Served, source: str) -> JSONResponse:
    """Of labels with levels, each level is listed."""
    return answer(explorer.labels(source))


@router.get("/picture", summary="A small copy of a picture", response_class=Response)
@patient
def picture(request: Request, explorer: Served, source: str, id: str, size: Size = 384) -> Response:
    """WebP, by the id of an image; no request names a file."""
    return _picture(explorer.picture(source, id, size), request)


@router.post(
    "/uploads",
    summary="Give a picture to search with: the raw bytes are the body",
    openapi_extra={"requestBody": {"content": {"application/octet-stream": BYTES}, "required": True}},
)
async def upload(request: Request, explorer: Served) -> JSONResponse:
    """At most 20 MB and 64 megapixels; kept in memory."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk  # the guard counts them, and stops at the limit
    kept = await run_in_threadpool(explorer.uploads.add, bytes(data))
    where = f"/api/uploads/{kept.id}"
    return answer({"upload": kept.id, "width": kept.width, "height": kept.height, "picture": where})


@router.get("/uploads/{upload}", summary="A small copy of an uploaded picture", response_class=Response)
@patient
def uploaded(request: Request, explorer: Served, upload: str, size: Size = 384) -> Response:
    """WebP; 404 once it is forgotten."""
    return _picture(explorer.uploaded(upload, size), request)


def _picture(small: Small, request: Request) -> Response:
    return tagged(small.data, request, tag=small.tag, media_type="image/webp", cache=CHECKED)
