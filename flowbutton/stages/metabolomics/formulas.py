"""Sum formulas, adducts, and the formula of an ion. Pure.

Not here: databases of formulas (`databases`), which ions there are (`ions`).
The rules are METASPACE's, but for what it gets wrong without a word: a repeated element, parentheses and unknown
elements are refused. Imports `flowbutton.model`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from flowbutton.model.errors import MalformedRecord, OptionError
from flowbutton.stages.metabolomics.isotope_table import ISOTOPES

Atoms = Mapping[str, int]
"""How many atoms of each element; all counts above zero."""

_TOKEN = re.compile(r"([A-Z][a-z]*)(\d*)")
_STEP = re.compile(r"([+-])([A-Za-z0-9]+)")
_FIRST = ("C", "H", "N", "O", "P", "S")
_HINT = "write it as elements and counts, each element once: C6H12O6"


def parse_formula(text: str) -> Atoms:
    """Read a sum formula; dots and equals signs are left out.

    Raises:
        MalformedRecord: it is empty, or has parentheses, an unknown element, one twice, or anything else.
    """
    atoms: dict[str, int] = {}
    rest = text.strip().replace(".", "").replace("=", "")
    if not rest:
        raise MalformedRecord("a formula is empty", why="", hint=_HINT)
    at = 0
    while at < len(rest):
        token = _TOKEN.match(rest, at)
        if token is None:
            why = "it has parentheses" if rest[at] in "()[]" else f"it has '{rest[at]}'"
            raise MalformedRecord(f"the formula '{text}' can't be read", why=why, hint=_HINT)
        element, count = token[1], int(token[2] or 1)
        if element not in ISOTOPES:
            raise MalformedRecord(f"the formula '{text}' can't be read", why=f"no element '{element}'", hint=_HINT)
        if element in atoms or not count:
            why = f"'{element}' is there twice" if element in atoms else f"it has no atom of '{element}'"
            raise MalformedRecord(f"the formula '{text}' can't be read", why=why, hint=_HINT)
        atoms[element] = count
        at = token.end()
    return atoms


@cache
def parse_adduct(text: str) -> tuple[tuple[int, Atoms], ...]:
    """Read an adduct: what is added (1) and taken away (-1), in turn: ``+Na``, ``-H``, ``-H2O+H``.

    Raises:
        OptionError: it can't be read.
    """
    steps = _STEP.findall(text)
    if not steps or "".join(sign + part for sign, part in steps) != text:
        raise OptionError(f"the adduct '{text}' can't be read", why="", hint="write it as +Na, -H or +NH4")
    try:
        return tuple((1 if sign == "+" else -1, parse_formula(part)) for sign, part in steps)
    except MalformedRecord as error:
        raise OptionError(f"the adduct '{text}' can't be read", why=error.why, hint="write it as +Na or -H") from error


def ion_of(atoms: Atoms, adduct: str) -> str | None:
    """Return the formula of a molecule with an adduct; None if it has too few atoms for it, or nothing is left."""
    found = dict(atoms)
    for sign, part in parse_adduct(adduct):
        for element, count in part.items():
            found[element] = found.get(element, 0) + sign * count
    if min(found.values()) < 0 or not any(found.values()):
        return None
    return write_formula(found)


def write_formula(atoms: Atoms) -> str:
    """Return C, H, N, O, P, S in that order, then the other elements by symbol; a count of 1 is not written."""
    rest = sorted(set(atoms) - set(_FIRST))
    return "".join(
        f"{element}{atoms[element] if atoms[element] > 1 else ''}" for element in (*_FIRST, *rest) if atoms.get(element)
    )
