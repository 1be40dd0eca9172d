"""A config is read group by group, and is what YAML says it is."""

from pathlib import Path

import pytest
import yaml

from tests.reporting.synthetic_runs import config
from xmr.core.errors import DataError
from xmr.reporting.records.config import read_config


@pytest.mark.parametrize(
    "text",
    [
        yaml.safe_dump(config(stages=[{"name": "I", "epochs": 3}, {"name": "II", "epochs": 4}])),
        "# a comment\nloss:\n  margin: 0.2\n\n# another\nstages:\n- name: I\n  epochs: 3\nname: 'a b'\n",
        "base: &base {a: 1, b: 2}\nother:\n  <<: *base\n  b: 3\n",
        "---\na: 1\n",
        "a: [1,\n2, 3]\nb: |\n  text: of\n  lines\n",
        "a: 1\nb: 2\na: 3\n",
    ],
)
def test_it_is_what_the_whole_file_holds(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    assert read_config(tmp_path / "config.yaml") == yaml.safe_load(text)


def test_no_file_is_no_settings(tmp_path: Path) -> None:
    assert read_config(tmp_path / "config.yaml") == {}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"loss: [1, 2", "no YAML"),
        (b"a: 1\n  b: 2\n", "no YAML"),
        (b"\xff\xfe\x00", "no YAML"),
        (b"just words", "holds no settings"),
        (b"", "holds no settings"),
        (b"- a\n- b\n", "holds no settings"),
    ],
)
def test_damaged_files_are_told_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "config.yaml").write_bytes(content)
    with pytest.raises(DataError, match=said) as raised:
        read_config(tmp_path / "config.yaml")
    assert "\n" not in str(raised.value)
