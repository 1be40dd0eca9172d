"""A train.py that learns nothing, for tests of sweeps; it treats run folders as the real one does."""

import json
import os
import subprocess
import sys
from pathlib import Path

from xmr.evaluation.protocol import Protocol
from xmr.evaluation.results_file import RESULTS_SCHEMA

PROTOCOL = Protocol(data="toys", data_fingerprint="f00d", split="val")
ROOT = Path(__file__).resolve().parents[3]

# epochs are worth epoch * quality, on which seeds hardly tell, and take PACE seconds; seed=13 fails; without
# the file GO a run waits after its first epoch
TRAIN = """
import json, os, re, signal, sys, time
from pathlib import Path

settings = dict(word.split("=", 1) for word in sys.argv[1:])
for key, value in settings.items():
    settings[key] = float(value) if re.fullmatch(r"[-\\d.e]+", value) else value.strip("'")
if "resume" in settings:
    run = Path(settings["resume"])
    settings = json.loads((run / "config.yaml").read_text())
else:
    run = Path(settings["hydra.run.dir"])
    (run / "checkpoints").mkdir(parents=True, exist_ok=True)
    (run / "config.yaml").write_text(json.dumps(settings))
    (run / "metrics.csv").write_text("step,epoch,val/toys/mean_recall,train/loss\\n0,0.0,0.9,\\n")
if settings.get("seed") == 13:
    sys.exit("error: seed=13 brings bad luck; use another")
last = run / "checkpoints/last.ckpt"

def save(signum, frame):
    with (run / "signals").open("a") as file:
        file.write(f"{signum}\\n")
    sys.exit(128 + signum)

signal.signal(signal.SIGTERM, save)
begun = int(last.read_text()) if last.exists() else 0
quality = {"info_nce": 0.1, "siglip": 0.05, "triplet": 0.01}.get(settings.get("loss"), 0.02)
quality += settings.get("seed", 0) / 1000 + settings.get("optimizer.lr", 0) / 100
for epoch in range(begun + 1, int(settings.get("trainer.max_epochs", 3)) + 1):
    with (run / "metrics.csv").open("a") as file:
        file.write(f"{epoch * 4},{epoch}.0,{epoch * quality},\\n{epoch * 4 + 1},{epoch}.0,,1.5\\n")
    saved = last.with_suffix(".part")
    saved.write_text(str(epoch))
    saved.replace(last)
    while not Path("GO").exists():
        time.sleep(0.01)
    time.sleep(float(os.environ.get("PACE", 0)))
metrics = {"mean_recall": epoch * quality}
results = {"schema_version": SCHEMA, "protocol": json.loads('PROTOCOL'), "metrics": metrics}
(run / "results.json").write_text(json.dumps(results))
""".replace("SCHEMA", str(RESULTS_SCHEMA)).replace("PROTOCOL", json.dumps(PROTOCOL.to_json()))

SWEEP = """
import sys
from pathlib import Path

from xmr.pipelines.sweep import engines, loop
from xmr.pipelines.cli import guarded_main
from xmr.pipelines.sweep.command import sweep

engines.CONF = Path(__file__).resolve().parent / "conf"
loop.POLL_SECONDS, loop.LOOK_SECONDS = 0.05, 0.2
words = [word for word in sys.argv[1:] if not word.startswith("--")]
guarded_main(lambda: sweep(words, retry_failed="--retry-failed" in sys.argv))
"""

TOYS = """
sampler: grid
overrides: [experiment=shapes, trainer.max_epochs=3]
space:
  loss: [info_nce, siglip, triplet]
  seed: [0, 1]
"""


def prepare(folder: Path) -> None:
    """The stand-in, a sweep.py that uses it, and the sweep toys.yaml of 6 runs."""
    for name, content in (("train.py", TRAIN), ("sweep.py", SWEEP), ("toys.yaml", TOYS)):
        (folder / name).write_text(content)
    (folder / "GO").touch()


def start_sweep(folder: Path, *words: str, pace: float = 0) -> subprocess.Popen[str]:
    """`scripts/sweep.py sweep=toys.yaml *words` with the stand-in, in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "sweep.py", "sweep=toys.yaml", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "PACE": str(pace)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _started.append(process)
    return process


_started: list[subprocess.Popen[str]] = []


def stop_sweeps() -> None:
    """Stop what is left of the sweeps that a test has started, and their runs."""
    while _started:
        process = _started.pop()
        if process.poll() is None:
            process.terminate()
            process.communicate(timeout=60)
