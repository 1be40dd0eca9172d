import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from tests.reporting.tracking.wandb_runs import (
    FINISHED,
    PROTOCOL,
    RANK,
    RECALL,
    finished_runs,
    isolate,
    start_live_run,
)
from xmr.core.errors import DataError
from xmr.core.run_state import RunningMark
from xmr.evaluation.results_file import read_queries
from xmr.reporting.records.settings import model_key
from xmr.reporting.tracking.files import read_wandb_runs, sync_command
from xmr.reporting.tracking.log import read_log

BLOCK = 32 * 1024


@pytest.fixture
def home(monkeypatch, tmp_path):
    isolate(monkeypatch, tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate(monkeypatch, tmp_path_factory.mktemp("wandb"))
        return finished_runs(tmp_path_factory.getbasetemp() / "finished-wandb-runs")


@pytest.fixture
def runs(made, tmp_path):
    """A copy of the finished runs."""
    return shutil.copytree(made, tmp_path / "runs", symlinks=True)


def wandb_file(runs, run_id):
    (file,) = runs.glob(f"{run_id}/wandb/offline-run-*/*.wandb")
    return file


def test_finished_runs_are_read_as_they_ended(runs):
    records, left_out = read_wandb_runs(runs)
    assert left_out == []
    assert [record.run_id for record in records] == list(FINISHED)
    record = records[1]
    assert (record.source, record.state, record.progress) == ("wandb-offline", "finished", "")
    assert (record.name, record.seed) == ("emoji", 2)
    assert record.protocol == PROTOCOL.to_json()
    assert record.metrics == {"mean_recall": 0.32, RECALL: 0.25, RANK: 12.0}, "final values, not the best"
    assert record.intervals == {RECALL: (0.125, 0.5)}
    assert record.model["trained_parameters"] == 50
    assert record.cost["train_seconds"] == 1.5
    assert record.created == "2026-11-22T12:00:02+00:00"
    assert runs / record.path == wandb_file(runs, "a2").parent


def test_per_query_results_lie_beside_them(runs):
    (runs / "a1/queries.parquet").unlink()
    record = read_wandb_runs(runs)[0][0]
    assert read_queries(record.queries_file)["text_to_image"].values["recall@1"].shape == (8,)


def test_seeds_are_one_model_and_losses_are_not(runs):
    a1, a2, b1, b2 = [model_key(record.settings) for record in read_wandb_runs(runs)[0]]
    assert a1 == a2 != b1 == b2


def test_wandb_itself_reads_the_same(runs, home):
    file = wandb_file(runs, "a2")
    inspect = [sys.executable, "-m", "wandb", "leet", "inspect", "--summary", "--json", str(file.parent)]
    said = subprocess.run(inspect, capture_output=True, text=True, check=True, timeout=60)
    theirs, ours = json.loads(said.stdout), read_log([file])
    assert ours.exit_code == 0
    assert theirs["state"] == "finished"
    for name, value in theirs["summary"].items():
        if not name.startswith("_"):
            assert ours.summary[name] == value, name


def test_a_live_run_and_what_is_left_when_it_is_killed(home):
    folder = home / "runs/live"
    process = start_live_run(folder, "live")
    try:
        (live,), left_out = read_wandb_runs(home)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    (killed,), left_out_then = read_wandb_runs(home)
    assert (live.state, killed.state) == ("running", "stopped")
    assert left_out == left_out_then == []
    for record in (live, killed):
        assert record.progress == "epoch 2 of 3"
        assert record.metrics == {"mean_recall": 0.25, RECALL: 0.25, RANK: 20.0}, "the last, not the best"


def test_the_parts_of_a_resumed_run_are_one(runs):
    stopped, finished = sorted((runs / "a1/wandb").glob("offline-run-*"))
    (record,), _ = read_wandb_runs(runs / "a1")
    assert (record.run_id, record.state) == ("a1", "finished")
    assert runs / "a1" / record.path == finished
    shutil.rmtree(finished)
    (record,), _ = read_wandb_runs(runs / "a1")
    assert (record.run_id, record.state) == ("a1", "stopped")
    assert record.progress == "epoch 2 of 3"
    assert runs / "a1" / record.path == stopped


def test_known_runs_are_not_even_opened(runs):
    wandb_file(runs, "a2").write_bytes(b"nonsense")
    records, left_out = read_wandb_runs(runs, known={"a1", "a2"})
    assert [record.run_id for record in records] == ["b1", "b2"]
    assert left_out == []


def test_links_are_not_followed(runs):
    (runs / "again").symlink_to(runs / "a1")
    assert (runs / "a1/wandb/latest-run").is_symlink()
    assert len(read_wandb_runs(runs)[0]) == 4


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: b"", "nothing of it yet"),
        (lambda data: data[:7], "nothing of it yet"),
        (lambda data: b"PK\3\4" + data[4:], "does not begin as wandb's files do"),
        (lambda data: data[:300] + bytes([data[300] ^ 1]) + data[301:], "checksum at byte"),
        (lambda data: data[:11] + b"\xff\xff" + data[13:], "checksum at byte 7 "),
        (lambda data: data[:20] + b"\x00" * 40 + data[60:], "checksum at byte 7 "),
    ],
)
def test_what_cannot_be_read_is_listed(runs, damage, reason):
    file = wandb_file(runs, "b1")
    file.write_bytes(damage(file.read_bytes()))
    records, left_out = read_wandb_runs(runs)
    assert [record.run_id for record in records] == ["a1", "a2", "b2"]
    (left,) = left_out
    assert left.path == str(file.parent.relative_to(runs))
    assert "\n" not in left.reason
    assert reason in left.reason


