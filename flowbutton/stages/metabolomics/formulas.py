"""Sum formulas, adducts, and the formula of an ion. Pure.

Not here: databases of formulas (`databases`), which ions there are (`ions`).
The rules are METASPACE's, but for what it gets wrong without a word: a repeated element, parentheses and unknown
elements are refused. Imports `flowbutton.model`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from flowbutton.model.errors import MalformedRecord, OptionError
from flowbutton.stages.metabolomics.isotope_table import ISOTOPES

Atoms = Mapping[str, int]
"""How many atoms of each element; all counts above zero."""

_TOKEN = re.compile(r"([A-Z][a-z]*)([0-9]*)")
_STEP = re.compile(r"([+-])([A-Za-z0-9]+)")
_MULTIPLE = re.compile(r"[.=]\s*[0-9]+")
_FIRST = ("C", "H", "N", "O", "P", "S")
_HINT = "write it as elements and counts, each element once: C6H12O6"
_ADDUCT_HINT = "write what is added and taken away: +H, -H, +NH4, +HCOO, -H2O+H; [M]+ or [M]- for neither"
_MOST_DIGITS = 5

NO_ATOMS = {"[M]+": 1, "[M]-": -1}
"""Adducts that add and take away nothing: the molecule that lost or took up an electron. The sign of their charge."""


def parse_formula(text: str) -> Atoms:
    """Read a sum formula; dots and equals signs are left out.

    Raises:
        MalformedRecord: it is empty, or has parentheses, an unknown element, one twice, a count of a part after a dot
            (it would be read as part of the count before), or anything else.
    """
    if (multiple := _MULTIPLE.search(text)) is not None:
        raise _unreadable(text, f"it has '{multiple[0]}': the number would become part of the count before it")
    atoms: dict[str, int] = {}
    rest = text.strip().replace(".", "").replace("=", "")
    if not rest:
        raise MalformedRecord("a formula is empty", why="", hint=_HINT)
    for element, count in _tokens(rest, text):
        if element in atoms:
            raise _unreadable(text, f"'{element}' is there twice")
        atoms[element] = count
    return atoms


def _tokens(rest: str, text: str) -> Iterator[tuple[str, int]]:
    """Yield elements and counts of ``rest``, in turn."""
    at = 0
    while at < len(rest):
        token = _TOKEN.match(rest, at)
        if token is None:
            raise _unreadable(text, "it has parentheses" if rest[at] in "()[]" else f"it has '{rest[at]}'")
        element, digits = token[1], token[2]
        if element not in ISOTOPES:
            raise _unreadable(text, f"no element '{element}'")
        if len(digits) > _MOST_DIGITS:
            raise _unreadable(text, f"it has more atoms of '{element}' than an ion can have")
        count = int(digits or 1)
        if not count:
            raise _unreadable(text, f"it has no atom of '{element}'")
        yield element, count
        at = token.end()


def _unreadable(text: str, why: str) -> MalformedRecord:
    return MalformedRecord(f"the formula '{text}' can't be read", why=why, hint=_HINT)


@cache
def parse_adduct(text: str) -> tuple[tuple[int, Atoms], ...]:
    """Read an adduct: what is added (1) and taken away (-1), in turn: ``+Na``, ``-H``, ``+HCOO``, ``-H2O+H``.

    An element may be there several times. ``[M]+`` and ``[M]-`` have no step.

    Raises:
        OptionError: it can't be read.
    """
    if text in NO_ATOMS:
        return ()
    steps = _STEP.findall(text)
    if not steps or "".join(sign + part for sign, part in steps) != text:
        raise OptionError(f"the adduct '{text}' can't be read", why="", hint=_ADDUCT_HINT)
    try:
        return tuple((1 if sign == "+" else -1, _summed(part)) for sign, part in steps)
    except MalformedRecord as error:
        raise OptionError(f"the adduct '{text}' can't be read", why=error.why, hint=_ADDUCT_HINT) from error


def _summed(part: str) -> Atoms:
    atoms: dict[str, int] = {}
    for element, count in _tokens(part, part):
        atoms[element] = atoms.get(element, 0) + count
    return atoms


def ion_of(atoms: Atoms, adduct: str) -> str | None:
    """Return the formula of a molecule with an adduct; None if it has too few atoms for a step, or nothing is left."""
    found = dict(atoms)
    for sign, part in parse_adduct(adduct):
        for element, count in part.items():
            found[element] = found.get(element, 0) + sign * count
            if found[element] < 0:
                return None
    return write_formula(found) or None


def write_formula(atoms: Atoms) -> str:
    """Return C, H, N, O, P, S in that order, then the other elements by symbol; a count of 1 is not written."""
    rest = sorted(set(atoms) - set(_FIRST))
    return "".join(
        f"{element}{atoms[element] if atoms[element] > 1 else ''}" for element in (*_FIRST, *rest) if atoms.get(element)
    )


def read_written(formula: str) -> Atoms:
    """Read what `write_formula` wrote, and nothing else: it is not checked again, and takes a tenth of the time."""
    return {element: int(count or 1) for element, count in _TOKEN.findall(formula)}
