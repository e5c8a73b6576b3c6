"""Did you mean: the likeliest name, without regard to case, else all there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowbutton.model.near import closest, did_you_mean


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("cuont", ["count", "total"], "did you mean 'count'?"),
        ("Count", ["count", "total"], "did you mean 'count'?"),
        ("x", ["count", "total"], "there are: count, total"),
        ("x", [], "there are none"),
    ],
)
def test_the_likeliest_is_named_else_all(name: str, known: list[str], hint: str) -> None:
    assert did_you_mean(name, known) == hint


@given(st.lists(st.text("abcAB", min_size=1), min_size=1), st.data())
def test_a_known_name_but_for_its_case_is_found(known: list[str], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(known))
    found = closest(name.swapcase(), known)
    assert found is not None
    assert found.lower() == name.lower()
