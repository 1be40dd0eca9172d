"""A tiny trained run on a table of two-coloured pictures, for the commands that need a checkpoint."""

import json
from pathlib import Path

from PIL import Image

from tests.pipelines.running import script_here

COLOURS = ("red", "green", "blue", "yellow", "black", "white", "orange", "purple", "pink", "gray")


def train_tiny_run(workplace: Path) -> Path:
    """Train on 20 pictures with 2 captions each, 12 / 4 / 4 of them in train / val / test: the run folder."""
    rows = []
    (workplace / "photos").mkdir()
    for number in range(20):
        colour, size = COLOURS[number % 10], (("wide", (60, 30)), ("tall", (30, 60)))[number // 10]
        picture = Image.new("RGB", size[1], colour)
        picture.paste("navy", (0, 0, size[1][0] // 3, size[1][1] // 2))
        picture.save(workplace / f"photos/{number}.png")
        split = "train" if number < 12 else "val" if number < 16 else "test"
        captions = [f"a {size[0]} {colour} picture", f"{colour} [{number}]"]
        rows.append(
            {"id": f"p{number}", "image": f"photos/{number}.png", "captions": captions}
            | {"split": split, "label": colour}
        )
    (workplace / "table.jsonl").write_text("\n".join(map(json.dumps, rows)))
    columns = [f"data.{name}_column={name}" for name in ("id", "split", "label")]
    outcome = script_here(
        "train.py",
        "data=table",
        "data.path=table.jsonl",
        *columns,
        "encoder/text=glove_mean",
        "model.dim=16",
        "batch_size=6",
        "trainer.max_epochs=1",
        "evaluation.panels.queries=1",
        "logger=csv_only",
        "name=tiny",
        cwd=workplace,
    )
    assert outcome.code == 0, outcome.stderr
    return (workplace / "runs/tiny/latest").resolve()
