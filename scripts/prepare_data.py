"""Build a data set's files: `python scripts/prepare_data.py emoji`."""

import argparse
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from rich.progress import track

from xmr.core.errors import MissingFilesError, XmrError, problems_message
from xmr.data.emoji import FOLDER
from xmr.pipelines.emoji_sources import PACKAGES, package_stem
from xmr.pipelines.prepare_emoji import prepare_emoji


def main() -> None:
    """Parse the command line, build the data set, and say where it lies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", choices=["emoji"], help="the data set to build")
    parser.add_argument(
        "--packages", type=Path, help="folder with the .tgz files of `npm pack`; without it npm fetches them"
    )
    parser.add_argument(
        "--output", type=Path, default=FOLDER, help="folder to write to (default: where load_emoji reads)"
    )
    arguments = parser.parse_args()
    try:
        build_emoji(arguments.packages, arguments.output)
    except (XmrError, OSError) as error:
        sys.exit(f"error: {error}")


def build_emoji(packages: Path | None, output: Path) -> None:
    """Unpack the packages' archives to a temporary folder and build the emoji data set from them."""
    with tempfile.TemporaryDirectory() as scratch:
        archives = packages or fetch(Path(scratch) / "archives")
        unpacked = unpack(archives, Path(scratch) / "packages")
        header = prepare_emoji(
            unpacked, output, track=lambda ids: track(ids, "pictures", disable=not sys.stderr.isatty())
        )
    print(
        f"{header['items']} items, {header['pictures']} pictures and {header['edits']} edits "
        f"written to {output}\nNext: python train.py data=emoji"
    )


def fetch(folder: Path) -> Path:
    """Have npm download the pinned packages into `folder`; raises `MissingFilesError` when it can't."""
    npm = shutil.which("npm")
    if npm is None:
        raise MissingFilesError("npm is not installed; install Node.js, or pass --packages DIR")
    folder.mkdir()
    for name, version in PACKAGES.items():
        print(f"fetching {name} {version}")
        command = [npm, "pack", f"{name}@{version}", "--silent", "--pack-destination", str(folder)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            reason = result.stderr.strip().splitlines() or ["no message"]
            raise MissingFilesError(f"npm could not fetch {name}@{version} ({reason[-1]}); check the network")
    return folder


def unpack(archives: Path, folder: Path) -> Path:
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


if __name__ == "__main__":
    main()
