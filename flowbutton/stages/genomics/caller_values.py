"""What may stand behind an option of bcftools: a whole number, a number, tags, flags of alignments, a word of a list.

The tools read most values with C's ``atoi``, which takes a word for 0, and tell the others only when they run. Here:
the kinds of values. Not here: which option has which (`caller_options`). Source: bcftools 1.24, ``mpileup -a '?'``,
``call -a '?'``, their manual; htslib, ``bam_str2flag``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_LARGEST = (1 << 31) - 1  # of a C int


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value: what it is, in words, and whether a text is one."""

    wants: str
    fits: Callable[[str], bool]


def _tags(text: str, *, without_prefix: str, drop: str = "") -> Kind:
    """Return the kind of lists of tags, in any case; ``drop`` may stand before one to leave it out.

    The names of tags that begin with ``without_prefix`` are known without it too.
    """
    full = text.split()
    known = {name.lower() for tag in full for name in (tag, tag.removeprefix(without_prefix))}

    def fits(value: str) -> bool:
        tags = value.lower().replace("fmt/", "format/").split(",")
        return all((tag.removeprefix(drop) if drop else tag) in known for tag in tags)

    hint = f", '{drop}' before one to leave it out" if drop else ""
    return Kind(f"tags with commas between{hint}: {', '.join(full)}", fits)


def _words(text: str) -> Kind:
    known = text.split()
    return Kind(f"one of {', '.join(known)}", lambda value: value.lower() in [word.lower() for word in known])


_FLAG_NAMES = "PAIRED PROPER_PAIR UNMAP MUNMAP REVERSE MREVERSE READ1 READ2 SECONDARY QCFAIL DUP SUPPLEMENTARY"


def _are_flags(value: str) -> bool:
    is_number = re.fullmatch(r"0[xX][0-9a-fA-F]+|\d+", value) is not None
    return is_number or all(name.upper() in _FLAG_NAMES.split() for name in value.split(","))


WHOLE = Kind(
    "a whole number, 0 or more", lambda value: re.fullmatch(r"\d{1,10}", value) is not None and int(value) <= _LARGEST
)
NUMBER = Kind(
    "a number, as 0.05 or 1e-3",
    lambda value: re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", value) is not None,
)
FLAGS = Kind(f"flags of alignments: a number, as 1796 or 0x704, or names: {', '.join(_FLAG_NAMES.split())}", _are_flags)
TEXT = Kind("a text", lambda value: bool(value) and not value.startswith("-"))
TWO_TAGS = Kind("two INFO tags, as AN,AC", lambda value: re.fullmatch(r"\w+,\w+", value) is not None)
AMBIGUOUS_READS = _words("drop incAD incAD0")
VARIANT_TYPES = _words("snps indels")
MPILEUP_TAGS = _tags(  # INFO/MQSBZ is listed by the tool, which can't parse it
    "FORMAT/AD FORMAT/ADF FORMAT/ADR FORMAT/DP FORMAT/NMBZ FORMAT/QM FORMAT/QS FORMAT/SP FORMAT/SCR "
    "INFO/AD INFO/ADF INFO/ADR INFO/BQBZ INFO/FS INFO/IDV INFO/IMF INFO/MQ0F INFO/MQBZ INFO/NM INFO/NMBZ "
    "INFO/RPBZ INFO/SCBZ INFO/SCR INFO/SGB INFO/VDB",
    without_prefix="FORMAT/",
    drop="-",
)
CALL_TAGS = _tags("GQ GP PV4 FORMAT/GQ FORMAT/GP INFO/PV4", without_prefix="")
