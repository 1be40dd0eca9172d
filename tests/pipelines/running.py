"""How tests run xmr's commands: in this process for speed, or in a real one."""

import io
import os
import runpy
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it printed."""

    code: int
    stdout: str
    stderr: str


def train_here(
    *arguments: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Outcome:
    """`python train.py *arguments` in this process."""
    monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
    code = 0
    try:
        runpy.run_path(str(ROOT / "train.py"), run_name="__main__")
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return Outcome(code, captured.out, captured.err)


def script_here(*words: str, cwd: Path) -> Outcome:
    """A script of the repository, given as its path and arguments, in this process and the folder `cwd`."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(cwd)
        patch.setattr(sys, "argv", list(words))
        try:
            runpy.run_path(str(ROOT / words[0]), run_name="__main__")
        except SystemExit as stop:
            code = int(stop.code or 0)
    return Outcome(code, out.getvalue(), err.getvalue())


def command(*words: str, cwd: Path, **environment: str) -> list[str]:
    """The real command line for a script of the repository, given as its path and arguments."""
    return [sys.executable, str(ROOT / words[0]), *words[1:]]


def run_script(*words: str, cwd: Path, timeout: float = 600, **environment: str) -> Outcome:
    """Run a script of the repository in a process of its own, in the folder `cwd`."""
    done = subprocess.run(
        command(*words, cwd=cwd),
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)
