"""What a task prints is captured, whoever has put streams of its own in Python's place, and without credentials."""

from __future__ import annotations

import io
import os
import sys

import pytest

from flowbutton.worker.logs import Capture


def test_what_python_and_programs_print_is_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOOR_TOKEN", "planted-token")
    elsewhere = io.StringIO()  # as Lithops and notebooks have
    monkeypatch.setattr(sys, "stdout", elsewhere)
    with Capture() as capture:
        print("by Python, with planted-token")
        sys.stdout.flush()
        os.write(2, b"by a library\n")
        assert capture.take().text == b"by Python, with ${env:DOOR_TOKEN}\nby a library\n"
        assert capture.take().text == b""
    print("after")
    assert elsewhere.getvalue() == "after\n"
