"""Drivers that are killed at many moments: after any of their events, around any of their puts."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from bench import WHOLE, Bench
from driver import start

OUTPUTS = ("total.json", "order.json", "all.txt")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A bench with five files."""
    return with_files(Bench(tmp_path))


def with_files(made: Bench) -> Bench:
    for number in range(1, 6):
        made.file(f"f{number}.txt", f"abc{number} hello world\n")
    return made


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the bench answers when nobody disturbs it."""
    made = with_files(Bench(tmp_path_factory.mktemp("undisturbed")))
    made.run()
    return {name: made.result(name) for name in OUTPUTS}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_three_kills_at_random_moments_change_nothing(bench: Bench, undisturbed: dict[str, str], seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(3):
        if draw.random() < 0.5:
            code = start(bench, WHOLE, die_at=draw.randrange(1, 120), workers=draw.randrange(1, 4)).wait()
        else:
            put = draw.choice([-1, 1]) * draw.randrange(1, 25)
            store = f"dying://{bench.folder / '.flowbutton'}"
            code = start(bench, WHOLE, env={"FLOWBUTTON_DIES_AT": str(put)}, store=store).wait()
        assert code in (-9, 0)
    assert start(bench, WHOLE).wait() == 0
    assert {name: bench.result(name) for name in OUTPUTS} == undisturbed
