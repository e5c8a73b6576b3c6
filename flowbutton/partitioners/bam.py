"""BAM, cut at the starts of alignments, or by regions of the reference.

Here: which files are BAM, the two cuts, the reader that hands out raw alignments.
Not here: the walk that finds the seams (`bam_index`), records and blocks (`bam_records`, `bgzf`).
Format: SAM/BAM specification (samtools/hts-specs). Imports `flowbutton.model`; numpy; pysam only inside functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import numpy as np

from flowbutton.model.canonical import Json, digest_json
from flowbutton.model.errors import BadInput, OptionError
from flowbutton.model.partitioner import Partitioner, Reader
from flowbutton.model.pieces import Group, IndexPart, Key, Layout, Piece, Place, Source
from flowbutton.model.store import DataAccess
from flowbutton.partitioners.bam_index import CHECKPOINT_BYTES, WINDOW_BITS, BamIndex, walk_bam, window_key
from flowbutton.partitioners.bam_records import Batch, Header, batches, read_header
from flowbutton.partitioners.bgzf import MAX_BLOCK
from flowbutton.partitioners.files import file_groups, unchanged
from flowbutton.partitioners.packed import Packing, check_end, packing_of

NO_CONTIG = "*"
"""The key column ``contig`` of the piece that holds the alignments without a place, as SAM writes it."""

_OWNED, _HALO = 1, 2


class BamReads(Reader):
    """The alignments of a piece, as raw BAM records: each begins with the four bytes of its size.

    A long CIGAR stays in its CG tag, as the file has it.
    """

    def __init__(self, piece: Piece, data: DataAccess) -> None:
        self._key, self._data, self._consumed = dict(piece.key), data, 0
        body = cast(Mapping[str, Any], piece.body)
        self._uri, self._identity, self._size = body["uri"], body["identity"], body["size"]
        self._start, self._stop, self._first = body["start"], body["stop"], body["first"]
        self._region: tuple[int, int, int] | None = tuple(body["region"]) if body["region"] else None

    @property
    def key(self) -> Mapping[str, str | int]:
        """Columns ``file`` and ``ordinal`` (of the file), then ``part``, or ``contig``, ``start``, ``stop``."""
        return self._key

    @property
    def consumed(self) -> int:
        """Owned alignments handed out; reading them again does not count again."""
        return self._consumed

    @property
    def header(self) -> str:
        """The file's header as SAM text."""
        return self._header.text

    def records(self) -> Iterator[bytes]:
        """Yield the owned alignments in the file's order. Raises `ChangedInput` at the end, and as `batches`."""
        return self._labelled(_OWNED)

    def halo(self) -> Iterator[bytes]:
        """Yield the alignments that begin left of the region and reach into it; none for a piece cut by records."""
        return self._labelled(_HALO)

    def write(self, path: Path, *, halo: bool = False) -> Path:
        """Write a BAM of the owned alignments, and of the halo too if that is wanted, in the file's order."""
        from pysam import BGZFile

        with BGZFile(str(path), "wb", None) as file:
            file.write(self._header.raw)
            for record in self._labelled(_OWNED | _HALO if halo else _OWNED):
                file.write(record)
        return path

    def as_files(self, folder: Path) -> Mapping[str, Path]:
        """Write a BAM of the owned alignments, with the file's header."""
        return {"": self.write(folder / "alignments.bam")}

    @cached_property
    def _header(self) -> Header:
        with unchanged(self._uri, self._identity, self._data):
            return read_header(self._read, self._size, self._uri)

    def _read(self, start: int, stop: int) -> bytes:
        # Blocks are asked for a MiB at a time; what lies behind the piece's last block is not its business.
        return self._data.read(self._uri, start, min(stop, (self._stop >> 16) + MAX_BLOCK, self._size))

    def _labelled(self, wanted: int) -> Iterator[bytes]:
        owned = 0
        with unchanged(self._uri, self._identity, self._data):
            for batch in batches(self._read, self._start, self._stop, file=self._uri, first=self._first):
                labels = self._labels(batch)
                chosen = np.flatnonzero(labels & wanted)
                for record, label in zip(batch.records(chosen), labels[chosen].tolist(), strict=True):
                    owned += label == _OWNED
                    self._consumed = max(self._consumed, owned)
                    yield record

    def _labels(self, batch: Batch) -> Any:
        if self._region is None:
            return np.full(len(batch.starts), _OWNED)
        contig, start, stop = self._region
        position = np.maximum(batch.fields["position"].astype(np.int64), 0)
        here = batch.fields["contig"] == contig
        halo = here & (position < start) & (position + batch.spans() > start)
        owned = here & (position >= start) & (position < stop)
        return np.where(owned, _OWNED, np.where(halo, _HALO, 0))


