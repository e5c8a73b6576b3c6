"""Joining the indexes of a lane's files, and cutting the lane into pieces: pure, in integers.

A *unit* is what is never divided: a read, or a pair (one read of each file, or two in turn of an interleaved file).
How many stored bytes lie before a unit is known at the marks of the index and divided evenly between two marks; that
decides only where a cut falls, never what a piece holds: the units of a piece are found by counting lines.

Here: `Lane` (a layout's body), `join_files`, `cut_lane`. Not here: passing over data (`fastq_index`), reading pieces
(`fastq_reads`). Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from flowbutton.model.canonical import Json, digest_json
from flowbutton.model.errors import BadInput, MalformedRecord, TruncatedInput, UnpairedReads
from flowbutton.model.pieces import ObjectInfo, Piece
from flowbutton.partitioners.fastq_index import MARK, Marks, PartIndex
from flowbutton.partitioners.fastq_records import LINES
from flowbutton.partitioners.lines import count_lines, first_bad_line, lacks_last_line

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FileMap:
    """Where the lines of one file lie.

    ``lines``, ``text`` and ``stored`` say what lies before each mark, and last of all in the whole file: newlines,
    bytes of text, bytes as stored (shared out by text where the text was kept). ``objects`` are (URI, coding) of the
    file itself and of the list of kept objects, if there is one. ``fault``: a record that has not the letters of one,
    in a file whose lines are four to a record all the same. ``proven``: all records are good (`fastq_proof`).
    """

    info: ObjectInfo
    objects: tuple[tuple[str, str], ...]
    marks: Marks
    lines: Integers
    text: Integers
    stored: Integers
    records: int
    ends_whole: bool
    fault: MalformedRecord | None = None
    proven: bool = False


@dataclass(frozen=True, slots=True)
class Lane:
    """A layout's body: the files of a lane, in step, and how many ``units`` they hold."""

    files: tuple[FileMap, ...]
    units: int
    interleaved: bool


def join_file(info: ObjectInfo, coding: str, parts: Sequence[PartIndex]) -> FileMap:
    """Join the indexes of a file's parts.

    Raises:
        MalformedRecord, TruncatedInput: the lines are not four to a record.
        BadInput: the parts do not fit together.
    """
    used = _chained(info, parts)
    lines = [part.lines for part in used]
    count = count_lines(lines)
    bad = first_bad_line(lines, count)
    fault = None if bad is None else _out_of_step(info.uri, bad.line, bad.byte)
    if fault is not None and (count % LINES or lacks_last_line(lines, count)):
        raise fault
    if count % LINES:
        raise TruncatedInput(
            "a FASTQ file ends inside a record",
            why=f"it has {count} lines, which is not four to a record",
            hint="compare its size with the sender's and fetch it again",
            file=info.uri,
            record=count // LINES + 1,
            byte=sum(part.text for part in lines),
        )
    kept = tuple((part.kept, part.kept_from or 0) for part in used if part.kept is not None)  # one at most
    marks = np.concatenate([np.zeros(0, MARK), *(part.marks for part in used)])
    stored = (marks["stop"] - marks["start"]).astype(np.int64)
    return FileMap(
        info=info,
        objects=((info.uri, coding), *((uri, "kept") for uri, _ in kept)),
        marks=marks,
        lines=_before(marks["newlines"]),
        text=_before(marks["text"]),
        stored=_before(_shared_out(stored, marks, sum(info.size - start for _, start in kept))),
        records=count // LINES,
        ends_whole=all(part.ends_whole for part in used),
        fault=fault,
        proven=all(part.proven for part in used),
    )


