"""Amounts that can't be read are told with what to write instead."""

from __future__ import annotations

import pytest

from flowbutton.model.units import Unfit, parse_bytes, parse_duration, show_records


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("4G", "write 4GiB (in units of 1024) or 4GB (in units of 1000)"),
        ("32 MBs", "write 32MiB (in units of 1024) or 32MB (in units of 1000)"),
        ("1000 bp", "write 32MiB or 1.5GB"),
        ("much", "write 32MiB or 1.5GB"),
    ],
)
def test_bytes(text: str, hint: str) -> None:
    with pytest.raises(Unfit) as caught:
        parse_bytes(text)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("90", "say the unit: 90s, 90m or 90h"),
        ("12:30:00", "write 750m"),
        ("0:00:45", "write 45s"),
        ("2:00", "write 120m"),
        ("15 minutes", "write 15m"),
        ("1 Hour", "write 1h"),
        ("3 weeks", "write 90s, 15m or 2h"),
        ("soon", "write 90s, 15m or 2h"),
    ],
)
def test_durations(text: str, hint: str) -> None:
    with pytest.raises(Unfit) as caught:
        parse_duration(text)
    assert caught.value.hint == hint
    assert str(caught.value) == f"{caught.value.what}; {hint}"


def test_one_record_is_written_as_one() -> None:
    counts = [(1, "reads"), (1, "spectra"), (2, "spectra"), (0, "files"), (1000, "points")]
    assert [show_records(*count) for count in counts] == [
        "1 read",
        "1 spectrum",
        "2 spectra",
        "0 files",
        "1,000 points",
    ]
