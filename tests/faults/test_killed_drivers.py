"""Drivers that are killed at any moment: running again is the recovery, and what was done is not done again."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench import WHOLE, Bench
from driver import runs, start, until
from recovery import OUTPUTS, answers, check_recovery, recorded

from flowbutton.engine.journal import read_events
from flowbutton.stores.local import LocalStore


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the bench answers when nobody disturbs it."""
    made = Bench(tmp_path_factory.mktemp("undisturbed"))
    for number in range(1, 6):
        made.file(f"f{number}.txt", f"abc{number} hello world\n")
    made.run()
    return {name: made.result(name) for name in OUTPUTS}


@pytest.mark.parametrize("line", [2, 90])
def test_killed_after_its_nth_event(bench: Bench, undisturbed: dict[str, str], line: int) -> None:
    assert start(bench, WHOLE, die_at=line).wait() == -9
    assert start(bench, WHOLE).wait() == 0, "the lease of a process that is gone is no obstacle"
    check_recovery(bench, undisturbed)


def test_killed_again_and_again(bench: Bench, undisturbed: dict[str, str]) -> None:
    """Each run gets a little further; none of them undoes what the others did."""
    assert [start(bench, WHOLE, die_at=line).wait() for line in (20, 45)] == [-9, -9]
    assert start(bench, WHOLE).wait() == 0
    check_recovery(bench, undisturbed)


@pytest.mark.parametrize("put", [-4, 9])
def test_killed_around_its_nth_put(bench: Bench, undisturbed: dict[str, str], put: int) -> None:
    store = f"dying://{bench.folder / '.flowbutton'}"
    assert start(bench, WHOLE, env={"FLOWBUTTON_DIES_AT": str(put)}, store=store).wait() == -9
    assert start(bench, WHOLE).wait() == 0
    assert answers(bench) == undisturbed


def test_workers_end_with_their_driver(bench: Bench) -> None:
    gate = bench.folder / "gate"
    gate.mkdir()
    text = f"""
flowbutton: 1
name: waiting
sources:
  files: {{partitioner: whole, from: "in/*.txt"}}
stages:
  wait: {{uses: "troubled:wait", for_each: {{file: files}}, with: {{gate: "{gate}"}}}}
outputs:
  "{{file}}": wait
"""
    driver = start(bench, text, env={"TMPDIR": str(bench.folder)})
    until(lambda: len(list(gate.iterdir())) == 2)
    assert len(processes_in(bench.folder)) >= 3
    driver.process.kill()
    assert driver.wait() == -9
    until(lambda: not processes_in(bench.folder))


def processes_in(folder: Path) -> list[str]:
    """Return the processes whose TMPDIR lies in a folder."""
    return [place.parent.name for place in Path("/proc").glob("[0-9]*/environ") if f"TMPDIR={folder}" in _read(place)]


def _read(place: Path) -> str:
    try:
        return place.read_text(errors="replace")
    except OSError:  # it has ended, or is another user's
        return ""


def test_two_drivers_on_one_store_are_both_right(bench: Bench, undisturbed: dict[str, str]) -> None:
    first = start(bench, WHOLE, results=str(bench.folder / "one"))
    second = start(bench, WHOLE, results=str(bench.folder / "two"))
    assert (first.wait(), second.wait()) == (0, 0)
    assert answers(bench, "one") == answers(bench, "two") == undisturbed
    assert all(len(artifacts) == 1 for artifacts in recorded(LocalStore(bench.folder / ".flowbutton")).values())


def test_one_driver_is_killed_and_the_other_goes_on(bench: Bench, undisturbed: dict[str, str]) -> None:
    # It has no more than 20 events where the other one was quicker with everything.
    first = start(bench, WHOLE, results=str(bench.folder / "one"), die_at=15)
    second = start(bench, WHOLE, results=str(bench.folder / "two"))
    assert (first.wait(), second.wait()) == (-9, 0)
    assert answers(bench, "two") == undisturbed


def test_torn_events_are_read_to_the_tear(bench: Bench) -> None:
    bench.run()
    [folder] = runs(bench)
    place = folder / "events.jsonl"
    lines = place.read_bytes().splitlines(keepends=True)
    place.write_bytes(b"".join(lines[:5]) + lines[5][:20])
    assert len(read_events(folder)) == 5
    again = bench.run()
    assert again.ran == 0, "a run depends on no journal"
