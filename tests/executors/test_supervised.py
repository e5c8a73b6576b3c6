"""A supervised call, without a backend: it is killed, it hangs, nobody wants it any more."""

from __future__ import annotations

import pickle
import sys

import pytest

from flowbutton.executors.supervised import Outcome, supervise
from flowbutton.testing.carried import is_gone, perform, until

WORK = pickle.dumps(perform)
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")


def wanted(_: list[bytes]) -> bool:
    return True


def outcome_of(payload: bytes, timeout_s: float | None = None) -> Outcome:
    return supervise(WORK, payload, timeout_s, wanted, 60.0)


def test_an_answer_comes_with_what_was_said() -> None:
    assert outcome_of(b"chatter 3")[:3] == ("Returned", [b"0", b"1", b"2"], b"said")
    assert outcome_of(b"echo x").busy_s > 0.0


def test_what_the_work_raises_is_told_with_its_item() -> None:
    raised = outcome_of(b"at 2 raise x")
    assert (raised.kind, raised.item) == ("Raised", 2)
    assert b"RuntimeError: x" in raised.body


def test_work_that_cant_be_loaded_is_told_as_raised() -> None:
    raised = supervise(b"cflowbutton.nothing\nwork\n.", b"", None, wanted, 60.0)
    assert raised.kind == "Raised"
    assert b"No module named 'flowbutton.nothing'" in raised.body


@pytest.mark.parametrize(("deed", "why"), [(b"at 4 die", b"SIGKILL"), (b"at 4 leave 3", b"exit code 3")])
def test_a_child_that_is_gone_is_lost_with_its_item(deed: bytes, why: bytes) -> None:
    lost = outcome_of(deed)
    assert (lost.kind, lost.item) == ("Lost", 4)
    assert why in lost.body


def test_a_child_that_hangs_in_c_code_is_killed_at_its_time() -> None:
    ended = outcome_of(b"at 7 hold", timeout_s=1.5)
    assert (ended.kind, ended.item) == ("TimedOut", 7)
    assert ended.after_s >= 1.5
    until(lambda: is_gone(int(ended.messages[0])), "the child is gone")


def test_a_call_that_nobody_wants_is_killed_at_the_next_sign_of_life() -> None:
    said: list[bytes] = []

    def unwanted(messages: list[bytes]) -> bool:
        said.extend(messages)
        return not said

    assert supervise(WORK, b"hold", None, unwanted, 0.05).kind == "Cancelled"
    until(lambda: is_gone(int(said[0])), "the child is gone")


def test_a_call_that_was_cancelled_before_it_began_never_begins() -> None:
    assert supervise(WORK, b"die", None, lambda _: False, 60.0).kind == "Cancelled"
