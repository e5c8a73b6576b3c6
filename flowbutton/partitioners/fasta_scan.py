"""One pass over FASTA text: where each sequence lies, how its lines are laid, and digests of its bases.

Here: the scan of a part of a file (parts can be scanned at the same time) and the joining of the parts' findings.
Not here: where the text comes from, plain or BGZF (`fasta`). Imports `flowbutton.model`, numpy.

A part owns the lines whose preceding line end lies in it, and the first part line 1: so no part needs to know how the
one before ends. A line that crosses the end of a part is read to its end.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from flowbutton.model.canonical import Json
from flowbutton.model.errors import BadInput, MalformedRecord
from flowbutton.partitioners.fai import Contig, check_names

DIGEST_BASES = 1 << 18
_GRAPHIC = bytes(range(0x21, 0x7F))
_NOT_IN_HEADERS = re.compile(
    rb"\0|\r(?!\n|\Z)"
)  # a lone '\r' may be meant as a line end: bases would be taken for a name
_KEPT_RUNS = 4  # lines as the first, a shorter last, empty ones: a fourth run is an error, whatever it is

Run = tuple[int, int, int]
"""Lines of equal shape that follow each other: bases, width in bytes with the line end, count."""


@dataclass(slots=True)
class Fragment:
    """Lines of one sequence in one part: from its header on, or, without ``name``, from where the part before ended.

    ``offset`` is the text byte of its first line of bases, ``line`` how many lines of the part come before that,
    ``bad`` the first byte that can't stand where it does. Bytes count from the begin of the part's lines.
    """

    name: str | None
    offset: int
    line: int
    bases: int = 0
    bad: int | None = None
    runs: list[Run] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)

    def to_json(self) -> Json:
        """Return the fields as a list."""
        return [self.name, self.offset, self.line, self.bases, self.bad, [list(run) for run in self.runs], self.digests]

    @classmethod
    def from_json(cls, value: Sequence[Any]) -> Fragment:
        """Read what `to_json` made."""
        name, offset, line, bases, bad, runs, digests = value
        return cls(name, offset, line, bases, bad, [(run[0], run[1], run[2]) for run in runs], list(digests))

    def add_run(self, bases: int, width: int, count: int) -> None:
        """Count lines; empty ones are all alike, whatever ends them."""
        shape = (bases, width) if bases else (0, 0)
        if self.runs and self.runs[-1][:2] == shape:
            count += self.runs.pop()[2]
        if len(self.runs) < _KEPT_RUNS:
            self.runs.append((*shape, count))


class OwnedLines:
    """Passes on the text of the lines that a part owns; ``skipped`` bytes at its begin belong to the part before."""

    def __init__(self, texts: Iterable[tuple[bytes, bool]], *, first: bool) -> None:
        self._texts, self._first, self.skipped = texts, first, 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield the text. Each of the given texts comes with whether it lies in the part or behind it."""
        skipping = not self._first
        for text, inside in self._texts:
            at = text.find(b"\n") + 1
            if not inside:
                if not skipping:
                    yield text[:at] if at else text
                if at or skipping:
                    return
            elif skipping:
                self.skipped += at or len(text)
                skipping = not at
                yield text[at:] if at else b""
            else:
                yield text


