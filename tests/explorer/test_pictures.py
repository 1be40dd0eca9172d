"""Uploads are checked before they are decoded; small copies are small."""

import base64
import io
import struct
import zlib

import pytest
from PIL import Image

from xmr.core.errors import ConfigError
from xmr.explorer.pictures import UPLOAD_BYTES, Uploads, check_size, opened, small
from xmr.explorer.problems import NotAPictureError, NotFoundError, TooLargeError
from xmr.explorer.recent import Recent

WRONG_EXIF = base64.b64decode(
    "UklGRoIAAABXRUJQVlA4WAoAAAAIAAAADwAADwAAVlA4IDAAAADQAQCdASoQABAAAUAmJaACdLoB+AADsAD+8ut//NgVzXPv9//S"
    "4P0uD9Lg/9KQAABFWElGLAAAAE1NACoAAAAIAAIBAQACAAAABgAAACYBEgADAAAAAQAGAAcAAAAAaGVsbG8A"
)
"""A WebP whose EXIF has a number of another type than the format allows."""


def encoded(picture, kind="PNG", **more):
    file = io.BytesIO()
    picture.save(file, kind, **more)
    return file.getvalue()


def bomb(width, height):
    """A PNG that says it has so many pixels, in a hundred bytes."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def wrong_tag():
    """A TIFF that says with text where its pixels are."""
    data = bytearray(encoded(Image.new("RGB", (8, 6), "red"), "TIFF"))
    [start] = struct.unpack_from("<I", data, 4)
    [count] = struct.unpack_from("<H", data, start)
    for at in range(start + 2, start + 2 + 12 * count, 12):
        if struct.unpack_from("<H", data, at) == (273,):
            struct.pack_into("<HI", data, at + 2, 2, 1)
    return bytes(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_pictures_of_many_kinds_are_opened_upright_and_in_rgb(kind):
    picture = opened(encoded(Image.new("RGB", (30, 20), "red"), kind))
    assert (picture.mode, picture.size) == ("RGB", (30, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    assert opened(encoded(Image.new("RGB", (30, 20)), "JPEG", exif=exif)).size == (20, 30)
    clear = opened(encoded(Image.new("RGBA", (2, 2), (0, 0, 0, 0)), "PNG"))
    assert clear.getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("size", [(50_000, 50_000), (8001, 8000), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_refused_before_it_is_decoded(size):
    assert len(bomb(*size)) < 200
    with pytest.raises(TooLargeError, match="million"):
        opened(bomb(*size))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no picture",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%!PS-Adobe-3.0 EPSF-3.0",
        bomb(10, 10),
        WRONG_EXIF,
        wrong_tag(),
    ],
)
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(NotAPictureError):
        opened(data)


def test_uploads_are_kept_by_content_and_forgotten_in_turn():
    uploads = Uploads()
    data = encoded(Image.new("RGB", (30, 20), "red"))
    first = uploads.add(data)
    assert (first.width, first.height) == (30, 20)
    assert uploads.add(data).id == first.id
    for number in range(64):
        uploads.add(encoded(Image.new("RGB", (4, 4), (number, 0, 0))))
    with pytest.raises(NotFoundError, match="upload it again"):
        uploads.picture(first.id)
    with pytest.raises(TooLargeError, match="20 MB"):
        uploads.add(bytes(UPLOAD_BYTES + 1))


def test_small_copies_are_no_larger_than_asked_or_than_they_were():
    for size, (width, height) in ((96, (96, 48)), (768, (200, 100))):
        copy = Image.open(io.BytesIO(small(Image.new("RGB", (200, 100)), size).data))
        assert (copy.format, copy.size) == ("WEBP", (width, height))
    assert small(Image.new("RGB", (2, 2)), 96).tag != small(Image.new("RGB", (2, 2), "red"), 96).tag
    with pytest.raises(ConfigError, match="size=100"):
        check_size(100)


def test_a_memory_keeps_what_was_used_last():
    kept = Recent(3, nbytes=10, size_of=len)
    for name in "abc":
        kept.put(name, name)
    kept.get("a")
    kept.put("d", "d")
    assert [kept.get(name) for name in "abcd"] == ["a", None, "c", "d"]
    kept.put("e", "e" * 9)
    assert len(kept) == 2
    kept.put("f", "f" * 11)
    assert len(kept) == 0
