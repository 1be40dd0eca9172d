import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xmr.core.errors import DataError, MissingFilesError
from xmr.data.images import FolderImages, as_rgb

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 24, 3), dtype=np.uint8))


def encoded(form: str, image: Image.Image = NOISE, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def put(folder: Path, content: bytes, name: str = "x") -> FolderImages:
    (folder / name).write_bytes(content)
    return FolderImages(folder)


@pytest.mark.parametrize("form", ["png", "webp", "bmp", "tiff"])
def test_reads_pixels_as_they_are(tmp_path, form):
    reader = put(tmp_path, encoded(form, **({"lossless": True} if form == "webp" else {})))
    image = reader("x")
    assert image.mode == "RGB"
    assert np.array_equal(np.asarray(image), np.asarray(NOISE))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "F"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    if mode == "I;16":
        image = Image.fromarray(np.full((20, 24), 200, np.uint16))
    else:
        image = NOISE.convert("L").convert(mode) if mode == "F" else NOISE.convert(mode)
    read = put(tmp_path, encoded("tiff", image))("x")
    assert (read.mode, read.size) == ("RGB", (24, 20))


def test_transparency_shows_white():
    clear = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    clear.putpixel((0, 0), (10, 20, 30, 255))
    assert [as_rgb(clear).getpixel((x, 0)) for x in (0, 1)] == [(10, 20, 30), (255, 255, 255)]
    palette = Image.new("P", (1, 1), 0)
    palette.info["transparency"] = 0
    assert as_rgb(palette).getpixel((0, 0)) == (255, 255, 255)


def test_photographs_stand_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned
    reader = put(tmp_path, encoded("png", NOISE, exif=exif))
    assert np.array_equal(np.asarray(reader("x")), np.asarray(NOISE.transpose(Image.Transpose.ROTATE_270)))


def test_absolute_keys_are_used_as_they_are(tmp_path):
    put(tmp_path, encoded("png"))
    assert FolderImages("elsewhere")(str(tmp_path / "x")).size == (24, 20)


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.jpg does not exist"):
        FolderImages(tmp_path)("gone.jpg")


@pytest.mark.parametrize("key", ["", "."])
def test_a_folder_is_no_image(tmp_path, key):
    with pytest.raises(DataError, match="can't be read"):
        FolderImages(tmp_path)(key)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("form", ["png", "jpeg", "webp", "gif", "tiff", "bmp", "avif"])
def test_damaged_files_are_named(tmp_path, form):
    """Cut anywhere, or with bytes changed: an image or a `DataError` that names the file, nothing else."""
    whole, rng, refused = encoded(form), np.random.default_rng(0), 0
    cuts = [whole[:size] for size in np.linspace(0, 0.9 * len(whole), 25).astype(int)]
    for content in cuts:
        with pytest.raises(DataError, match="can't be read"):
            put(tmp_path, content)("x")
    for _ in range(40):
        content = np.frombuffer(whole, np.uint8).copy()
        content[rng.integers(0, min(len(content), 200), 4)] = rng.integers(0, 256, 4)
        try:
            put(tmp_path, content.tobytes())("x")
        except DataError:
            refused += 1
    assert refused


def test_too_many_pixels_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match="exceeds limit"):
        put(tmp_path, encoded("png"))("x")


def test_fingerprint_changes_with_content_and_keys(tmp_path):
    reader = put(tmp_path, encoded("png"))
    put(tmp_path, encoded("png"), "y")
    first = reader.fingerprint(["x", "y"])
    assert reader.fingerprint(["x", "y"]) == first
    assert len({first, reader.fingerprint(["y", "x"]), reader.fingerprint(["x"])}) == 3
    put(tmp_path, encoded("png") + b"\0", "y")
    larger = reader.fingerprint(["x", "y"])
    assert larger != first
    os.utime(tmp_path / "y", ns=(0, 0))
    assert reader.fingerprint(["x", "y"]) not in (first, larger)


def test_fingerprint_lists_all_missing_images(tmp_path):
    reader = put(tmp_path, encoded("png"))
    with pytest.raises(MissingFilesError, match="2 problems") as error:
        reader.fingerprint(["a", "x", "b"])
    assert "'a'" in str(error.value)
    assert "'b'" in str(error.value)


def test_readers_survive_pickling(tmp_path):
    reader = put(tmp_path, encoded("png"))
    assert pickle.loads(pickle.dumps(reader))("x").size == (24, 20)
