"""The driver's own work in the store: again where that helps, at once where it can't."""

from __future__ import annotations

import pytest

from flowbutton.engine.steady import ATTEMPTS, steadily
from flowbutton.model.errors import FlowbuttonError, NoSpace, Throttled


class Failing:
    """Fails some times, then answers."""

    def __init__(self, times: int, kind: type[FlowbuttonError]) -> None:
        self.left, self.kind, self.calls = times, kind, 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.left:
            raise self.kind("no", why="", hint="")
        return "done"


@pytest.mark.parametrize("times", range(ATTEMPTS))
def test_what_fails_in_passing_is_done_again_with_growing_pauses(times: int) -> None:
    pauses: list[float] = []
    assert steadily(Failing(times, Throttled), pause=pauses.append) == "done"
    assert len(pauses) == times
    assert pauses == sorted(pauses)


def test_what_goes_on_failing_is_raised() -> None:
    action = Failing(ATTEMPTS, Throttled)
    with pytest.raises(Throttled):
        steadily(action, pause=lambda _: None)
    assert action.calls == ATTEMPTS


def test_a_full_disk_is_raised_at_once() -> None:
    action = Failing(1, NoSpace)
    with pytest.raises(NoSpace):
        steadily(action, pause=lambda _: None)
    assert action.calls == 1
