import hashlib
import json
import subprocess
import sys
import time

import pytest

from xmr.core.files import atomic_path, fingerprint, sha256_file, write_json, write_text


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_written_file_replaces_the_old_one_and_leaves_nothing_beside_it(tmp_path):
    target = tmp_path / "new" / "folder" / "result.txt"
    write_text(target, "old")
    write_text(str(target), "é\n")
    assert target.read_bytes() == "é\n".encode()
    assert names(target.parent) == ["result.txt"]


@pytest.mark.parametrize("existing", [True, False])
def test_an_exception_leaves_the_old_file_and_no_temporary_one(tmp_path, existing):
    target = tmp_path / "result.txt"
    if existing:
        target.write_text("old")

    def half():
        with atomic_path(target) as path:
            path.write_text("half of the new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert names(tmp_path) == (["result.txt"] if existing else [])
    assert not existing or target.read_text() == "old"


def test_a_body_that_writes_nothing_is_an_error_and_leaves_the_old_file(tmp_path):
    target = tmp_path / "result.txt"
    target.write_text("old")
    with pytest.raises(FileNotFoundError), atomic_path(target):
        pass
    assert target.read_text() == "old"


def test_two_writers_of_one_target_do_not_share_a_temporary_file(tmp_path):
    target = tmp_path / "result.txt"
    with atomic_path(target) as first:
        with atomic_path(target) as second:
            second.write_text("second")
        first.write_text("first")
    assert target.read_text() == "first"
    assert names(tmp_path) == ["result.txt"]


WRITER = """
import itertools, sys
from xmr.core.files import write_text
print("ready", flush=True)
for letter in itertools.cycle("ab"):
    write_text(sys.argv[1], letter * 4_000_000)
"""


def test_a_killed_writer_never_leaves_a_torn_file(tmp_path):
    target = tmp_path / "result.txt"
    write_text(target, "a" * 4_000_000)
    for n in range(8):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(target)], stdout=subprocess.PIPE)
        writer.stdout.readline()
        time.sleep(0.013 * (n + 1))
        writer.kill()
        writer.wait()
        writer.stdout.close()
        text = target.read_text()
        assert len(text) == 4_000_000
        assert len(set(text)) == 1


def test_json_is_readable_and_refuses_what_json_has_no_word_for(tmp_path):
    target = tmp_path / "result.json"
    write_json(target, {"name": "é", "value": [1, 0.5, None]})
    assert json.loads(target.read_text()) == {"name": "é", "value": [1, 0.5, None]}
    assert "é" in target.read_text()
    with pytest.raises(ValueError, match="JSON"):
        write_json(target, {"loss": float("nan")})
    assert json.loads(target.read_text())["name"] == "é"


def test_sha256_is_of_the_bytes(tmp_path):
    (tmp_path / "x").write_bytes(b"\x00\r\nabc" * 100_000)
    assert sha256_file(tmp_path / "x") == hashlib.sha256(b"\x00\r\nabc" * 100_000).hexdigest()


def test_a_fingerprint_changes_with_every_part_and_not_with_the_order_of_keys():
    assert fingerprint("a", {"x": 1, "y": [2]}) == fingerprint("a", {"y": [2], "x": 1})
    other = [
        ("a", {"x": 1}),
        ("a", {"x": 2}),
        ("b", {"x": 1}),
        ({"x": 1}, "a"),
        ("a", {"x": "1"}),
        ("a",),
        ("ab",),
    ]
    prints = {fingerprint(*parts) for parts in other}
    assert len(prints) == len(other)
    assert all(len(text) == 16 and int(text, 16) >= 0 for text in prints)
