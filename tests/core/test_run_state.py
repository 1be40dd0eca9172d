import signal
import subprocess
import sys

from xmr.core.run_state import RunningMark, run_state

HOLD = """
import sys, time
from pathlib import Path
from xmr.core.run_state import RunningMark
mark = RunningMark(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_a_folder_without_results_is_that_of_a_stopped_run_and_one_with_results_of_a_finished_one(tmp_path):
    assert run_state(tmp_path) == "stopped"
    (tmp_path / "results.json").write_text("{}")
    assert run_state(tmp_path) == "finished"


def test_a_run_is_running_until_it_says_otherwise(tmp_path):
    mark = RunningMark(tmp_path)
    assert run_state(tmp_path) == "running"
    mark.release()
    mark.release()
    assert run_state(tmp_path) == "stopped"
    assert not list(tmp_path.iterdir())


def test_a_killed_run_is_stopped(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        assert run_state(tmp_path) == "running"
        process.send_signal(signal.SIGKILL)
    assert run_state(tmp_path) == "stopped"


def test_a_finished_run_that_goes_on_is_running(tmp_path):
    (tmp_path / "results.json").write_text("{}")
    mark = RunningMark(tmp_path)
    assert run_state(tmp_path) == "running"
    mark.release()
