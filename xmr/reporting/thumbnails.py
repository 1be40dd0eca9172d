"""Small pictures inside a page, each once, as many as the page may hold."""

import base64
from collections.abc import Callable, Hashable
from io import BytesIO
from typing import Any

from PIL import Image

from xmr.core.errors import XmrError
from xmr.reporting.views import View, fit

PICTURE_BYTES = 6_000_000
"""What the small pictures of a page may take in all: it is sent as one file, and opened as one."""
THUMBNAIL = 112


class Thumbnails:
    """Pictures as [data URI, width, height], numbered in the order in which they were asked for.

    Once `limit` bytes are used up no more are added; what was asked for and what can't be read is counted.
    """

    def __init__(self, *, limit: int = PICTURE_BYTES) -> None:
        self.pictures: list[list[Any]] = []
        self._left = limit
        self._numbers: dict[Hashable, int | None] = {}
        self._wanted = 0
        self._unreadable: list[str] = []

    def add(self, key: Hashable, look: Callable[[], View]) -> tuple[int | None, View]:
        """The number of the picture under `key`, None where it has none or there is no room, and its view."""
        try:
            view = look()
        except XmrError as error:
            if key not in self._numbers:
                self._numbers[key] = None
                self._wanted += 1
                self._unreadable.append(str(error))
            return None, View()
        if key not in self._numbers:
            self._numbers[key] = self._added(view.image)
        return self._numbers[key], view

    def notes(self) -> list[str]:
        """How many of the pictures wanted are there, and why others are not."""
        if not self._wanted:
            return []
        notes = [f"{len(self.pictures):,} of {self._wanted:,} pictures are on this page"]
        if self._unreadable:
            notes.append(
                f"{len(self._unreadable):,} pictures can't be read, the first: {self._unreadable[0]}"
            )
        return notes

    def _added(self, image: Image.Image | None) -> int | None:
        if image is None:
            return None
        self._wanted += 1
        if self._left <= 0:
            return None
        picture = _data_uri(image)
        self._left -= len(picture[0])
        if self._left < 0:
            return None
        self.pictures.append(picture)
        return len(self.pictures) - 1


def _data_uri(picture: Image.Image) -> list[Any]:
    small = fit(picture, THUMBNAIL)
    file = BytesIO()
    small.save(file, format="JPEG", quality=72, optimize=True)
    return ["data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode(), *small.size]
