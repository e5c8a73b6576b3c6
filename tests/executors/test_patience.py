"""Silent calls: who beats in time is never given up, who does not is, and who waits its turn is left alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flowbutton.executors.patience import Patience, Watch

PATIENCE = Patience(silence_s=60.0, start_s=600.0, overtaken=4)
GAPS = st.lists(st.integers(1, 59), max_size=20)


@given(gaps=GAPS)
def test_a_call_that_gives_signs_in_time_is_never_given_up(gaps: list[int]) -> None:
    watch, now = Watch(PATIENCE), 100.0
    watch.sent([1], now)
    for gap in gaps:
        now += gap
        assert watch.given_up(now) == []
        watch.heard(1, now)
    assert watch.given_up(now) == []


@given(gaps=GAPS)
def test_a_call_that_falls_silent_is_given_up_when_its_time_is_over(gaps: list[int]) -> None:
    watch, now = Watch(PATIENCE), 100.0
    watch.sent([1], now)
    assert watch.heard(1, now)
    for gap in gaps:
        now += gap
        assert not watch.heard(1, now), "only the first sign is the first"
    assert watch.given_up(now + 60.0) == []
    assert watch.given_up(now + 61.0) == [(1, "no sign of life for 61 s")]


@given(running=st.integers(1, 20), gaps=GAPS)
def test_a_call_that_waits_its_turn_is_not_lost_while_others_run(running: int, gaps: list[int]) -> None:
    watch, now = Watch(PATIENCE), 0.0
    watch.sent(range(30), now)
    for gap in gaps:
        now += gap
        for call in range(running):
            watch.heard(call, now)
        assert watch.given_up(now) == []
    for call in range(running):
        watch.over(call)
    assert watch.given_up(now + 600.0) == []
    assert [call for call, _ in watch.given_up(now + 601.0)] == list(range(running, 30))


def test_a_call_that_many_later_ones_have_overtaken_is_lost() -> None:
    watch = Watch(PATIENCE)
    watch.sent([0], 0.0)
    for call in range(1, 5):
        assert watch.given_up(1.0) == []
        watch.sent([call], 1.0)
        watch.heard(call, 1.0)
        watch.over(call)
    assert watch.given_up(1.0) == [(0, "it did not begin, while 4 calls that were sent after it did")]


def test_what_could_not_be_heard_is_not_held_against_a_call() -> None:
    watch = Watch(PATIENCE)
    watch.sent([1, 2], 0.0)
    watch.heard(1, 0.0)
    watch.was_blind(5000.0)
    assert watch.given_up(5059.0) == []
    assert {call for call, _ in watch.given_up(5601.0)} == {1, 2}
