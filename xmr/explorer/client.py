"""The explorer in Python, over HTTP: the same questions that its page asks."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import numpy as np

from xmr.core.errors import ConfigError, DataError

Answer = dict[str, Any]
POINT_COLUMNS = ("x", "y", "label", "modality", "correct", "cluster")


class Explorer:
    """Asks the explorer at the address that `scripts/explore.py` printed, token included.

    `Explorer(url).search("a happy cat")`. Answers are those of the API (`/api/docs`). Raises `DataError`
    with what the explorer says, or when it is not there.
    """

    def __init__(self, url: str, *, timeout: float = 600) -> None:
        parts = urlsplit(url)
        token = parse_qs(parts.query).get("token", [""])[0]
        if parts.scheme != "http" or not parts.netloc or not token:
            raise ConfigError(f"'{url}' is not the address that the explorer printed: it ends in ?token=...")
        self._base, self._token, self._timeout = f"http://{parts.netloc}", token, timeout
        # never by a proxy: the explorer is on this machine
        self._opener = build_opener(ProxyHandler({}))

    def sources(self) -> list[Answer]:
        """The models and stores that are open."""
        return self.get("/api/sources")["sources"]

    def upload(self, picture: Path | str | bytes) -> str:
        """Give a picture, a file or its bytes, to search with: its id."""
        data = picture if isinstance(picture, bytes) else Path(picture).read_bytes()
        return self._json("POST", "/api/uploads", data, "application/octet-stream")["upload"]

    def search(
        self,
        text: str | None = None,
        *,
        picture: Path | str | bytes | None = None,
        entry: Mapping[str, str] | None = None,
        columns: Sequence[str] | None = None,
        **options: Any,
    ) -> Answer:
        """Search by a text, a picture, both, or an entry of a source ({"source", "modality", "id"}).

        `columns` are source ids, each with ":ivf", ":pq", ":binary" or ":saved/NAME" (an index of the store)
        for another index than the exact one; by default up to four sources. `options` are among, k, labels,
        tags and bins.
        """
        named = columns if columns is not None else [source["id"] for source in self.sources()[:4]]
        parts = [column.partition(":") for column in named]
        listed = [{"source": source, "index": index or "exact"} for source, _, index in parts]
        query = self._query(text, picture, entry)
        return self.post("/api/search", {"query": query, "columns": listed, **options})

    def graph(
        self,
        text: str | None = None,
        *,
        source: str,
        picture: Path | str | bytes | None = None,
        entry: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Answer:
        """The graph of the first results; `options` are index, among, n, clusters and labels."""
        column = {"source": source, "index": options.pop("index", "exact")}
        query = self._query(text, picture, entry)
        return self.post("/api/graph", {"query": query, "column": column, **options})

    def map(self, source: str, method: str = "pca") -> tuple[Answer, dict[str, np.ndarray]]:
        """A map and its points by column (N,) float32, once made; raises `DataError` if it can't be."""
        asked = {"source": source, "method": method}
        until = time.monotonic() + self._timeout
        while (made := self.get("/api/map", **asked))["state"] == "computing":
            if time.monotonic() > until:
                raise DataError(f"the map is not ready after {self._timeout:g} seconds; ask again later")
            time.sleep(0.2)
        if made["state"] == "failed":
            raise DataError(made["message"])
        data = np.frombuffer(self._open("GET", f"/api/map/points?{urlencode(asked)}"), "<f4")
        return made, dict(zip(POINT_COLUMNS, data.reshape(len(POINT_COLUMNS), -1), strict=True))

    def picture(self, url: str, *, size: int = 384) -> bytes:
        """A picture of an answer, by its `picture`, as WebP."""
        return self._open("GET", f"{url}{'&' if '?' in url else '?'}size={size}")

    def get(self, path: str, **parameters: Any) -> Answer:
        """Ask any address of the API: `get("/api/metrics/classes", source=..., k=100)`."""
        return self._json("GET", f"{path}?{urlencode(parameters)}" if parameters else path)

    def post(self, path: str, value: Mapping[str, Any]) -> Answer:
        """Ask any address of the API that takes a body."""
        return self._json("POST", path, json.dumps(value).encode(), "application/json")

    def _query(
        self, text: str | None, picture: Path | str | bytes | None, entry: Mapping[str, str] | None
    ) -> Answer:
        upload = None if picture is None else self.upload(picture)
        return {"text": text, "upload": upload, "entry": None if entry is None else _name(entry)}

    def _json(self, method: str, path: str, data: bytes | None = None, kind: str = "") -> Answer:
        return json.loads(self._open(method, path, data, kind))

    def _open(self, method: str, path: str, data: bytes | None = None, kind: str = "") -> bytes:
        headers = {"Authorization": f"Bearer {self._token}", **({"Content-Type": kind} if kind else {})}
        request = Request(self._base + path, data=data, headers=headers, method=method)
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                return response.read()
        except HTTPError as error:
            raise DataError(_said(error)) from error
        except (URLError, TimeoutError) as error:
            raise DataError(f"no explorer answers at {self._base} ({error}); is it running?") from error


def _name(entry: Mapping[str, str]) -> dict[str, str]:
    """What names an entry, of all that a result holds."""
    return {key: entry[key] for key in ("source", "modality", "id")}


def _said(error: HTTPError) -> str:
    try:
        return json.loads(error.read())["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return f"the explorer answered {error.code} {error.reason}"