class Scan:
    """Scans lines, fed in order in any portions; ``fragments`` and ``lines`` are what it found after `close`."""

    def __init__(self, *, digest_bases: int = DIGEST_BASES) -> None:
        self.fragments = [Fragment(None, 0, 0)]
        self.lines = 0
        self._digest_bases, self._digest, self._digested = digest_bases, hashlib.sha256(), 0
        self._at = 0  # bytes seen
        self._open = 0  # bytes of the line of bases that the text so far ends in
        self._header: bytes | None = None  # the header line that the text so far ends in
        self._held = b""  # a '\r' at the end of a portion: only the next one says what it is

    def feed(self, text: bytes) -> None:
        """Scan the next bytes."""
        text = self._held + text
        self._held = b"\r" if text.endswith(b"\r") else b""
        self._feed(text[: len(text) - len(self._held)])

    def close(self) -> None:
        """Scan what the last line holds without a line end."""
        self._feed(self._held)
        if self._header is not None:
            self._begin(self._header)
        if self._open:
            self.fragments[-1].add_run(self._open, self._open, 1)
            self.lines += 1
        self._seal()

    def _feed(self, text: bytes) -> None:
        at = 0
        while at < len(text):
            if self._header is None and not self._open and text[at] == ord(">"):
                self._header = b""
            if self._header is None:
                end = text.find(b"\n>", at) + 1 or len(text)
                self._bases(text[at:end])
            else:
                end = text.find(b"\n", at) + 1 or len(text)
                self._header += text[at:end]
            self._at += end - at
            at = end
            if self._header is not None and self._header.endswith(b"\n"):
                self._begin(self._header)

    def _begin(self, header: bytes) -> None:
        self._seal()
        self._header = None
        self.lines += 1
        fragment = Fragment("", self._at, self.lines)
        word = header[1:].split(None, 1)[0] if header[1:2].strip() else b""
        try:
            fragment.name = word.decode()
        except UnicodeDecodeError as error:
            fragment.bad = self._at - len(header) + 1 + error.start
        bad = _NOT_IN_HEADERS.search(header)
        if bad is not None and fragment.bad is None:
            fragment.bad = self._at - len(header) + bad.start()
        self.fragments.append(fragment)

    def _bases(self, text: bytes) -> None:
        fragment = self.fragments[-1]
        bases = text.translate(None, b"\r\n")
        returns = text.count(b"\r\n")
        if fragment.bad is None and (bases.translate(None, _GRAPHIC) or returns != text.count(b"\r")):
            fragment.bad = self._at + _first_bad(text)
        fragment.bases += len(bases)
        self._count_lines(fragment, text, returns > 0)
        self._add_digests(bases)

    def _count_lines(self, fragment: Fragment, text: bytes, with_returns: bool) -> None:
        letters = np.frombuffer(text, np.uint8)
        ends = np.flatnonzero(letters == ord("\n"))
        if not len(ends):
            self._open += len(text)
            return
        widths = np.diff(ends, prepend=-1 - self._open)
        line_end = 1 + ((letters[ends - 1] == ord("\r")) & (ends > 0)) if with_returns else 1
        shapes = np.column_stack((widths - line_end, widths))
        changes = np.flatnonzero((shapes[1:] != shapes[:-1]).any(axis=1)) + 1
        for start, stop in pairwise([0, *changes.tolist(), len(ends)]):
            fragment.add_run(int(shapes[start, 0]), int(shapes[start, 1]), stop - start)
        self._open = len(text) - int(ends[-1]) - 1
        self.lines += len(ends)

    def _add_digests(self, bases: bytes) -> None:
        at = 0
        while at < len(bases):
            taken = bases[at : at + self._digest_bases - self._digested]
            self._digest.update(taken)
            self._digested += len(taken)
            at += len(taken)
            if self._digested == self._digest_bases:
                self._seal()

    def _seal(self) -> None:
        if self._digested:
            self.fragments[-1].digests.append(self._digest.hexdigest()[:32])
            self._digest, self._digested = hashlib.sha256(), 0


def _first_bad(text: bytes) -> int:
    """Return the first byte that is neither graphic nor part of a line end; there is one."""
    line_ends = text.replace(b"\r\n", b"AA").replace(b"\n", b"A")
    return next(at for at, letter in enumerate(line_ends) if letter not in _GRAPHIC)


@dataclass(frozen=True, slots=True)
class Findings:
    """What the scan of one part found. ``base`` is the text byte at which its lines begin."""

    base: int
    lines: int
    fragments: Sequence[Fragment]


@dataclass(frozen=True, slots=True)
class Digested:
    """Bases ``[start, stop)`` of a sequence and their digest."""

    start: int
    stop: int
    digest: str


