"""The npm packages that the emoji data set is built from: fetched with npm, unpacked."""

import shutil
import subprocess
import tarfile
from pathlib import Path

from rich.console import Console

from xmr.core.errors import MissingFilesError, problems_message
from xmr.pipelines.emoji.sources import PACKAGES, package_stem


def fetch_packages(folder: Path) -> Path:
    """Have npm download the pinned packages into `folder`; raises `MissingFilesError` when it can't."""
    npm = shutil.which("npm")
    if npm is None:
        raise MissingFilesError("npm is not installed; install Node.js, or pass --packages DIR")
    folder.mkdir()
    for name, version in PACKAGES.items():
        Console().print(f"fetching {name} {version}", highlight=False)
        command = [npm, "pack", f"{name}@{version}", "--silent", "--pack-destination", str(folder)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            reason = result.stderr.strip().splitlines() or ["no message"]
            raise MissingFilesError(f"npm could not fetch {name}@{version} ({reason[-1]}); check the network")
    return folder


def unpack_packages(archives: Path, folder: Path) -> Path:
    """Unpack each package's archive into a folder of its own; `MissingFilesError` lists missing ones."""
    paths = {name: archives / f"{package_stem(name)}.tgz" for name in PACKAGES}
    missing = [f"{name} {PACKAGES[name]}: {path}" for name, path in paths.items() if not path.is_file()]
    if missing:
        remedy = "Fetch each with `npm pack NAME@VERSION`, or run without --packages."
        raise MissingFilesError(problems_message(f"packages in {archives}", missing, remedy))
    for name, path in paths.items():
        try:
            with tarfile.open(path) as archive:
                archive.extractall(folder / package_stem(name), filter="data")
        except (tarfile.TarError, EOFError) as error:
            raise MissingFilesError(f"{path} can't be unpacked ({error}); fetch it anew") from error
    return folder
