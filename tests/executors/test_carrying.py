"""How work functions travel."""

from __future__ import annotations

import pickle
import threading

import pytest

from flowbutton.executors.carry import packed
from flowbutton.model.errors import OptionError
from flowbutton.model.executor import Emit
from flowbutton.testing.carried import perform


def test_an_importable_function_travels_by_name() -> None:
    data = packed(perform)
    assert len(data) < 100
    assert pickle.loads(data) is perform


def test_what_cannot_travel_is_named() -> None:
    lock = threading.Lock()

    def locked(payload: bytes, _: Emit) -> bytes:
        with lock:
            return payload

    with pytest.raises(OptionError, match="locked") as caught:
        packed(locked)
    assert "_thread.lock" in caught.value.why
