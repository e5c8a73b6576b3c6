"""What mpileup carries from one site to later ones, and how pieces hand it on: two numbers of indel records.

bcftools mpileup computes MQSBZ and BQBZ only at a base that shows an alternative (bam2bcf.c, bcf_call_combine). The
record of an indel prints what the last such base left, however far before it that is, on another contig too. No halo
reaches that far. So each interval says where its first such base is and what its last one left; where a window of the
VCF is made, the indels before the first base get what the intervals before them left.

Here: finding those bases in the BCF of all sites, a part's bytes, the two numbers in a record.
Format: BCF 2.2 (samtools/hts-specs), section 6.3. Imports `flowbutton.model`, numpy; pysam only inside functions.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from flowbutton.partitioners.bam_layout import Ints
from flowbutton.stages.genomics.regions import Stretch
from flowbutton.stages.genomics.tools import run_bcftools

if TYPE_CHECKING:
    import pysam

_CARRIED = (b"MQSBZ", b"BQBZ")
# What stands before the two in INFO, of an indel that was called.
_BEFORE = frozenset(b"INDEL IDV IMF DP ADF ADR AD DPR SCR MIN_PL_SUM VDB SGB NM RPBZ MQBZ".split())

_BLOCK = 1 << 22
_HEAD = struct.Struct("<5sI")  # magic, bytes of the header's text
_POSITION = 0xFFFF_FFFF
_SIZES = struct.Struct("<II")
_FIXED = np.dtype([("sizes", "<u8"), ("contig", "<i4"), ("position", "<i4"), ("rest", "V10"), ("alleles", "<u2")])
_SHOWN = 3  # alleles of a base with an alternative: REF, ALT, and mpileup's <*> (or a third base)


@dataclass(frozen=True, slots=True)
class Called:
    """Variants that an interval owns, as lines of VCF; ``start`` is the interval's first base, counted from 0.

    ``first`` is the POS of its first base that shows an alternative, None if it has none; ``left`` is the INFO that its
    last one leaves for indels to come: both numbers, one, or none.
    """

    start: int
    first: int | None
    left: bytes
    lines: bytes

    def encode(self) -> bytes:
        """Return the bytes. Those of several intervals may follow each other; `decode` is the inverse."""
        return b"%d\t%d\t%s\t%d\n%s" % (self.start, self.first or 0, self.left, len(self.lines), self.lines)

    @classmethod
    def decode(cls, data: bytes) -> Iterator[Called]:
        """Yield what `encode` wrote."""
        at = 0
        while at < len(data):
            body = data.index(b"\n", at) + 1
            start, first, left, size = data[at : body - 1].split(b"\t")
            at = body + int(size)
            yield cls(int(start), int(first) or None, left, data[body:at])

    def after(self, carried: bytes) -> bytes:
        """Return the lines as they are when the sites before left ``carried``."""
        found: list[bytes] = []
        lines = self.lines.splitlines(keepends=True)
        for number, line in enumerate(lines):
            fields = line.split(b"\t", 8)
            if self.first is not None and int(fields[1]) >= self.first:
                return b"".join(found + lines[number:])
            if fields[7].startswith(b"INDEL"):
                fields[7] = _with(fields[7], carried)
            found.append(b"\t".join(fields))
        return b"".join(found)


def carried_at_start(header: bytes) -> bytes:
    """Return what an indel prints before any base showed an alternative: zeros, of what the header declares."""
    return b";".join(name + b"=0" for name in _CARRIED if b"##INFO=<ID=" + name + b"," in header)


def first_and_left(bcf: Path, intervals: Sequence[Stretch], folder: Path) -> dict[int, tuple[int, bytes]]:
    """Return, by the number of an interval, the POS of its first base with an alternative and what its last leaves.

    Args:
        bcf: All sites, as mpileup wrote them.
        intervals: Sorted and disjoint.
        folder: Where files are written.
    """
    import pysam

    starts = np.array([_place(stretch.contig, stretch.start) for stretch in intervals])
    stops = np.array([_place(stretch.contig, stretch.stop) for stretch in intervals])
    firsts: dict[int, int] = {}
    lasts: dict[int, bytes] = {}
    with pysam.BGZFile(str(bcf), "rb", None) as file:
        header = file.read(_HEAD.size)
        header += file.read(_HEAD.unpack(header)[1])
        for sites in _blocks(file):
            owners = np.searchsorted(starts, sites.place, side="right") - 1
            shown = np.flatnonzero(sites.shown & (owners >= 0) & (sites.place < stops[owners]))
            own, first = np.unique(owners[shown], return_index=True)
            last = np.append(first, len(shown))[1:] - 1
            for owner, begin, end in zip(own.tolist(), shown[first].tolist(), shown[last].tolist(), strict=True):
                firsts.setdefault(owner, (int(sites.place[begin]) & _POSITION) + 1)
                lasts[owner] = sites.record(end)
    left = _left_by(header, list(lasts.values()), folder)
    return {owner: (firsts[owner], text) for owner, text in zip(lasts, left, strict=True)}


@dataclass(frozen=True, slots=True)
class _Sites:
    """Records of all sites: where each is on the genome, and whether it is a base that shows an alternative."""

    data: bytes
    bounds: Sequence[int]
    place: Ints
    shown: npt.NDArray[np.bool_]

    def record(self, number: int) -> bytes:
        return self.data[self.bounds[number] : self.bounds[number + 1]]


def _blocks(file: pysam.BGZFile) -> Iterator[_Sites]:
    """Yield the records of a BCF in blocks of some MiB."""
    data, before = b"", -1
    while block := file.read(_BLOCK):
        data += block
        bounds = _bounds(data)
        starts = np.array(bounds[:-1], dtype=np.int64)
        if not len(starts):
            continue
        raw = np.frombuffer(data, dtype=np.uint8)
        fixed = raw[starts[:, None] + np.arange(_FIXED.itemsize)].view(_FIXED).reshape(-1)
        place = (fixed["contig"].astype(np.int64) << 32) + fixed["position"]
        # The second record of a place is that of an indel.
        is_base = np.diff(place, prepend=before) != 0
        yield _Sites(data, bounds, place, is_base & (fixed["alleles"] >= _SHOWN))
        data, before = data[bounds[-1] :], int(place[-1])


def _bounds(data: bytes) -> list[int]:
    """Return where each whole record begins, and where the last one ends."""
    at, total, read = 0, len(data), _SIZES.unpack_from
    bounds = [0]
    while at + _SIZES.size <= total:
        shared, own = read(data, at)
        at += _SIZES.size + shared + own
        if at > total:
            break
        bounds.append(at)
    return bounds


def _left_by(header: bytes, records: Sequence[bytes], folder: Path) -> list[bytes]:
    """Return what each of these records leaves, as bcftools writes numbers."""
    if not records:
        return []
    bcf, vcf = folder / "leaving.bcf", folder / "leaving.vcf"
    bcf.write_bytes(header + b"".join(records))
    run_bcftools("view", ["-H", "--no-version", "-Ov", "-o", str(vcf), str(bcf)])
    infos = [line.split(b"\t", 8)[7].split(b";") for line in vcf.read_bytes().splitlines()]
    return [b";".join(item for item in info if item.partition(b"=")[0] in _CARRIED) for info in infos]


def _with(info: bytes, carried: bytes) -> bytes:
    """Return an indel's INFO with ``carried`` in place of its own."""
    items = [item for item in info.split(b";") if item.partition(b"=")[0] not in _CARRIED]
    names = [item.partition(b"=")[0] for item in items]
    place = next((number for number, name in enumerate(names) if name not in _BEFORE), len(items))
    return b";".join(items[:place] + ([carried] if carried else []) + items[place:])


def _place(contig: int, position: int) -> int:
    return (contig << 32) + position