def test_a_file_that_is_cut_anywhere_is_a_run_that_was_killed(runs):
    file = wandb_file(runs, "b1")
    data = file.read_bytes()
    begun = 0
    for size in np.random.default_rng(0).integers(8, len(data) - 1, 40):
        file.write_bytes(data[:size])
        records, left_out = read_wandb_runs(runs / "b1")
        assert [record.state for record in records] == ["stopped"] * len(records)
        assert len(records) + len(left_out) == 1
        begun += len(records)
    assert begun > 10


def test_zeros_that_a_power_cut_leaves_end_a_file(runs):
    file = wandb_file(runs, "b1")
    with file.open("ab") as opened:
        opened.write(bytes(5000))
    assert len(read_wandb_runs(runs)[0]) == 4


def test_a_run_without_a_file_and_one_of_another_program_are_listed(runs):
    wandb_file(runs, "a2").unlink()
    other = runs / "b2/wandb/offline-run-20261122_000000-b2"
    wandb_file(runs, "b2").parent.rename(other)
    write_log(other / "run-b2.wandb", [record(run={"run_id": "b2", "project": "p"})])
    left_out = read_wandb_runs(runs)[1]
    assert [left.path.partition("/")[0] for left in left_out] == ["a2", "b2"]
    assert "No such file" in left_out[0].reason
    assert "no xmr_protocol" in left_out[1].reason


@pytest.mark.parametrize("value", ['"NaN"', "NaN", '"Infinity"', "null"])
def test_a_figure_that_is_no_number_is_named(runs, value):
    file = wandb_file(runs, "b2")
    (last,) = [each for each in reversed(records_of(file)) if each.HasField("exit")]
    said = record(summary={"update": [{"key": f"val/emoji/{RECALL}", "value_json": value}]})
    write_log(file, [*records_of(file), said, last])
    (left,) = read_wandb_runs(runs)[1]
    assert RECALL in left.reason


def record(**content):
    """A record of wandb's file."""
    from google.protobuf.json_format import ParseDict
    from wandb.proto.wandb_internal_pb2 import Record

    return ParseDict(content, Record())


