"""The collector is as it was, however the engine's loops end."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from flowbutton.engine.collector import uncollected


@pytest.fixture(params=[True, False])
def enabled(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Turn the collector on or off, and back afterwards."""
    before = gc.isenabled()
    (gc.enable if request.param else gc.disable)()
    yield request.param
    (gc.enable if before else gc.disable)()


def test_it_is_off_inside_and_as_before_after(enabled: bool) -> None:
    with uncollected():
        assert not gc.isenabled()
        with uncollected():
            pass
        assert not gc.isenabled()
    assert gc.isenabled() is enabled


def test_an_error_leaves_it_as_before(enabled: bool) -> None:
    with pytest.raises(KeyError), uncollected():
        raise KeyError
    assert gc.isenabled() is enabled
