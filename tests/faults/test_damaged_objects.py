"""Objects that are damaged between runs: never a wrong answer, and running again heals them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bench import Bench

from flowbutton.engine.run import Report, Status
from flowbutton.stores.local import LocalStore

FILES = 4


def flip(place: Path) -> None:
    data = bytearray(place.read_bytes())
    data[len(data) // 3] ^= 0xFF
    place.write_bytes(data)


def cut(place: Path) -> None:
    place.write_bytes(place.read_bytes()[:-9])


@pytest.mark.parametrize("spoil", [flip, cut, Path.unlink])
@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_damage_heals(bench: Bench, spoil: Callable[[Path], None], executor: str) -> None:
    for number in range(FILES):
        bench.file(f"f{number}.txt", f"{'abcdefghijklmnopqrstuvwxyz' * 30}{number}\n")
    bench.run(settings={"executor": executor})
    wanted = {name: bench.result(name) for name in ("total.json", "all.txt")}
    store = LocalStore(bench.folder / ".flowbutton")
    for key in [*store.list("objects/")]:
        place = store.root / key
        place.chmod(0o644)
        spoil(place)
    bench.file("f0.txt", f"{'abcdefghijklmnopqrstuvwxyz' * 30}0\n\n")  # what is below is looked at again
    reports: list[Report] = []
    while not reports or reports[-1].status is not Status.DONE:
        assert len(reports) < 4 * FILES
        reports.append(bench.run(settings={"executor": executor}))
        assert all("damaged" in str(f.error) or "no object" in str(f.error) for f in reports[-1].failures)
    assert {name: bench.result(name) for name in wanted} == wanted
