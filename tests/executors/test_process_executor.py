"""Calls in worker processes of this machine."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import signal
import subprocess
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowbutton.executors.processes import ProcessExecutor
from flowbutton.model.errors import Bug, WorkerLost
from flowbutton.model.executor import Emit, Executor, Lost, Raised, Returned, Work
from flowbutton.testing.carried import is_gone, perform, until
from flowbutton.testing.executors import Driver, ExecutorContract


class TestProcessExecutor(ExecutorContract):
    registered = "processes"

    def executor(self, work: Work, slots: int) -> Executor:
        return ProcessExecutor(work, slots=slots)


@contextlib.contextmanager
def driving(work: Work, *, slots: int = 1) -> Iterator[Driver]:
    executor = ProcessExecutor(work, slots=slots)
    try:
        yield Driver(executor, patience_s=300)
    finally:
        executor.close()


def ends(work: Work, *payloads: bytes) -> list[object]:
    with driving(work) as driver:
        return list(driver.run(*payloads))


def in_worker(statements: str) -> Work:
    """Work that runs the statements, which set ``answer``; travels by value."""

    def work(payload: bytes, emit: Emit) -> bytes:
        names = {"payload": payload, "emit": emit}
        exec(statements, names)
        return str(names["answer"]).encode()

    return work


@pytest.mark.parametrize(
    ("statements", "why"),
    [
        ("import os; os.kill(os.getpid(), 9)", r"killed by signal 9 \(SIGKILL\); the system's out-of-memory killer"),
        ("import os; os.kill(os.getpid(), 11)", r"killed by signal 11 \(SIGSEGV\); a library of C code crashed"),
        ("import os; os.kill(os.getpid(), 15)", r"killed by signal 15 \(SIGTERM\)$"),
        ("import os; os.kill(os.getpid(), 40)", r"killed by signal 40 \(unnamed\)$"),
        ("import os; os._exit(3)", "exit code 3 before it had answered"),
        ("import os, time; os.closerange(0, 99); time.sleep(3600)", "killed by signal 9"),
    ],
)
def test_how_a_worker_ended_is_told(statements: str, why: str) -> None:
    (end,) = ends(in_worker(statements), b"")
    assert isinstance(end, Lost)
    assert re.search(why, end.why)


def test_what_the_work_may_not_do_is_told_as_raised() -> None:
    for statements, why in [
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise ValueError('\\udcff')", "ValueError"),
    ]:
        (end,) = ends(in_worker(statements), b"")
        assert isinstance(end, Raised)
        assert why in end.traceback
    (end,) = ends(answer_with_text, b"")  # type: ignore[arg-type]
    assert isinstance(end, Raised)


answer_with_text = functools.partial("{} {}".format)


def test_a_worker_sees_only_its_own_files() -> None:
    with Path(__file__).open() as stray:
        os.set_inheritable(stray.fileno(), True)
        (end,) = ends(lambda _, __: "\n".join(open_files()).encode(), b"")
    assert isinstance(end, Returned)
    nothing, *own = [name for name in end.answer.decode().splitlines() if name.split()[0] not in ("1", "2")]
    assert nothing == "0 /dev/null"
    assert len(own) == 2
    assert "flowbutton-marks" in own[0]
    assert "socket:" in own[1]


def open_files() -> list[str]:
    """The file descriptors of this process, and what they are; the look itself not counted."""
    with os.scandir("/proc/self/fd") as entries:
        names = [entry.name for entry in entries]
    links = [Path("/proc/self/fd") / name for name in names]
    return [f"{link.name} {link.readlink()}" for link in links if link.is_symlink()]


def test_nothing_is_left_behind() -> None:
    children = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    before = open_files(), children.read_text()
    with driving(perform, slots=3) as driver:
        driver.run(b"echo a", b"die", b"raise x", b"echo b")
        driver.submit(b"hold", b"hold")
    assert (open_files(), children.read_text()) == before


def test_programs_started_by_a_stopped_call_are_stopped_too() -> None:
    statements = "import subprocess; p = subprocess.Popen(['sleep', '3600']); emit(b'%d' % p.pid); p.wait()"
    with driving(in_worker(statements), slots=2) as driver:
        first, second = driver.submit(b"", b"")
        one, two = driver.pids([first, second])
        driver.cancel(first)
        until(lambda: is_gone(one), "the cancelled call's program is gone")
        assert not is_gone(two)
        driver.executor.close()
        until(lambda: is_gone(two), "the closed executor's program is gone")


def test_programs_left_by_a_worker_that_dies_are_stopped() -> None:
    statements = "import os, subprocess; emit(b'%d' % subprocess.Popen(['sleep', '3600']).pid); os._exit(1)"
    with driving(in_worker(statements)) as driver:
        (id,) = driver.submit(b"")
        (pid,) = driver.pids([id])
        assert isinstance(driver.finish([id])[0], Lost)
        until(lambda: is_gone(pid), "its program is gone")


def test_a_killed_nursery_costs_the_running_calls_and_is_replaced() -> None:
    with driving(
        in_worker("import os, time; emit(b'%d' % os.getppid()); answer = 1; payload and time.sleep(3600)"), slots=2
    ) as driver:
        running = driver.submit(b"stay", b"stay")
        nursery, _ = driver.pids(running)
        os.kill(nursery, signal.SIGKILL)
        for end in driver.finish(running):
            assert isinstance(end, Lost)
            assert "forked from was killed" in end.why
        assert [type(end) for end in driver.run(b"", b"", b"")] == [Returned] * 3


def test_messages_of_a_thread_that_outlives_its_call_are_dropped() -> None:
    statements = """
