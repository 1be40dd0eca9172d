"""What README tells a stranger to type is right."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from xmr.pipelines.cli import CONF, register_resolvers
from xmr.pipelines.overrides import check_overrides

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```bash\n(.*?)```", TEXT, flags=re.DOTALL)
COMMANDS = [line.split("#")[0].strip() for block in BLOCKS for line in block.splitlines() if line.strip()]


def commands(prefix: str) -> list[str]:
    return [line for line in COMMANDS if line.startswith(prefix)]


def test_there_are_commands() -> None:
    assert len(commands("python train.py")) >= 3
    assert commands("make") >= ["make demo", "make test"]


@pytest.mark.parametrize("line", [line for line in commands("python train.py") if "resume=" not in line])
def test_every_train_command_has_valid_settings(line: str) -> None:
    register_resolvers()
    arguments = [word.strip("'\"") for word in line.split()[2:]]
    check_overrides(CONF, "train", arguments)


@pytest.mark.parametrize("target", sorted({line.split()[1] for line in commands("make")}))
def test_every_make_target_exists(target: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("script", sorted(path.name for path in (ROOT / "scripts").glob("*.py")))
def test_every_script_has_help_with_an_example(script: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / script), "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"python scripts/{script}" in done.stdout


def test_every_file_that_readme_names_exists() -> None:
    for name in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert (ROOT / name).exists(), name
