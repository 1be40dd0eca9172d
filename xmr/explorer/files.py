"""The front end's files: a list made once, from which alone requests are answered."""

import hashlib
from importlib.resources import files
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from xmr.explorer.problems import NotFoundError

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}


class Assets:
    """The files below `folder` with a known ending, by their path relative to it.

    A path from a request is looked up in the list, never joined to a folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or Path(str(files("xmr.explorer").joinpath("assets")))
        self._files = {
            path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.is_symlink() and path.suffix in TYPES
        }

    @property
    def names(self) -> list[str]:
        """What may be asked for."""
        return list(self._files)

    def response(self, name: str, request: Request) -> Response:
        """The file `name`, or 304 where the browser has it; raises `NotFoundError`."""
        if name not in self._files:
            raise NotFoundError(f"there is no file '{name}'")
        path = self._files[name]
        data = path.read_bytes()
        return tagged(data, request, tag=hashlib.sha256(data).hexdigest()[:16], media_type=TYPES[path.suffix])


def tagged(data: bytes, request: Request, *, tag: str, media_type: str, cache: str = "no-cache") -> Response:
    """`data` with an ETag; 304 without content where the browser has the same."""
    headers = {"ETag": f'"{tag}"', "Cache-Control": cache}
    if f'"{tag}"' in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=media_type, headers=headers)
