"""Stores that are full, damaged or lose answers: what is told, and what running again makes of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bench import Bench

from flowbutton.engine.run import Status
from flowbutton.model.errors import CorruptObject, FlowbuttonError, NoSpace, NotInStore

FILLING = """
flowbutton: 1
name: filling
sources:
  files: {partitioner: whole, from: "in/*.txt"}
stages:
  fill: {uses: "troubled:fill", for_each: {file: files}, with: {size: 700000}}
  heads: {uses: "troubled:heads", gather: {parts: fill}}
outputs:
  heads.txt: heads
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)], capture_output=True)
    if made.returncode:
        pytest.skip(f"no file system may be mounted here: {made.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def heads(bench: Bench) -> list[str]:
    return str(json.loads(bench.result("heads.txt"))).splitlines()


def test_a_full_disk_is_told_and_after_making_room_the_run_goes_on(bench: Bench, small_disk: Path) -> None:
    store = small_disk / "store"
    settings = {"store": str(store), "executor": "serial"}  # one writer: what it could not put is gone when it says so
    report = bench.run(FILLING, settings=settings)
    assert report.status is Status.FAILED
    assert all(isinstance(failure.error, NoSpace) for failure in report.failures)
    assert "make room" in report.failures[0].error.hint
    assert not [kind for kind, _ in bench.events if kind == "retried"], "trying again makes no room"
    assert not (bench.folder / "results").exists()
    assert not list((store / "~tmp").iterdir()), "nothing half is left"
    done = bench.stages_run()
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    again = bench.run(FILLING, settings=settings)
    assert again.status is Status.DONE
    assert again.reused == sum(done.values()), "finished tasks are kept"
    assert [line.split()[:2] for line in heads(bench)] == [[f"abc{n}", "700000"] for n in range(1, 6)]


@pytest.mark.parametrize("keys", ["objects/", "records/"])
def test_a_store_that_is_full_for_workers(bench: Bench, keys: str) -> None:
    """Objects and packs are put by workers; whichever does not fit, the cause is told by its name."""
    folder = bench.folder / "store"
    sign = bench.folder / "store.full"
    settings = {"store": f"full://{folder}"}
    sign.write_text(keys)
    report = bench.run(FILLING, settings=settings)
    assert report.status is Status.FAILED
    assert {type(failure.error) for failure in report.failures} == {NoSpace}
    [first, *_] = json.loads((report.folder / "error.json").read_text())
    assert first["hint"] == "make room"
    sign.unlink()
    assert bench.run(FILLING, settings=settings).status is Status.DONE
    assert len(heads(bench)) == 5


def test_a_store_that_is_full_for_the_driver(bench: Bench) -> None:
    """Leases and selections are put by the driver: the run ends with the cause."""
    sign = bench.folder / "store.full"
    settings = {"store": f"full://{bench.folder / 'store'}"}
    sign.write_text("manifests/")
    with pytest.raises(NoSpace):
        bench.run(FILLING, settings=settings)
    assert not (bench.folder / "results").exists()
    sign.unlink()
    assert bench.run(FILLING, settings=settings).status is Status.DONE


def objects(bench: Bench) -> list[Path]:
    return sorted(place for place in (bench.folder / ".flowbutton" / "objects").rglob("*") if place.is_file())


def packs(bench: Bench) -> list[Path]:
    return sorted((bench.folder / ".flowbutton" / "records").glob("*/packs/*"))


def segments(bench: Bench) -> list[Path]:
    return sorted((bench.folder / ".flowbutton" / "records").glob("*/segments/*"))


def manifests(bench: Bench) -> list[Path]:
    return sorted((bench.folder / ".flowbutton" / "manifests").glob("*/*"))


def overwrite(place: Path) -> None:
    """Change a byte in the middle; the size stays."""
    data = bytearray(place.read_bytes())
    data[len(data) // 2] ^= 0xFF
    place.chmod(0o644)
    place.write_bytes(data)


def cut(place: Path) -> None:
    """Leave the first half."""
    place.chmod(0o644)
    place.write_bytes(place.read_bytes()[: place.stat().st_size // 2])


Harm = Callable[[Path], None]
HARMS = [pytest.param(harm, id=getattr(harm, "__name__", "")) for harm in (Path.unlink, overwrite, cut)]


@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("found", [packs, segments, manifests])
def test_damaged_records_are_absent_ones(bench: Bench, found: Callable[[Bench], list[Path]], harm: Harm) -> None:
    bench.run()
    before = {name: bench.result(name) for name in ("total.json", "order.json", "all.txt")}
    shutil.rmtree(bench.folder / "results")
    for place in found(bench)[::3]:
        harm(place)
    report = bench.run()
    assert report.status is Status.DONE
    assert {name: bench.result(name) for name in before} == before
    assert bench.run().ran == 0, "what was damaged is whole again"


@pytest.mark.parametrize("number", range(5))
def test_a_deleted_object_is_made_again(bench: Bench, number: int) -> None:
    bench.run(FILLING)
    before = bench.result("heads.txt")
    assert len(objects(bench)) == 5
    objects(bench)[number].unlink()
    report = bench.run(FILLING)
    assert bench.stages_run() == {"fill": 1}
    assert report.status is Status.DONE
    assert bench.result("heads.txt") == before
    assert len(objects(bench)) == 5


@pytest.mark.parametrize("harm", [overwrite, cut])
def test_a_damaged_object_is_told_and_never_believed(bench: Bench, harm: Harm) -> None:
    bench.run(FILLING)
    before = bench.result("heads.txt")
    text = FILLING.replace("heads.txt: heads", "heads.txt: heads2").replace(
        "outputs:", '  heads2: {uses: "troubled:tails", gather: {parts: fill}, retries: 0}\noutputs:'
    )
    for place in objects(bench):
        harm(place)
    (bench.folder / "results" / "heads.txt").unlink()
    try:
        # In processes of their own: one that has checked a block believes it from then on.
        report = bench.run(text, settings={"executor": "processes", "workers": 2})
        errors: list[FlowbuttonError] = [failure.error for failure in report.failures]
    except FlowbuttonError as error:
        errors = [error]
    assert all(isinstance(error, CorruptObject | NotInStore) for error in errors)
    if not errors:
        assert bench.result("heads.txt") == before
    for place in objects(bench):
        place.unlink()
    assert bench.run(text).status is Status.DONE
    assert bench.result("heads.txt").count("700000") == 5


def test_a_store_in_memory_runs_the_bench(bench: Bench) -> None:
    bench.run()
    found = {name: bench.result(name) for name in ("total.json", "order.json", "all.txt")}
    shutil.rmtree(bench.folder / "results")
    memory = {"store": f"memory://{bench.folder.name}"}
    first = bench.run(settings=memory)
    assert first.status is Status.DONE
    assert {name: bench.result(name) for name in found} == found
    again = bench.run(settings=memory)
    assert (again.ran, again.reused) == (0, first.ran + first.reused)
