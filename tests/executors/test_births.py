"""A nursery that is forked from a young process, as the command does: its workers are like those of a fresh one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from flowbutton.testing.carried import is_gone, until

SCRIPT = """\
import contextlib, json, os, signal, sys
from flowbutton.executors.births import forked_ahead
from flowbutton.executors.processes import ProcessExecutor
from flowbutton.model.executor import Call, Lost, Raised, Returned

def tell(payload, emit):
    import settled
    files = {int(fd): f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")}
    held = {fd: os.readlink(file) for fd, file in files.items() if os.path.islink(file)}
    kinds = sorted(name.partition(":")[0] for fd, name in held.items() if fd > 2)
    return json.dumps([settled.VALUE, os.environ["SETTLED"], str(os.getppid()), kinds, held[0]]).encode()

def ends(executor, ids, payload=b""):
    executor.submit([Call(id, payload, 1, None) for id in ids])
    found = {}
    while len(found) < len(ids):
        for event in executor.events(60):
            if isinstance(event, (Lost, Raised, Returned)):
                found[event.id] = event
    return [found[id] for id in ids]

def kill_the_nursery(payload, emit):
    if payload:
        os.kill(os.getppid(), 9)
        signal.pause()
    return str(os.getppid()).encode()

def children():
    return set(open(f"/proc/self/task/{os.getpid()}/children").read().split())
"""


def told(tmp_path: Path, statements: str) -> str:
    """Run statements after the script in a process of its own; return what it prints."""
    (tmp_path / "ahead.py").write_text(SCRIPT + statements)
    done = subprocess.run([sys.executable, "ahead.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert not done.stderr
    return done.stdout


def test_its_workers_see_what_was_settled_after_its_birth_and_no_files_of_the_process(tmp_path: Path) -> None:
    (tmp_path / "late").mkdir()
    (tmp_path / "late" / "settled.py").write_text("VALUE = 1")
    answers = told(
        tmp_path,
        """
with open("stray", "w"), forked_ahead():
    forked = children()
    os.environ["SETTLED"] = "later"
    sys.path.append("late")
    with contextlib.closing(ProcessExecutor(tell, slots=3)) as executor:
        for end in ends(executor, [1, 2]):
            value, setting, parent, held, stdin = json.loads(end.answer)
            print(value, setting, {parent} == forked, held, stdin)
print(children())
""",
    )
    line = "1 later True ['/memfd', 'socket'] /dev/null\n"
    assert answers == 2 * line + "set()\n"


def test_one_that_nobody_needs_ends_and_the_next_executor_makes_its_own(tmp_path: Path) -> None:
    answers = told(
        tmp_path,
        """
with forked_ahead():
    print(len(children()))
print(len(children()))
with contextlib.closing(ProcessExecutor(kill_the_nursery, slots=1)) as executor:
    [end] = ends(executor, [1])
    print({end.answer.decode()} == children())
""",
    )
    assert answers == "1\n0\nTrue\n"


def test_one_that_is_killed_is_replaced(tmp_path: Path) -> None:
    answers = told(
        tmp_path,
        """
with forked_ahead(), contextlib.closing(ProcessExecutor(kill_the_nursery, slots=1)) as executor:
    forked = children()
    [end] = ends(executor, [1], b"kill")
    print(type(end).__name__)
    [end] = ends(executor, [2])
    print({end.answer.decode()} == children(), forked == children())
""",
    )
    assert answers == "Lost\nTrue False\n"


def test_a_process_with_threads_is_not_forked(tmp_path: Path) -> None:
    answers = told(
        tmp_path,
        """
import threading
done = threading.Event()
threading.Thread(target=done.wait).start()
with forked_ahead():
    print(children())
done.set()
""",
    )
    assert answers == "set()\n"


def test_it_ends_with_a_driver_that_is_killed(tmp_path: Path) -> None:
    answers = told(
        tmp_path,
        """
if (driver := os.fork()) == 0:
    with forked_ahead():
        [nursery] = children()
        print(nursery, flush=True)
        os.kill(os.getpid(), 9)
os.waitpid(driver, 0)
""",
    )
    until(lambda: is_gone(int(answers)), "the nursery ended")
