"""Docstrings as data: the first line, the text below it, and what ``Args:`` says of each argument.

Google's form, as this code is written in. Imports nothing of flowbutton.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

_SECTION = re.compile(r"(Args|Returns|Raises|Yields|Attributes|Examples?|Notes?):\s*")
_ARGUMENT = re.compile(r"\*{0,2}(\w+)(?: \([^)]*\))?:\s*(.*)")


@dataclass(frozen=True, slots=True)
class Docstring:
    """What a docstring says: ``summary`` in one line, ``text`` up to the first section, ``arguments`` by name."""

    summary: str
    text: str
    arguments: Mapping[str, str]


def read_docstring(text: str | None) -> Docstring:
    """Take a docstring apart; what is not there is empty."""
    lines = inspect.cleandoc(text or "").splitlines()
    starts = [number for number, line in enumerate(lines) if _SECTION.fullmatch(line)]
    head = lines[: starts[0]] if starts else lines
    arguments: dict[str, str] = {}
    for start, stop in pairwise([*starts, len(lines)]):
        if lines[start].startswith("Args"):
            arguments = _arguments(lines[start + 1 : stop])
    summary, _, rest = "\n".join(head).strip().partition("\n\n")
    return Docstring(" ".join(summary.split()), rest.strip(), arguments)


def _arguments(lines: list[str]) -> dict[str, str]:
    """Join the lines of each argument: its name stands least indented, the lines that go on stand deeper."""
    found: dict[str, str] = {}
    indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    name = ""
    for line in lines:
        begins = _ARGUMENT.fullmatch(line[indent:]) if line[indent : indent + 1].strip() else None
        if begins is not None:
            name, found[begins[1]] = begins[1], begins[2]
        elif name:
            found[name] = f"{found[name]} {line.strip()}".strip()
    return found