@dataclass(frozen=True, slots=True)
class Sequenced:
    """A sequence as the scan found it: its row, and digests of its bases from the first to the last."""

    contig: Contig
    digests: tuple[Digested, ...]

    def digests_of(self, start: int, stop: int) -> list[Json]:
        """Return the digests that cover the bases ``[start, stop)``, each with its interval."""
        return [
            [item.start, item.stop, item.digest] for item in self.digests if item.start < stop and start < item.stop
        ]


def join(parts: Sequence[Findings], *, file: str, digest_bases: int = DIGEST_BASES) -> list[Sequenced]:
    """Join the findings of all parts of a file, in order.

    Raises:
        MalformedRecord: a sequence has lines that no index can describe, a byte that is no base, or no name.
        BadInput: there is text before the first header, there are no sequences, or two have one name.
    """
    found: list[Sequenced] = []
    pending: list[tuple[Fragment, int, int]] = []  # of one sequence: fragment, its offset, the lines before it
    lines = 0
    for part in parts:
        for fragment in part.fragments:
            if fragment.name is not None and pending:
                found.append(_sequence(pending, len(found) + 1, file, digest_bases))
                pending = []
            if fragment.name is not None or pending:
                pending.append((fragment, part.base + fragment.offset, lines + fragment.line))
            elif fragment.bases or fragment.bad is not None:
                raise _no_header(file)
        lines += part.lines
    if pending:
        found.append(_sequence(pending, len(found) + 1, file, digest_bases))
    check_names([item.contig.name for item in found], file=file)
    return found


def _sequence(pieces: list[tuple[Fragment, int, int]], record: int, file: str, digest_bases: int) -> Sequenced:
    whole = Fragment(pieces[0][0].name, pieces[0][1], pieces[0][2])
    digests: list[Digested] = []
    for fragment, offset, _ in pieces:
        if fragment.bad is not None:
            raise _bad_byte(file, record, offset - fragment.offset + fragment.bad)
        stop = whole.bases + fragment.bases
        for number, digest in enumerate(fragment.digests):
            start = whole.bases + number * digest_bases
            digests.append(Digested(start, min(start + digest_bases, stop), digest))
        for run in fragment.runs:
            whole.add_run(*run)
        whole.bases = stop
    if not whole.name:
        raise MalformedRecord(
            "a sequence has no name", why="", hint="write one behind its '>'", file=file, record=record, line=whole.line
        )
    line_bases, line_width = _line_shape(whole, record, file)
    return Sequenced(Contig(whole.name, whole.bases, whole.offset, line_bases, line_width), tuple(digests))


def _line_shape(whole: Fragment, record: int, file: str) -> tuple[int, int]:
    """Return bases and width of a sequence's lines; the last may be shorter, and empty lines may follow it."""
    if not whole.bases:
        return 0, 0
    runs = whole.runs[:-1] if whole.runs[-1][0] == 0 else whole.runs
    first = runs[0]
    if len(runs) > 2 or (len(runs) == 2 and (runs[1][2] > 1 or runs[1][0] > first[0])) or not first[0]:
        other = runs[1]
        raise MalformedRecord(
            f"the lines of sequence '{whole.name}' are not of equal length",
            why=f"a line of {other[0]} bases in {other[1]} bytes stands behind one of {first[0]} in {first[1]}; "
            "only the last may be shorter",
            hint="write it again with lines of one length: seqtk seq -l 60, or samtools faidx FILE NAMES",
            file=file,
            record=record,
            line=whole.line + 1 + first[2],
        )
    return first[0], first[1]


def _no_header(file: str) -> BadInput:
    return BadInput(
        "the file has bases before its first header",
        why="a FASTA file begins with '>' and a name",
        hint="check that it is a FASTA file and whole",
        file=file,
        line=1,
    )


def _bad_byte(file: str, record: int, byte: int) -> MalformedRecord:
    return MalformedRecord(
        "a sequence holds a byte that is no base and no name",
        why="only printable ASCII without blanks can stand in its lines, UTF-8 in its name, '\\r' only before '\\n'",
        hint="look at the file there; it may be damaged or not a FASTA file",
        file=file,
        record=record,
        byte=byte,
    )
