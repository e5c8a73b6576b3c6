"""What happens to failed tasks: the policy of each failure class."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowbutton.engine.retry import FIRST_DELAY_S, LONGEST_DELAY_S, RESOURCE_RETRIES, Again, backoff_s, decide
from flowbutton.model import errors
from flowbutton.model.errors import Failure, FlowbuttonError, NoSpace, ResourceExhausted, SpecError, WorkerLost

CLASSES = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, FlowbuttonError) and kind is not SpecError
]


def decided(kind: type[FlowbuttonError], attempts: int, *, retries: int = 3, factor: int = 1) -> Again | None:
    error = kind("what", why="", hint="")
    return decide(error, attempts=attempts, retries=retries, memory_factor=factor, seed="a")


@pytest.mark.parametrize("kind", CLASSES)
def test_each_class_is_tried_again_as_its_failure_says(kind: type[FlowbuttonError]) -> None:
    again = decided(kind, 1)
    retried = kind.failure in (Failure.TRANSIENT, Failure.RESOURCE) and kind is not NoSpace
    assert (again is not None) is retried


@given(kind=st.sampled_from(CLASSES), retries=st.integers(0, 5), factor=st.sampled_from([1, 2, 4]))
def test_no_task_is_tried_more_often_than_it_may(kind: type[FlowbuttonError], retries: int, factor: int) -> None:
    assert decided(kind, retries + 1, retries=retries, factor=factor) is None


def test_what_ran_out_gets_twice_as_much_twice() -> None:
    assert decided(ResourceExhausted, 1, retries=9) == Again(0.0, 2)
    assert decided(ResourceExhausted, 2, retries=9, factor=2) == Again(0.0, 4)
    assert decided(ResourceExhausted, RESOURCE_RETRIES + 1, retries=9, factor=4) is None


def test_a_lost_worker_is_no_reason_for_more_memory() -> None:
    again = decided(WorkerLost, 1, factor=2)
    assert again is not None
    assert again.memory_factor == 2


@given(attempt=st.integers(1, 60), seed=st.text(max_size=9))
def test_delays_grow_to_a_limit_and_are_spread(attempt: int, seed: str) -> None:
    longest = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** (attempt - 1))
    assert longest / 2 <= backoff_s(attempt, seed) <= longest
    assert backoff_s(attempt, seed) == backoff_s(attempt, seed), "pure"


def test_tasks_that_failed_together_do_not_come_back_together() -> None:
    assert len({backoff_s(3, f"task {number}") for number in range(50)}) > 30