class Bam(Partitioner):
    """Cuts BAM files, coordinate-sorted or not, between alignments.

    By records, a piece owns the alignments between two checkpoints, which lie 256 KiB apart as stored. By region, it
    owns those whose leftmost position lies in its region; those that reach in from the left are its halo; those
    without a place are a piece of their own, with contig ``*``; a region that no alignment reaches makes no piece.

    Cost of the index: each file is walked once by one task, since where a record begins is known only from the one
    before; a second for about 800,000 short alignments (50 MB as stored).
    """

    name: ClassVar[str] = "bam"
    version: ClassVar[int] = 1
    reader: ClassVar[type[Reader]] = BamReads
    unit: ClassVar[str] = "alignments"
    columns: ClassVar[tuple[str, ...]] = ("file", "ordinal", "part", "contig", "start", "stop")

    def __init__(self, *, checkpoint_bytes: int = CHECKPOINT_BYTES) -> None:
        self._checkpoint_bytes = checkpoint_bytes

    def probe(self, source: Source, data: DataAccess) -> Sequence[Group]:
        """Look at the first and the last bytes of each file."""
        groups = file_groups(source, data)
        for group in groups:
            info = group.objects[0]
            _check_head(data.read(info.uri, 0, min(info.size, MAX_BLOCK)), info.uri)
            check_end(info, data)
        return groups

    def index_parts(self, group: Group) -> Sequence[IndexPart]:
        """Return one task: the walk."""
        info = group.objects[0]
        body: Json = {"uri": info.uri, "identity": info.identity, "size": info.size}
        return [IndexPart(group.ordinal, info.identity, info.size, body)]

    def index(self, part: IndexPart, data: DataAccess) -> bytes:
        """Walk over the file's alignments."""
        body = cast(Mapping[str, Any], part.body)
        with unchanged(body["uri"], body["identity"], data):
            return walk_bam(data, body["uri"], body["size"], checkpoint_bytes=self._checkpoint_bytes).encode()

    def layout(self, group: Group, indexes: Sequence[bytes]) -> Layout:
        """Take what the walk found."""
        index = BamIndex.decode(indexes[0])
        return Layout(group, index.records, group.objects[0].size, index)

    def cut(
        self,
        layout: Layout,
        *,
        size: int = 64 * 1024**2,
        by: Literal["records", "region"] = "records",
        region_size: int = 1_000_000,
    ) -> Sequence[Piece]:
        """Divide a file by its records or by regions of its reference.

        Args:
            layout: What `layout` found.
            size: Stored bytes per piece when cut by records, at least 1.
            by: ``records``, or ``region``, for which the file must be sorted by coordinate.
            region_size: Bases of the reference per piece when cut by region, at least 1.

        Raises:
            BadInput: the file is not sorted and is to be cut by region.
        """
        if min(size, region_size) < 1 or by not in ("records", "region"):
            raise OptionError(
                f"this can't be cut with size {size}, region_size {region_size}, by {by!r}",
                why="",
                hint="size is at least 1 byte, region_size at least 1 base, by is 'records' or 'region'",
            )
        index = cast(BamIndex, layout.body)
        if not index.records:
            return []
        if by == "records":
            return _by_records(layout.group, index, size)
        if index.unsorted is not None:
            raise _unsorted(layout.group.objects[0].uri, index.unsorted)
        return [*_by_region(layout.group, index, region_size), *_tail(layout.group, index)]

    def open(self, piece: Piece, data: DataAccess) -> BamReads:
        """Open a reader on a piece."""
        return BamReads(piece, data)

    def places(self, piece: Piece) -> Sequence[Place]:
        """Return the blocks from the piece's first alignment to its last, and the numbers of those cut by records."""
        body = cast(Mapping[str, Any], piece.body)
        first, last = body["start"] >> 16, body["stop"] >> 16
        covered = (first, last) if first < last else None  # inside one block, whose end is not known here
        records = (body["first"] + 1, body["first"] + piece.records + 1) if piece.records else None
        return [Place(body["uri"], covered, records)]


