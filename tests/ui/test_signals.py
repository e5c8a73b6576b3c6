"""Stopping, and two at once: Ctrl-C, TERM, and the lease."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest

from flowbutton.ui.exits import Exit


@pytest.mark.parametrize("to_group", [True, False], ids=["terminal", "kill"])
def test_ctrl_c_stops_at_once_and_running_again_goes_on(place, to_group):
    started = place.start_waiting()
    os.killpg(started.pid, signal.SIGINT) if to_group else started.send_signal(signal.SIGINT)
    _, told = started.communicate(timeout=300)  # its task would wait for ever
    assert started.returncode == 130
    assert told.lstrip() == "stopped. Finished tasks are kept: the same command goes on from there\n"
    place.gate.touch()
    again = place.call("run", "texts.yaml", "-p", "waits=true", "-p", f"gate={place.gate}")
    assert again.returncode == 0, again.stderr
    # The first five, and 'waited', which adds up the same numbers as 'total'.
    assert "done: 2 tasks ran, 6 reused" in again.stdout
    assert "interrupted, " in place.call("status", "--all").stdout.splitlines()[0]


INTERRUPTED_IMPORT = """
import sys
class CtrlC:
    def find_spec(self, name, *_):
        if name == "click":
            raise KeyboardInterrupt
sys.meta_path.insert(0, CtrlC())
from flowbutton.__main__ import main
main()
"""


def test_ctrl_c_while_modules_are_imported_is_one_line_too():
    ended = subprocess.run([sys.executable, "-c", INTERRUPTED_IMPORT], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (Exit.INTERRUPTED, "stopped. Nothing has run\n")


def test_a_run_whose_output_nobody_reads_any_more_stops(place):
    started = place.start_waiting()
    started.stdout.close()  # as ``| head`` does
    place.gate.touch()
    told = started.stderr.read()
    assert (started.wait(timeout=60), told) == (
        141,
        "stopped, as nobody reads the output any more. Finished tasks are kept: the same command goes on from there\n",
    )
    assert "interrupted, " in place.call("status").stdout
    assert place.call("run", "texts.yaml", "-p", "waits=true", "-p", f"gate={place.gate}").returncode == 0


def test_term_lets_running_tasks_end_and_starts_no_others(place):
    started = place.start_waiting("--workers", "1")
    started.terminate()
    place.gate.touch()
    told, errors = started.communicate(timeout=300)
    assert started.returncode == 143, errors
    assert told.splitlines()[-1].startswith("stopped: ")
    assert not (place.folder / "results").exists()
    assert place.call("run", "texts.yaml", "-p", "waits=true", "-p", f"gate={place.gate}").returncode == 0


def test_of_two_runs_on_one_results_folder_the_second_is_3_or_waits(place):
    first = place.start_waiting()
    arguments = ("run", "texts.yaml", "-p", "waits=true", "-p", f"gate={place.gate}")
    second = place.call(*arguments)
    assert second.returncode == 3
    assert f"it is held by process {first.pid} on " in second.stderr
    third = place.start(*arguments, "--on-conflict", "wait")
    assert third.stderr is not None
    assert third.stderr.readline().startswith("waiting: another run holds the same pipeline and results")
    assert first.poll() is None
    place.gate.touch()
    first.communicate(timeout=300)
    told, _ = third.communicate(timeout=300)
    assert (first.returncode, third.returncode) == (0, 0)
    assert re.match(r"nothing to do: all 8 tasks are done", told)


def test_term_while_waiting_for_another_run_leaves_at_once(place):
    place.start_waiting()
    second = place.start(
        "run", "texts.yaml", "-p", "waits=true", "-p", f"gate={place.gate}", "--on-conflict", "wait", "-q"
    )
    assert second.stderr is not None
    assert second.stderr.readline().startswith("waiting: ")
    second.terminate()
    _, told = second.communicate(timeout=300)
    assert (second.returncode, told) == (143, "")


def test_another_results_folder_is_no_conflict(place):
    first = place.start_waiting()
    place.gate.touch()
    other = place.call("run", "texts.yaml", "--results", "other", "--store", ".flowbutton", "-q")
    assert other.returncode == 0, other.stderr
    first.communicate(timeout=300)
    assert first.returncode == 0