def write_log(file, records):
    """LevelDB's log format, written as its specification says: chunks that do not cross blocks of 32 KiB."""
    data = bytearray(b":W&B\xe1\xbe\x00")
    for each in records:
        rest, first = each.SerializeToString(), True
        while True:
            room = BLOCK - len(data) % BLOCK
            if room < 7:
                data += bytes(room)
                continue
            part, rest = rest[: room - 7], rest[room - 7 :]
            kind = (1 if first else 4) if not rest else (2 if first else 3)
            checksum = zlib.crc32(bytes([kind]) + part)
            data += struct.pack("<IHB", checksum, len(part), kind) + part
            first = False
            if not rest:
                break
    file.write_bytes(data)


def records_of(file):
    """The records of a file of one block."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, found = file.read_bytes(), 7, []
    while at < len(data):
        _, size, kind = struct.unpack_from("<IHB", data, at)
        assert kind == 1
        found.append(Record.FromString(data[at + 7 : at + 7 + size]))
        at += 7 + size
    return found


@pytest.mark.parametrize("seed", range(8))
def test_records_of_any_size_are_read_whole(tmp_path, seed):
    rng = np.random.default_rng(seed)
    sizes = rng.choice([0, 1, 50, 5000, BLOCK - 7, BLOCK, 3 * BLOCK], 12) + rng.integers(0, 9, 12)
    texts = {f"k{number}": "x" * size for number, size in enumerate(sizes)}
    items = [{"key": key, "value_json": json.dumps(text)} for key, text in texts.items()]
    file = tmp_path / "run-r.wandb"
    write_log(file, [record(run={"run_id": "r"}), *(record(config={"update": [item]}) for item in items)])
    assert read_log([file]).config == texts


def test_nested_and_removed_keys(tmp_path):
    file = tmp_path / "run-r.wandb"
    deep = {"nested_key": ["a", "b", "c"], "value_json": "1"}
    write_log(
        file,
        [
            record(run={"run_id": "r", "config": {"update": [{"key": "a", "value_json": "5"}]}}),
            record(config={"update": [deep, {"nested_key": ["a", "d"], "value_json": "2"}]}),
            record(config={"remove": [{"nested_key": ["a", "d"]}, {"nested_key": ["no", "such"]}]}),
            record(summary={"update": [{"key": "x", "value_json": "3"}], "remove": [{"key": "y"}]}),
        ],
    )
    run = read_log([file])
    assert (run.config, run.summary, run.exit_code) == ({"a": {"b": {"c": 1}}}, {"x": 3}, None)
    file.write_bytes(b"")
    with pytest.raises(DataError, match="nothing of it"):
        read_log([file])


def test_one_command_uploads_all(runs, monkeypatch):
    monkeypatch.chdir(runs.parent)
    assert sync_command(Path("runs")) == "wandb sync runs/*/wandb/offline-run-*"


def test_the_command_names_a_single_run_and_leaves_out_uploaded_ones(runs):
    for file in runs.glob("[ab][12]/wandb/offline-run-*/*.wandb"):
        if "b2" not in file.name:
            file.with_name(f"{file.name}.synced").touch()
    assert sync_command(runs) == f"wandb sync {wandb_file(runs, 'b2').parent}"
    file = wandb_file(runs, "b2")
    file.with_name(f"{file.name}.synced").touch()
    assert sync_command(runs) is None


def test_the_command_leaves_out_live_runs_and_quotes_names(runs):
    mark = RunningMark(runs / "a1")
    try:
        command = sync_command(runs)
    finally:
        mark.release()
    assert command.split()[2:] == [str(wandb_file(runs, run_id).parent) for run_id in ("a2", "b1", "b2")]
    spaced = runs.rename(runs.with_name("my runs"))
    assert sync_command(spaced) == f"wandb sync '{spaced}'/*/wandb/offline-run-*"


def test_a_folder_without_wandb_has_no_runs(tmp_path):
    assert read_wandb_runs(tmp_path) == ([], [])
    assert sync_command(tmp_path) is None
