"""The doctor's command line finds what is wrong and says so with its exit code."""

from pathlib import Path

import pytest
from PIL import Image

from xmr.core.errors import ConfigError
from xmr.pipelines.doctor.command import doctor


def ask(*arguments: str, record: str | None = None, golden: str | None = None) -> None:
    doctor(arguments[0], arguments[1:], record=record, golden=golden)


def test_the_default_text_encoder_is_healthy(capsys: pytest.CaptureFixture[str]) -> None:
    ask("encoder", "encoder/text=glove_mean")
    printed = capsys.readouterr().out
    assert "MeanWordVectors" in printed
    assert "EfficientNetLite" not in printed, "only what was asked for"


def test_recorded_goldens_are_compared_with_later(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask("encoder", "encoder/text=glove_mean", record=str(tmp_path))
    golden = next(tmp_path.glob("*.json"))
    ask("encoder", "encoder/text=glove_mean", golden=str(tmp_path))
    first = golden.read_text()
    number = next(word for word in first.replace(",", " ").split() if word.startswith("0.0"))
    golden.write_text(first.replace(number, "0.9", 1))
    with pytest.raises(SystemExit) as stop:
        ask("encoder", "encoder/text=glove_mean", golden=str(tmp_path))
    assert stop.value.code == 1
    assert "golden" in capsys.readouterr().out


def test_leaks_between_splits_are_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for split in ("train", "test"):
        for name, shade in (("a", 10), ("b", 200)):
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            for number in range(3):
                Image.new("RGB", (8, 8), (shade + number, 0, 0)).save(folder / f"{split}{number}.png")
    with pytest.raises(SystemExit):
        ask("data", "data=image_folder", f"data.root={tmp_path}")
    assert "test0.png" in capsys.readouterr().out


def test_misspelt_settings_are_named() -> None:
    with pytest.raises(ConfigError, match="did you mean 'emoji'"):
        ask("data", "data=emojy")