import threading
global late
if payload == b"first":
    gate, said = threading.Event(), threading.Event()
    def speak():
        gate.wait(); emit(b"too late"); said.set()
    threading.Thread(target=speak, daemon=True).start()
    import sys; sys.late = gate, said
    answer = 1
else:
    import sys; sys.late[0].set(); sys.late[1].wait(); answer = 2
"""
    with driving(in_worker(statements)) as driver:
        assert driver.run(b"first", b"second") == [Returned(0, b"1"), Returned(1, b"2")]
        assert driver.messages == {}


def test_work_travels_by_name_by_partial_or_by_value() -> None:
    word = b"closure"
    assert ends(lambda payload, _: word + payload, b"!") == [Returned(0, b"closure!")]
    assert ends(functools.partial(perform), b"echo a") == [Returned(0, b"a")]


def test_work_of_a_script_travels_by_value(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from flowbutton.executors.processes import ProcessExecutor\n"
        "from flowbutton.testing.executors import Driver\n"
        "def work(payload, emit):\n"
        "    return payload * 2\n"
        "executor = ProcessExecutor(work, slots=1)\n"  # no main guard: the script is not run again
        "print(Driver(executor, patience_s=300).run(b'ab')[0].answer)\n"
        "executor.close()\n"
    )
    answer = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert (answer.stdout, answer.stderr) == ("b'abab'\n", "")


def test_work_that_other_processes_cannot_import_is_a_bug_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(payload: bytes, _: Emit) -> bytes:
        return payload

    module = types.ModuleType("only_in_this_process")
    module.work = work  # type: ignore[attr-defined]
    work.__module__, work.__qualname__ = module.__name__, "work"
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with driving(work) as driver:
        driver.submit(b"")
        with pytest.raises(Bug) as caught:
            driver.pump(lambda: False, "it raises")
    assert caught.value.why == "ModuleNotFoundError: No module named 'only_in_this_process'"


def test_a_nursery_that_dies_again_and_again_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deadly.py").write_text(
        f"import os\nif os.getpid() != {os.getpid()}: os._exit(7)\ndef work(payload, emit): return payload\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import deadly  # type: ignore[import-not-found]

    with driving(deadly.work) as driver:
        driver.submit(b"")
        with pytest.raises(WorkerLost, match="end as soon as they are made"):
            driver.pump(lambda: False, "it raises")


def test_a_system_without_room_for_processes_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "crowded.py").write_text(
        "import os\n"
        "def no_room():\n    raise BlockingIOError(11, 'Resource temporarily unavailable')\n"
        f"if os.getpid() != {os.getpid()}: os.fork = no_room\n"
        "def work(payload, emit): return payload\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import crowded  # type: ignore[import-not-found]

    with driving(crowded.work) as driver:
        driver.submit(b"")
        with pytest.raises(WorkerLost, match="end as soon as they are made") as caught:
            driver.pump(lambda: False, "it raises")
    assert "ulimit" in caught.value.hint


def test_closing_does_not_wait_for_an_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sluggish.py").write_text(
        f"import os, time\nif os.getpid() != {os.getpid()}: time.sleep(3600)\ndef work(payload, emit): return payload\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import sluggish  # type: ignore[import-not-found]

    with driving(sluggish.work) as driver:
        driver.submit(b"")
        driver.executor.close()  # the worker would sleep for an hour


def test_what_work_prints_is_printed_once_though_workers_are_killed(tmp_path: Path) -> None:
    (tmp_path / "printing.py").write_text(
        "print('import ', end='')\ndef work(payload, emit):\n    print('work ', end='')\n    return payload\n"
    )
    script = (
        "from contextlib import redirect_stdout; import io, sys\n"
        "with redirect_stdout(io.StringIO()): from printing import work\n"
        "from flowbutton.executors.processes import ProcessExecutor\n"
        "from flowbutton.testing.executors import Driver\n"
        "executor = ProcessExecutor(work, slots=2)\n"
        "Driver(executor, patience_s=300).run(b'', b'', b'')\n"
        "executor.close()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("import work work work ", "")


def test_no_slots_and_closed_executors_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        ProcessExecutor(perform, slots=0)
    executor = ProcessExecutor(perform, slots=1)
    executor.close()
    with pytest.raises(ValueError, match="closed"):
        executor.submit([])
