"""Regions of a genome: intervals of a BED file, or the contigs of a reference, cut into ranges of bases.

Here: which file says what, the cuts, the reader that hands out one region.
Not here: the lines of BED (`bed`), of .fai (`fai`), of FASTA (`fasta`). No bases are read. Imports `flowbutton.model`.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, cast

from flowbutton.model.canonical import Json, digest_json
from flowbutton.model.errors import BadInput, OptionError, TruncatedInput
from flowbutton.model.partitioner import Partitioner, Reader
from flowbutton.model.pieces import Group, IndexPart, Layout, Piece, Source
from flowbutton.model.store import DataAccess
from flowbutton.partitioners.bed import Interval, check_disjoint, parse_bed
from flowbutton.partitioners.fai import parse_fai
from flowbutton.partitioners.fasta import Fasta, FastaBody
from flowbutton.partitioners.files import file_groups, file_suffix, unchanged
from flowbutton.partitioners.packed import Packing, packing_of

_KINDS = {".bed": "bed", ".bed.gz": "bed", ".bed.bgz": "bed", ".fai": "fai"} | {
    stem + packed: "fasta" for stem in (".fa", ".fasta", ".fna") for packed in ("", ".gz", ".bgz")
}


@dataclass(frozen=True, slots=True)
class Region:
    """Bases ``[start, stop)`` of a contig, counted from 0."""

    contig: str
    start: int
    stop: int


class RegionRange(Reader):
    """One region."""

    def __init__(self, piece: Piece) -> None:
        self._key, self._consumed = dict(piece.key), 0
        body = cast(Mapping[str, Any], piece.body)
        self._region = Region(body["contig"], body["start"], body["stop"])

    @property
    def key(self) -> Mapping[str, str | int]:
        """Columns ``file``, ``ordinal`` (of the file), ``contig``, ``start``, ``stop``."""
        return self._key

    @property
    def consumed(self) -> int:
        """The region's bases once it was asked for, however often."""
        return self._consumed

    def region(self) -> Region:
        """Return the region."""
        self._consumed = self._region.stop - self._region.start
        return self._region

    def as_files(self, folder: Path) -> Mapping[str, Path]:
        """Write a BED file of one line."""
        place, region = folder / "region.bed", self.region()
        place.write_text(f"{region.contig}\t{region.start}\t{region.stop}\n")
        return {"": place}


class Regions(Partitioner):
    """Takes intervals from BED files, or whole contigs from a .fai or a FASTA file, and cuts them into ranges of bases.

    No base is in two regions: a BED with intervals that overlap is refused. An interval without bases makes no piece.
    Cost of the index: one read of the file, for a FASTA side by side in parts.
    """

    name: ClassVar[str] = "regions"
    version: ClassVar[int] = 1
    reader: ClassVar[type[Reader]] = RegionRange
    unit: ClassVar[str] = "bases"
    columns: ClassVar[tuple[str, ...]] = ("file", "ordinal", "contig", "start", "stop")

    def __init__(self) -> None:
        self._fasta = Fasta()

    def probe(self, source: Source, data: DataAccess) -> Sequence[Group]:
        """Find the files and say by their extensions what they are; FASTA files are looked into."""
        groups = [replace(group, body=_kind(group.objects[0].uri)) for group in file_groups(source, data)]
        return [self._probe_fasta(group, data) if group.body == "fasta" else group for group in groups]

    def _probe_fasta(self, group: Group, data: DataAccess) -> Group:
        found = self._fasta.probe(Source("", group.objects[0].uri, {}), data)[0]
        return replace(group, objects=found.objects, body={"fasta": found.body})

    def index_parts(self, group: Group) -> Sequence[IndexPart]:
        """Return one task for BED and .fai, those of `Fasta` for a FASTA file."""
        if group.body not in ("bed", "fai"):
            return self._fasta.index_parts(_as_fasta(group))
        info = group.objects[0]
        body: Json = {"uri": info.uri, "identity": info.identity, "kind": group.body}
        return [IndexPart(group.ordinal, info.identity, info.size, body)]

    def index(self, part: IndexPart, data: DataAccess) -> bytes:
        """Read the intervals of a file."""
        body = cast(Mapping[str, Any], part.body)
        if "kind" not in body:
            return self._fasta.index(part, data)
        uri: str = body["uri"]
        with unchanged(uri, body["identity"], data):
            text = _unpacked(data.read(uri), uri)
            if body["kind"] == "bed":
                rows = [[row.contig, row.start, row.stop, row.line] for row in parse_bed(text, file=uri)]
            else:
                rows = [[row.name, 0, row.length, line] for line, row in enumerate(parse_fai(text, file=uri), start=1)]
        return json.dumps(rows, separators=(",", ":")).encode()

    def layout(self, group: Group, indexes: Sequence[bytes]) -> Layout:
        """Take the intervals; no two may overlap."""
        info = group.objects[0]
        if group.body in ("bed", "fai"):
            rows = [Interval(*row) for row in json.loads(indexes[0])]
            check_disjoint(rows, file=info.uri)
        else:
            body = cast(FastaBody, self._fasta.layout(_as_fasta(group), indexes).body)
            contigs = [item.contig for item in body.sequences]
            rows = [Interval(contig.name, 0, contig.length, line) for line, contig in enumerate(contigs, start=1)]
        return Layout(group, sum(row.stop - row.start for row in rows), info.size, tuple(rows))

    def cut(self, layout: Layout, *, size: int = 1_000_000, whole: bool = False) -> Sequence[Piece]:
        """Divide each interval, in the file's order, into regions of ``size`` bases; its last may be shorter.

        Args:
            layout: What `layout` found.
            size: Bases per region, at least 1.
            whole: Leave every interval in one piece, however long.
        """
        if size < 1:
            raise OptionError(f"size is {size}", why="", hint="size is at least 1 base")
        rows = cast(tuple[Interval, ...], layout.body)
        return [
            _piece(layout.group, Region(row.contig, start, min(start + step, row.stop)))
            for row in rows
            if row.start < row.stop
            for step in [row.stop - row.start if whole else size]
            for start in range(row.start, row.stop, step)
        ]

    def open(self, piece: Piece, data: DataAccess) -> RegionRange:  # noqa: ARG002  # the piece says it all
        """Open a reader on a region."""
        return RegionRange(piece)


def _kind(uri: str) -> str:
    kind = _KINDS.get(file_suffix(uri).lower())
    if kind is None:
        raise BadInput(
            "regions can't be taken from this file",
            why=f"its extension is '{file_suffix(uri)}'",
            hint=f"give a file with one of: {', '.join(sorted(_KINDS))}",
            file=uri,
        )
    return kind


def _as_fasta(group: Group) -> Group:
    return replace(group, body=cast(Mapping[str, Json], group.body)["fasta"])


def _unpacked(data: bytes, uri: str) -> bytes:
    if packing_of(data) is Packing.PLAIN:
        return data
    try:
        return gzip.decompress(data)
    except EOFError as error:
        raise TruncatedInput(
            "a gzip file ends inside its data", why="", hint="fetch the file again", file=uri, byte=len(data)
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise BadInput("a gzip file is damaged", why=str(error), hint="fetch the file again", file=uri) from error


def _piece(group: Group, region: Region) -> Piece:
    shown: dict[str, str | int] = {"contig": region.contig, "start": region.start, "stop": region.stop}
    bases = region.stop - region.start
    # A region owns coordinates, and no stored bytes.
    return Piece(Regions.name, (*group.key, *shown.items()), digest_json("regions", shown), bases, 0, shown)
