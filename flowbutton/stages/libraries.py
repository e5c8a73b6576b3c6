"""Which installed distributions a module comes from.

As `importlib.metadata.packages_distributions` tells it, which makes a path of every file of every distribution and
reads all their metadata: nine times the CPU, half a second in an environment for science.
Imports nothing of flowbutton.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.machinery import all_suffixes
from importlib.metadata import Distribution, distributions

_SUFFIXES = tuple(all_suffixes())


@cache
def providers() -> Mapping[str, Sequence[Distribution]]:
    """Return the installed distributions by each top-level module that they say or seem to hold."""
    found: dict[str, list[Distribution]] = defaultdict(list)
    for distribution in distributions():
        for name in set(_modules(distribution)):
            found[name].append(distribution)
    return dict(found)


def names_of(module: str) -> list[str]:
    """Return the names of the distributions that a top-level module comes from."""
    return sorted({distribution.metadata["Name"] for distribution in providers().get(module, ())})


def _modules(distribution: Distribution) -> Iterator[str]:
    declared = (distribution.read_text("top_level.txt") or "").split()
    if declared:
        yield from declared
        return
    record = distribution.read_text("RECORD")
    files = map(str, distribution.files or ()) if record is None else _files(record)
    for file in files:
        if file.endswith(_SUFFIXES):
            top, slash, _ = file.partition("/")
            yield top if slash else inspect.getmodulename(file) or file


def _files(record: str) -> Iterator[str]:
    """Return the paths in a RECORD, lines of CSV (PEP 376); one with a comma is quoted."""
    return (
        line[1:].partition('"')[0] if line.startswith('"') else line.partition(",")[0] for line in record.splitlines()
    )