def join_lane(files: Sequence[FileMap], *, interleaved: bool) -> Lane:
    """Join the files of a lane.

    Raises:
        UnpairedReads: two files have unequal numbers of reads, or an interleaved one has an odd number.
    """
    counts = [file.records for file in files]
    if len(set(counts)) > 1:
        short, long = sorted(files, key=lambda file: file.records)
        raise UnpairedReads(
            "the two files of a pair have unequal numbers of reads",
            why=f"{short.info.uri} has {short.records}, {long.info.uri} has {long.records}",
            hint="give the two files of one lane as the sequencer wrote them; a trimmer must keep pairs together",
            file=long.info.uri,
            record=short.records + 1,
        )
    if interleaved and counts[0] % 2:
        raise UnpairedReads(
            "an interleaved file has an odd number of reads",
            why=f"it has {counts[0]}: the last one has no mate",
            hint="fetch it again, or leave out 'interleaved' if the reads are not pairs",
            file=files[0].info.uri,
            record=counts[0],
        )
    return Lane(tuple(files), counts[0] // 2 if interleaved else counts[0], interleaved)


def cut_lane(lane: Lane, *, size: int, sample: str, read_group: str, lane_name: str, partitioner: str) -> list[Piece]:
    """Divide a lane into pieces of about ``size`` stored bytes, each of one unit or more."""
    if not lane.units:
        return []
    weights = _Weights.of(lane)
    borders = [0, *weights.cuts(size), lane.units]
    before = weights.at(np.array(borders, np.int64))
    per_unit = 2 if lane.interleaved else 1
    paired = lane.interleaved or len(lane.files) == 2
    pieces = []
    for ordinal, (first, last) in enumerate(pairwise(borders)):
        found = [_extents(file, first * per_unit, last * per_unit) for file in lane.files]
        content: Json = {
            "sample": sample,
            "read_group": read_group,
            "paired": paired,
            "files": [{"bytes": digest, "skip": file["skip"], "records": file["records"]} for file, digest in found],
        }
        pieces.append(
            Piece(
                partitioner=partitioner,
                key=(("sample", sample), ("lane", lane_name), ("ordinal", ordinal)),
                content=digest_json("fastq piece", content),
                records=(last - first) * per_unit * len(lane.files),
                bytes=int(before[ordinal + 1] - before[ordinal]),
                body={
                    "sample": sample,
                    "read_group": read_group,
                    "paired": paired,
                    "files": [file for file, _ in found],
                },
            )
        )
    return pieces


def _out_of_step(file: str, line: int, byte: int) -> MalformedRecord:
    wrong = "does not begin with '@'" if line % LINES == 0 else "has no '+' at the start of its third line"
    return MalformedRecord(
        f"a FASTQ record {wrong}",
        why=f"this is line {line + 1}; a record before it may have a line too many or too few",
        hint="records must have four lines each: 'seqtk seq -l0' joins wrapped ones (the byte is that of the text)",
        file=file,
        record=line // LINES + 1,
        byte=byte,
    )


def _chained(info: ObjectInfo, parts: Sequence[PartIndex]) -> list[PartIndex]:
    """Return the parts that matter, after making sure that each begins where the one before it ended.

    A part that went on to the end of the file makes those after it superfluous.
    """
    used: list[PartIndex] = []
    at = 0
    for part in parts:
        if at == info.size or (part.begin is None and at >= part.end):
            continue
        if part.begin != at:
            break
        used.append(part)
        at = part.end
    if at != info.size:
        raise BadInput(
            "the blocks of a BGZF file do not follow each other",
            why=f"there is no block at byte {at}, where the one before it ends",
            hint="fetch the file again; 'bgzip -t' tests a whole file",
            file=info.uri,
            byte=at,
        )
    return used


def _before(amounts: npt.NDArray[np.generic]) -> Integers:
    return np.concatenate(([0], np.cumsum(amounts.astype(np.int64))))


def _shared_out(stored: Integers, marks: Marks, kept_bytes: int) -> Integers:
    """Give each mark of kept text its share of the ``kept_bytes`` that the text takes in the file."""
    of_kept = marks["object"] > 0
    if not of_kept.any():
        return stored
    text = _before(marks["text"][of_kept])
    # Whole numbers: Python's own do not overflow, and the shares add up to the whole.
    upto = np.array([kept_bytes * int(amount) // int(text[-1]) for amount in text], np.int64)
    shares = stored.copy()
    shares[of_kept] = np.diff(upto)
    return shares


def _extents(file: FileMap, first: int, last: int) -> tuple[dict[str, Json], str]:
    """Return where the records ``[first, last)`` of a file lie, and the digest of the bytes that cover them."""
    enter = int(np.searchsorted(file.lines, first * LINES)) - 1 if first else 0
    leave = min(int(np.searchsorted(file.lines, last * LINES)), len(file.marks))
    rows = file.marks[enter:leave]
    extents: list[Json] = []
    for number in np.unique(rows["object"]):
        own = rows[rows["object"] == number]
        uri, coding = file.objects[int(number)]
        extents.append([uri, int(own["start"][0]), int(own["stop"][-1]), coding])
    place: dict[str, Json] = {
        "file": file.info.uri,
        "identity": file.info.identity,
        "extents": extents,
        "text": int(file.text[enter]),
        "skip": first * LINES - int(file.lines[enter]),
        "first": first + 1,
        "records": last - first,
        "proven": file.proven,
    }
    return place, hashlib.sha256(np.ascontiguousarray(rows["digest"]).tobytes()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Weights:
    """How many stored bytes of all files lie before a unit: known at ``units``, even in between."""

    units: Integers
    bytes: Integers

    @classmethod
    def of(cls, lane: Lane) -> _Weights:
        curves = [_curve(file, lane) for file in lane.files]
        units = np.unique(np.concatenate([curve.units for curve in curves]))
        return cls(units, np.sum([curve.at(units) for curve in curves], axis=0, dtype=np.int64))

    def at(self, units: Integers) -> Integers:
        """Return the bytes before each of ``units``."""
        left = np.minimum(np.searchsorted(self.units, units, "right") - 1, len(self.units) - 2)
        run, rise = np.diff(self.units)[left], np.diff(self.bytes)[left]
        return self.bytes[left] + (units - self.units[left]) * rise // run

    def cuts(self, size: int) -> list[int]:
        """Return the units, apart from the first and the end, before which about a multiple of ``size`` bytes lies."""
        run, rise = np.diff(self.units), np.diff(self.bytes)
        first, last = self.bytes[:-1] // size + 1, self.bytes[1:] // size  # multiples of size between two known places
        places = np.flatnonzero(last >= first)
        run, rise, first, last = run[places], rise[places], first[places], last[places]
        # Where there are more multiples than units, every unit from that of the first to that of the last is found:
        # as many as there are units, however small the size.
        dense = last - first >= run

        def unit(place: Integers, multiple: Integers) -> Integers:
            left = places[place]
            return self.units[left] - (self.bytes[left] - multiple * size) * run[place] // rise[place]

        many, few = np.flatnonzero(dense), np.flatnonzero(~dense)
        _, every = _spread(unit(many, first[many]), unit(many, last[many]))
        owner, multiples = _spread(first[few], last[few])
        found = np.unique(np.concatenate((every, unit(few[owner], multiples))))
        return [int(unit) for unit in found if 0 < unit < self.units[-1]]


def _spread(first: Integers, last: Integers) -> tuple[Integers, Integers]:
    """Return all numbers of the closed ranges, in turn: of each which range it is from, and the number."""
    counts = last - first + 1
    owner = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    begins = np.cumsum(counts) - counts
    return owner, np.arange(len(owner), dtype=np.int64) + (first - begins)[owner]


def _curve(file: FileMap, lane: Lane) -> _Weights:
    lines = LINES * (2 if lane.interleaved else 1)
    units = -(-file.lines // lines)  # the first unit that begins at or after the mark
    last_of_unit = np.append(np.diff(units) > 0, False)
    inside = last_of_unit & (units > 0) & (units < lane.units)
    total = int(file.info.size)
    return _Weights(
        np.concatenate(([0], units[inside], [lane.units])),
        np.concatenate(([0], file.stored[inside], [total])),
    )
