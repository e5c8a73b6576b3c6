"""A store that loses the answer to each first put, of drivers and workers alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench import Bench, bench_with_files

from flowbutton.engine.run import Status
from flowbutton.model.errors import Throttled


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench with three files; its folder is the current one."""
    monkeypatch.chdir(tmp_path)
    return bench_with_files(tmp_path, monkeypatch, files=3)


@pytest.mark.slow
def test_lost_answers_never_make_a_wrong_result(bench: Bench) -> None:
    """Every first answer to a put is lost, of the driver's too: whoever asks again finds what was put."""
    settings = {"store": f"lossy://{bench.folder / 'store'}", "executor": "processes", "workers": 2}
    runs = 0
    while True:
        runs += 1
        assert runs < 60
        try:
            report = bench.run(settings=settings)
        except Throttled:
            assert not (bench.folder / "results").exists()
            continue
        if report.status is Status.DONE:
            break
    found = {name: bench.result(name) for name in ("total.json", "order.json", "all.txt")}
    bench.run()
    assert found == {name: bench.result(name) for name in found}
