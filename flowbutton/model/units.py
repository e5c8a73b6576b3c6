"""Amounts and counts, as people write them: ``32MiB``, ``1.5 GB``, ``15m``, ``250ms``, ``12 tasks``.

Imports nothing of flowbutton.
"""

from __future__ import annotations

import re
from decimal import Decimal

_AMOUNT = re.compile(r"^\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*$")
_BYTES = {"": 1, "b": 1} | {
    f"{prefix}{tail}": base**power
    for power, prefix in enumerate("kmgtp", start=1)
    for tail, base in (("b", 1000), ("ib", 1024))
}
_SECOND_WORDS = {"sec": "s", "second": "s", "min": "m", "minute": "m", "hr": "h", "hour": "h", "day": "d"}
_CLOCK = re.compile(r"([0-9]+):([0-9]{2})(?::([0-9]{2}))?")
_BYTES_HINT, _SECONDS_HINT = "write 32MiB or 1.5GB", "write 90s, 15m or 2h"
_SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600), "d": Decimal(86400)}


class Unfit(ValueError):
    """A value that can't be read: what is wrong with it, what to write, and at which item of a list it stands."""

    def __init__(self, what: str, hint: str = "", *, at: tuple[int, ...] = ()) -> None:
        super().__init__(f"{what}; {hint}" if hint else what)
        self.what, self.hint, self.at = what, hint, at


def parse_bytes(text: str | int) -> int:
    """Return a number of bytes: ``4096``, ``32MiB`` (1024²), ``1.5GB`` (1000³).

    Raises:
        Unfit: the text is not an amount of bytes, or not a whole number of them.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        if text < 0:
            raise Unfit(f"{text} is negative")
        return text
    match = _AMOUNT.match(text) if isinstance(text, str) else None
    if match is None or match[2].lower() not in _BYTES:
        raise Unfit(f"{text!r} is not an amount of bytes", _bytes_hint(match))
    amount = Decimal(match[1]) * _BYTES[match[2].lower()]
    if amount != int(amount):
        raise Unfit(f"{text!r} is not a whole number of bytes", _BYTES_HINT)
    return int(amount)


def parse_duration(text: str) -> float:
    """Return seconds: ``250ms``, ``90s``, ``15m``, ``2h``, ``1d``; a unit is needed.

    Raises:
        Unfit: the text is not a duration.
    """
    match = _AMOUNT.match(text) if isinstance(text, str) else None
    if match is None or match[2] not in _SECONDS:
        raise Unfit(f"{text!r} is not a duration", _duration_hint(str(text)))
    return float(Decimal(match[1]) * _SECONDS[match[2]])


def _bytes_hint(match: re.Match[str] | None) -> str:
    """Return what somebody is likely to have meant: ``4G`` is asked for what it is, ``32 MBs`` and ``4 Gigs`` too."""
    letter = match[2][:1].upper() if match else ""
    if match is None or letter not in {*"KMGTP"}:
        return _BYTES_HINT
    return f"write {match[1]}{letter}iB (in units of 1024) or {match[1]}{letter}B (in units of 1000)"


def _duration_hint(text: str) -> str:
    """Return what somebody is likely to have meant: by a number without a unit, a word, a clock's time."""
    clock = _CLOCK.fullmatch(text.strip())
    if clock:
        seconds = int(clock[1]) * 3600 + int(clock[2]) * 60 + int(clock[3] or 0)
        return f"write {seconds // 60}m" if seconds % 60 == 0 else f"write {seconds}s"
    match = _AMOUNT.match(text)
    unit = match[2].lower() if match else "?"
    if match and not unit:
        return f"say the unit: {match[1]}s, {match[1]}m or {match[1]}h"
    known = _SECOND_WORDS.get(unit.removesuffix("s")) or (unit if unit in _SECONDS else None)
    return f"write {match[1]}{known}" if match and known else _SECONDS_HINT


def counted(count: int, word: str) -> str:
    """Write a count with its word: ``1 task``, ``12 tasks``."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def show_records(count: int, unit: str) -> str:
    """Write a number of records in their unit, which is a plural: ``12 spectra``, ``1 spectrum``, ``1,000 reads``."""
    one = "spectrum" if unit == "spectra" else unit.removesuffix("s")
    return f"{count:,} {one if count == 1 else unit}"


def show_bytes(count: int) -> str:
    """Write a number of bytes for people: ``31.4 MiB``."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"
