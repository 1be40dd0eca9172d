"""The config.yaml of a run, read quickly: the groups that runs of a sweep share are parsed once."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from xmr.core.errors import DataError

# libyaml's loader is ten times as fast, but not everywhere
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

GROUP = re.compile(r"^(?=\w)", re.MULTILINE)


def read_config(file: Path) -> dict[str, Any]:
    """The settings of the run, for reading alone; {} where there is no file, as of a result without a run.

    Raises `DataError`, in one line, for a file that can't be read and one that holds no settings.
    """
    try:
        text = file.read_text(encoding="utf-8")
        config = _parsed(text)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise DataError(f"can't be read ({error.strerror})") from error
    # ValueError: of a date that is none
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError(f"is no YAML, so it is damaged ({' '.join(str(error).split())})") from error
    if not isinstance(config, dict):
        raise DataError("holds no settings, so it is damaged")
    return config


def _parsed(text: str) -> Any:
    """What the YAML `text` holds, its top-level groups parsed one by one where they can be."""
    try:
        groups = [_group(part) for part in GROUP.split(text) if part.strip()]
    except yaml.YAMLError:
        groups = []  # parts that refer to each other, or a damaged file
    if groups and all(isinstance(group, dict) for group in groups):
        return {key: value for group in groups for key, value in group.items()}
    return yaml.load(text, Loader=LOADER)


@lru_cache(maxsize=4096)
def _group(text: str) -> Any:
    return yaml.load(text, Loader=LOADER)