def _by_records(group: Group, index: BamIndex, size: int) -> list[Piece]:
    seams: list[int] = []  # numbers of the checkpoints at which pieces begin
    for number, offset in enumerate(index.checkpoints.tolist()):
        if not seams or (offset >> 16) - (int(index.checkpoints[seams[-1]]) >> 16) >= size:
            seams.append(number)
    offsets = [*index.checkpoints[seams].tolist(), index.end]
    counts = [*index.before[seams].tolist(), index.records]
    return [
        _piece(
            group,
            index,
            (offsets[part], offsets[part + 1]),
            key=(("part", part),),
            first=counts[part],
            records=counts[part + 1] - counts[part],
        )
        for part in range(len(seams))
    ]


def _by_region(group: Group, index: BamIndex, size: int) -> Iterator[Piece]:
    keys, reaches = index.reaches
    for contig, (name, length) in enumerate(zip(index.names, index.lengths, strict=True)):
        low, high = np.searchsorted(keys, [contig << 32, (contig + 1) << 32])
        for start in _reached(keys[low:high].tolist(), length, size):
            stop = min(start + size, length)
            first = int(np.searchsorted(keys, window_key(contig, start)))
            span = (int(reaches[first]), _begin_after(index, window_key(contig, stop - 1)))
            where = (("contig", name), ("start", start), ("stop", stop))
            yield _piece(group, index, span, key=where, region=(contig, start, stop))


def _reached(keys: Sequence[int], length: int, size: int) -> Iterator[int]:
    """Yield where the regions begin that meet a window of one contig that some alignment reaches."""
    done = -1
    for key in keys:
        window = key & 0xFFFFFFFF
        last = (min((window + 1) << WINDOW_BITS, length) - 1) // size
        for region in range(max((window << WINDOW_BITS) // size, done + 1), last + 1):
            yield region * size
        done = max(done, last)


def _begin_after(index: BamIndex, key: int) -> int:
    """Return the offset of the first alignment that begins in a window behind the window ``key``."""
    keys, offsets = index.starts
    number = int(np.searchsorted(keys, key, side="right"))
    if number < len(keys):
        return int(offsets[number])
    return index.end if index.tail is None else index.tail


def _tail(group: Group, index: BamIndex) -> Iterator[Piece]:
    if index.tail is not None:
        count = index.tail_records
        where = (("contig", NO_CONTIG), ("start", 0), ("stop", 0))
        span = (index.tail, index.end)
        yield _piece(group, index, span, key=where, first=index.records - count, records=count)


def _piece(
    group: Group,
    index: BamIndex,
    span: tuple[int, int],
    *,
    key: Key,
    first: int = 0,
    records: int | None = None,
    region: tuple[int, int, int] | None = None,
) -> Piece:
    """Describe the records of ``span`` (virtual offsets); of these a piece of a region owns those that begin in it."""
    info = group.objects[0]
    body: dict[str, Json] = {"uri": info.uri, "identity": info.identity, "size": info.size, "first": first}
    body |= {"start": span[0], "stop": span[1], "region": list(region) if region else None}
    shown: list[Json] = [index.header_digest, index.digests_of(*span), body["region"]]
    stored = (span[1] >> 16) - (span[0] >> 16)
    return Piece(Bam.name, group.key + key, digest_json("bam", shown), records, stored, body)


def _check_head(head: bytes, uri: str) -> None:
    if packing_of(head) is Packing.BGZF:
        return
    if head.startswith(b"CRAM"):
        what, why = "CRAM can't be read", "it needs the very reference that it was made with"
        hint = "convert it: samtools view -b -o NEW.bam FILE.cram"
    elif head.startswith((b"@HD\t", b"@SQ\t", b"@RG\t", b"@PG\t", b"@CO\t")):
        what, why, hint = "this is SAM, not BAM", "it is text", "convert it: samtools view -b -o NEW.bam FILE.sam"
    elif not head:
        what, why, hint = "this is not a BAM file", "it is empty", "fetch it again, or make it again"
    else:
        what, why = "this is not a BAM file", f"it begins with the bytes {head[:4].hex(' ')}, not with a BGZF block"
        hint = "check which file is meant; a BAM is made by: samtools view -b"
    raise BadInput(what, why=why, hint=hint, file=uri, byte=0)


def _unsorted(uri: str, record: int) -> BadInput:
    return BadInput(
        "a BAM that is not sorted can't be cut by region",
        why="this alignment lies before the one that precedes it",
        hint="sort it: samtools sort -o NEW.bam FILE.bam; or cut it with by: records",
        file=uri,
        record=record,
    )
