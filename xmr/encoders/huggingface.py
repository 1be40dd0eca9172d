"""Where a Hugging Face model lies: a folder, an installed package, or the hub and its cache."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import (  # HTTPError: of httpx or httpx2, by its version
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from transformers.utils import logging as transformers_logging

from xmr.core.errors import DataError, MissingFilesError, problems_message
from xmr.core.files import fingerprint
from xmr.encoders.packages import package_path

PACKAGE = "package:"
WEIGHTS = ("*.safetensors", "*.bin")
SMALL_FILES = ["*.json", "*.txt", "*.model"]
ASK_SECONDS = 10


def model_folder(name_or_path: str) -> Path:
    """The folder with the model's files.

    `name_or_path` is a folder, `package:<package>/<folder>` inside an installed package, or a hub name,
    which is looked for in the local cache, then downloaded. Raises `MissingFilesError` saying how to get it.
    """
    if name_or_path.startswith(PACKAGE):
        package, _, inside = name_or_path.removeprefix(PACKAGE).partition("/")
        return package_path(package, inside)
    if Path(name_or_path).is_dir():
        return Path(name_or_path)
    return _cached(name_or_path) or _download(name_or_path)


def load_pretrained(auto_class: Any, folder: Path, *, unused: tuple[str, ...] = ()) -> Any:
    """The model in `folder`, from safetensors or weights-only files; never with code of its own.

    Raises `DataError` when weights are missing that would be left random, those starting with one of
    `unused` aside.
    """
    try:
        with _quiet():
            model, report = auto_class.from_pretrained(folder, output_loading_info=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"model in {folder} can't be loaded ({error}); mend or replace the folder") from error
    missing = [key for key in sorted(report["missing_keys"]) if not key.startswith(unused)]
    if missing:
        raise DataError(
            problems_message(
                f"model in {folder}",
                (f"no weights for {key}" for key in missing),
                "They would be random: use a model that has them, or another pooling.",
            )
        )
    return model


def load_part(auto_class: Any, folder: Path) -> Any:
    """The configuration, tokenizer or image settings in `folder`; raises `DataError` without them."""
    try:
        return auto_class.from_pretrained(folder)
    except (OSError, ValueError, ImportError) as error:
        part = auto_class.__name__.removeprefix("Auto")
        raise DataError(f"{folder} has no usable {part} ({error}); add its files to the folder") from error


def config_fingerprint(config: Any) -> str:
    """The model's type and a hash of its settings (number of heads, activation...), wherever it lies."""
    settings = json.loads(config.to_json_string(use_diff=False))
    for key in ("_name_or_path", "transformers_version"):
        settings.pop(key, None)
    return f"{config.model_type} {fingerprint(settings)}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bar and table of weights; what is missing is our error."""
    level, had_bar = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if had_bar:
            transformers_logging.enable_progress_bar()


def _cached(name: str) -> Path | None:
    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    except HFValidationError:
        raise MissingFilesError(f"'{name}' is no folder, nor a valid hub name; mend name_or_path") from None
    return folder if any(next(folder.glob(pattern), None) for pattern in WEIGHTS) else None


def _download(name: str) -> Path:
    """Ask the hub once, as `snapshot_download` alone would retry for half a minute without a network."""
    try:
        files = [file.rfilename for file in HfApi().model_info(name, timeout=ASK_SECONDS).siblings or []]
        safe = any("/" not in file and file.endswith(".safetensors") for file in files)
        logging.getLogger(__name__).info("downloading '%s' to %s", name, constants.HF_HUB_CACHE)
        wanted = [*SMALL_FILES, WEIGHTS[0] if safe else WEIGHTS[1]]
        return Path(snapshot_download(name, allow_patterns=wanted, ignore_patterns=["*/*"]))
    except RepositoryNotFoundError:
        reason = "the hub knows no such model, or it is private"
    except OfflineModeIsEnabled:
        reason = "HF_HUB_OFFLINE=1 forbids a download"
    except (HTTPError, LocalEntryNotFoundError) as error:
        reason = f"download failed: {str(error).partition(chr(10))[0]}"
    raise MissingFilesError(
        f"model '{name}' is no folder and not in the cache {constants.HF_HUB_CACHE} ({reason}).\n"
        f"With a network, run: hf download {name} --local-dir FOLDER\n"
        f"Copy FOLDER here if need be, and set name_or_path=FOLDER; "
        f"or choose an encoder whose weights are a pip package (encoder/text=minilm)."
    )
