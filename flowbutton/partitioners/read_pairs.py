"""Which FASTQ files are the two of a pair, told by their names: the usual ``_R1``/``_R2`` and ``_1``/``_2``.

Here: pure functions on names. Not here: sample sheets (`sample_sheet`). Imports `flowbutton.model`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from flowbutton.model.errors import BadInput
from flowbutton.partitioners.files import file_name

_ENDINGS = re.compile(r"(\.(fastq|fq|txt))?(\.(gz|bgz|bgzf))?$", re.IGNORECASE)
_MATE = re.compile(r"(?P<stem>.+?)[._-]R?(?P<mate>[12])(?P<rest>_\d{3})?")
_ILLUMINA = re.compile(r"(?P<sample>.+?)(?:_S\d+)?_(?P<lane>L\d{3})")


@dataclass(frozen=True, slots=True)
class Lane:
    """The files of one lane of one sample: one, or two that are a pair. The other fields are what a sheet says."""

    sample: str
    lane: str
    files: tuple[str, ...]
    read_group: str
    ploidy: int | None = None
    interleaved: bool = False


def stem_of(uri: str) -> str:
    """Return a file's name without folder and endings."""
    name = file_name(uri)
    return _ENDINGS.sub("", name) or name


def ends_like_fastq(uri: str) -> bool:
    """Return whether a file's name has an ending of FASTQ, plain or packed."""
    match = _ENDINGS.search(file_name(uri))
    return match is not None and match[2] in ("fastq", "fq")


def sample_and_lane(stem: str) -> tuple[str, str]:
    """Return the sample and lane that a name says: ``NA12_S3_L002`` is sample NA12, lane L002; else lane L1."""
    match = _ILLUMINA.fullmatch(stem)
    return (match["sample"], match["lane"]) if match else (stem, "L1")


def lane_of(files: Sequence[str]) -> Lane:
    """Make a lane of one file, or of two that somebody said are a pair."""
    match = _MATE.fullmatch(stem_of(files[0]))
    sample, lane = sample_and_lane(match["stem"] if match and len(files) == 2 else stem_of(files[0]))
    return Lane(sample, lane, tuple(files), sample)


def find_pairs(uris: Sequence[str]) -> list[Lane]:
    """Group files into lanes by their names, in the order of names; a file without a mate is single-end.

    Raises:
        BadInput: the names leave open what belongs together.
    """
    groups: dict[tuple[str, str], dict[str, str]] = {}
    for uri in sorted(uris):
        stem = stem_of(uri)
        match = _MATE.fullmatch(stem)
        folder = uri.rpartition("/")[0]
        name, mate = (match["stem"] + (match["rest"] or ""), match["mate"]) if match else (stem, "")
        mates = groups.setdefault((folder, name), {})
        if mate in mates:
            raise _ambiguous(mates[mate], uri, f"both would be read {mate or 1} of '{name}'")
        mates[mate] = uri
    lanes = [lane for (_, _), mates in groups.items() for lane in _lanes(mates)]
    seen: dict[tuple[str, str], Lane] = {}
    for lane in lanes:
        other = seen.setdefault((lane.sample, lane.lane), lane)
        if other is not lane:
            raise _ambiguous(
                other.files[0], lane.files[0], f"both would be lane '{lane.lane}' of sample '{lane.sample}'"
            )
    return lanes


def _lanes(mates: dict[str, str]) -> list[Lane]:
    if len(mates) == 3 or ("" in mates and len(mates) > 1):
        first, second, *_ = mates.values()
        raise _ambiguous(first, second, "there is also a file of that name without a read number")
    if set(mates) == {"2"}:
        raise BadInput(
            "a file of second reads has no file of first reads",
            why="its name ends like the second of a pair",
            hint="add the first file to the pattern, or give a sample sheet that names it as r1",
            file=mates["2"],
        )
    return [lane_of([mates[mate] for mate in sorted(mates)])]


def _ambiguous(one: str, other: str, why: str) -> BadInput:
    return BadInput(
        "it is not clear which FASTQ files are a pair",
        why=f"'{one}' and '{other}': {why}",
        hint="give a sample sheet (columns sample, lane, r1, r2)",
        file=other,
    )
