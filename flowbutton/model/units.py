"""Amounts with units, as people write them: ``32MiB``, ``1.5 GB``, ``15m``, ``250ms``.

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
_SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600), "d": Decimal(86400)}


def parse_bytes(text: str | int) -> int:
    """Return a number of bytes: ``4096``, ``32MiB`` (1024²), ``1.5GB`` (1000³).

    Raises:
        ValueError: the text is not an amount of bytes, or not a whole number of them.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        if text < 0:
            raise ValueError(f"{text} is negative")
        return text
    match = _AMOUNT.match(text) if isinstance(text, str) else None
    if match is None or match[2].lower() not in _BYTES:
        raise ValueError(f"{text!r} is not an amount of bytes; write 32MiB or 1.5GB")
    amount = Decimal(match[1]) * _BYTES[match[2].lower()]
    if amount != int(amount):
        raise ValueError(f"{text!r} is not a whole number of bytes")
    return int(amount)


def parse_duration(text: str) -> float:
    """Return seconds: ``250ms``, ``90s``, ``15m``, ``2h``, ``1d``; a unit is needed.

    Raises:
        ValueError: the text is not a duration.
    """
    match = _AMOUNT.match(text) if isinstance(text, str) else None
    if match is None or match[2] not in _SECONDS:
        raise ValueError(f"{text!r} is not a duration; write 90s, 15m or 2h")
    return float(Decimal(match[1]) * _SECONDS[match[2]])


def show_bytes(count: int) -> str:
    """Write a number of bytes for people: ``31.4 MiB``."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"
