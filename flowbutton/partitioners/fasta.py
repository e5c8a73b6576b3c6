"""FASTA, cut into ranges of bases.

Here: the parts of the index pass, plain text and BGZF; the ranges; the reader that hands out bases.
Not here: what the pass looks for (`fasta_scan`), base to byte (`fai`), BGZF blocks (`bgzf`).
Format: Pearson & Lipman 1988, doi:10.1073/pnas.85.8.2444; faidx(5) of samtools. Imports `flowbutton.model`.

The index pass reads the whole file once, in parts side by side: pieces are named by their bases. A .fai that lies
beside the file must agree with what the pass finds; one that is absent is not missed. Neither is a .gzi.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, zip_longest
from pathlib import Path
from typing import Any, ClassVar, cast

from flowbutton.model.canonical import Json, digest_json
from flowbutton.model.errors import BadInput, MissingInput, OptionError, UncuttableSource
from flowbutton.model.partitioner import Partitioner, Reader
from flowbutton.model.pieces import Group, IndexPart, Layout, ObjectInfo, Piece, Place, Source
from flowbutton.model.store import DataAccess
from flowbutton.partitioners.bgzf import find_block, inflate, text_size, walk
from flowbutton.partitioners.fai import Contig, parse_fai
from flowbutton.partitioners.fasta_scan import DIGEST_BASES, Findings, Fragment, OwnedLines, Scan, Sequenced, join
from flowbutton.partitioners.files import check_unchanged, file_groups, unchanged
from flowbutton.partitioners.packed import Packing, check_end, packing_of

PART_BYTES = 64 * 1024**2
READ_BYTES = 4 * 1024**2
_HEAD_BYTES = 1 << 16
_LINE_BASES = 60


class FastaSequence(Reader):
    """Bases ``[start, stop)`` of the sequence ``name``, counted from 0, as the file writes them: lower case stays."""

    def __init__(self, piece: Piece, data: DataAccess) -> None:
        self._key, self._data, self._consumed = dict(piece.key), data, 0
        body = cast(Mapping[str, Any], piece.body)
        self._uri, self._identity, self._stored = body["uri"], body["identity"], body["stored"]
        self.name: str = body["name"]
        self.start: int = body["start"]
        self.stop: int = body["stop"]
        self.halo_stop: int = body["halo_stop"]
        offset, line_bases, line_width = body["lines"]
        self._contig = Contig(self.name, self.halo_stop, offset, line_bases, line_width)

    @property
    def key(self) -> Mapping[str, str | int]:
        """Columns ``file``, ``ordinal`` (of the file), ``contig``, ``start``, ``stop``."""
        return self._key

    @property
    def consumed(self) -> int:
        """Owned bases handed out; those of the halo never count, nor does asking twice."""
        return self._consumed

    def sequence(self) -> bytes:
        """Return the owned bases ``[start, stop)``. Raises `ChangedInput`."""
        return self._bases(self.stop)

    def with_halo(self) -> bytes:
        """Return the bases ``[start, halo_stop)``, the owned ones and the overlap. Raises `ChangedInput`."""
        return self._bases(self.halo_stop)

    def as_files(self, folder: Path) -> Mapping[str, Path]:
        """Write a FASTA file of the owned bases, called ``name:first-last`` as samtools does: counted from 1."""
        place = folder / "sequence.fa"
        bases = self.sequence()
        lines = (bases[at : at + _LINE_BASES] + b"\n" for at in range(0, len(bases), _LINE_BASES))
        place.write_bytes(b"".join((f">{self.name}:{self.start + 1}-{self.stop}\n".encode(), *lines)))
        return {"": place}

    def _bases(self, stop: int) -> bytes:
        first, last = self._contig.span(self.start, stop)
        with unchanged(self._uri, self._identity, self._data):
            text = self._packed(first, last) if self._stored else self._data.read(self._uri, first, last)
        bases = text.translate(None, b"\r\n")
        self._consumed = min(len(bases), self.stop - self.start)
        return bases

    def _packed(self, first: int, last: int) -> bytes:
        start, stop, text_start = self._stored
        blocks = walk(lambda first, last: self._data.read(self._uri, first, min(last, stop)), start, stop)
        text = b"".join(inflate(block, file=self._uri, byte=at) for at, block in blocks)
        return text[first - text_start : last - text_start]


@dataclass(frozen=True, slots=True)
class Blocks:
    """Where the blocks of a BGZF file begin, stored and as text; the end of the last one closes both."""

    stored: tuple[int, ...]
    text: tuple[int, ...]

    def span(self, first: int, last: int) -> tuple[int, int, int]:
        """Return the stored bytes ``[start, stop)`` of the blocks with text ``[first, last)``, and its begin."""
        start = bisect_right(self.text, first) - 1
        stop = max(bisect_right(self.text, last - 1), start + 1)
        return self.stored[start], self.stored[stop], self.text[start]


@dataclass(frozen=True, slots=True)
class FastaBody:
    """A layout's sequences, in the order of the file, and its blocks if it is BGZF."""

    sequences: tuple[Sequenced, ...]
    blocks: Blocks | None


class Fasta(Partitioner):
    """Cuts FASTA files, plain or bgzipped, into ranges of bases; the lines of a sequence must be of one length.

    A piece owns bases ``[start, stop)`` of one sequence. A sequence without bases owns nothing and makes no piece.
    """

    name: ClassVar[str] = "fasta"
    version: ClassVar[int] = 1
    reader: ClassVar[type[Reader]] = FastaSequence
    unit: ClassVar[str] = "bases"
    columns: ClassVar[tuple[str, ...]] = ("file", "ordinal", "contig", "start", "stop")

    def __init__(self, *, part_bytes: int = PART_BYTES, digest_bases: int = DIGEST_BASES) -> None:
        self._part_bytes, self._digest_bases = part_bytes, digest_bases

    def probe(self, source: Source, data: DataAccess) -> Sequence[Group]:
        """Look at the head of each file; a .fai beside it (``ref.fa.fai``) becomes the group's second object."""
        return [_probe(group, data) for group in file_groups(source, data)]

    def index_parts(self, group: Group) -> Sequence[IndexPart]:
        """Return a task per 64 MiB of the file as stored; the first also reads the .fai."""
        info, *fai = group.objects
        return [
            self._part(group, info, fai[0] if fai and start == 0 else None, start)
            for start in range(0, info.size, self._part_bytes)
        ]

    def _part(self, group: Group, info: ObjectInfo, fai: ObjectInfo | None, start: int) -> IndexPart:
        stop = min(start + self._part_bytes, info.size)
        body: dict[str, Json] = {"uri": info.uri, "identity": info.identity, "size": info.size}
        body |= {"start": start, "stop": stop, "packed": group.body == Packing.BGZF}
        identity = f"{info.identity}:{start}-{stop}"
        if fai is not None:
            body |= {"fai": fai.uri, "fai_identity": fai.identity}
            identity += f":{fai.identity}"
        return IndexPart(group.ordinal, identity, stop - start, body)

    def index(self, part: IndexPart, data: DataAccess) -> bytes:
        """Scan the lines of a part. What is wrong is noted; `layout` raises it, as it knows the line numbers."""
        body = cast(Mapping[str, Any], part.body)
        texts = _PackedTexts(body, data) if body["packed"] else _PlainTexts(body, data)
        lines = OwnedLines(texts, first=body["start"] == 0)
        scan = Scan(digest_bases=self._digest_bases)
        with unchanged(body["uri"], body["identity"], data):
            for text in lines:
                scan.feed(text)
            scan.close()
        found: dict[str, Json] = {"text": texts.text, "skipped": lines.skipped, "lines": scan.lines}
        found |= {"blocks": texts.blocks, "fragments": [fragment.to_json() for fragment in scan.fragments]}
        if "fai" in body:
            check_unchanged(body["fai"], body["fai_identity"], data)
            found["fai"] = data.read(body["fai"]).decode("latin-1")
        return json.dumps(found, separators=(",", ":")).encode()

    def layout(self, group: Group, indexes: Sequence[bytes]) -> Layout:
        """Join what the parts found; compare it with the .fai."""
        parts = [json.loads(index) for index in indexes]
        info, *fai = group.objects
        bases = [0, *accumulate(part["text"] for part in parts)]
        findings = [
            Findings(base + part["skipped"], part["lines"], [Fragment.from_json(item) for item in part["fragments"]])
            for base, part in zip(bases, parts, strict=False)
        ]
        blocks = _join_blocks([part["blocks"] for part in parts], info) if group.body == Packing.BGZF else None
        sequences = tuple(join(findings, file=info.uri, digest_bases=self._digest_bases))
        if fai:
            _compare(sequences, parse_fai(parts[0]["fai"].encode("latin-1"), file=fai[0].uri), info.uri, fai[0].uri)
        records = sum(item.contig.length for item in sequences)
        return Layout(group, records, info.size, FastaBody(sequences, blocks))

    def cut(self, layout: Layout, *, size: int = 1_000_000, overlap: int = 0) -> Sequence[Piece]:
        """Divide each sequence into ranges of ``size`` bases, the last of which may be shorter.

        Args:
            layout: What `layout` found.
            size: Bases that a piece owns, at least 1.
            overlap: Bases right of a piece that its reader can show too, as halo; not beyond the sequence.
        """
        if size < 1 or overlap < 0:
            name, value = ("size", size) if size < 1 else ("overlap", overlap)
            raise OptionError(f"{name} is {value}", why="", hint="size is at least 1 base, overlap at least 0")
        body = cast(FastaBody, layout.body)
        return [
            _piece(layout.group, body.blocks, item, start, min(start + size, item.contig.length), overlap)
            for item in body.sequences
            for start in range(0, item.contig.length, size)
        ]

    def open(self, piece: Piece, data: DataAccess) -> FastaSequence:
        """Open a reader on a range of bases."""
        return FastaSequence(piece, data)

    def places(self, piece: Piece) -> Sequence[Place]:
        """Return the bytes that hold the owned bases: their lines; of BGZF the blocks, those of the halo too."""
        body = cast(Mapping[str, Any], piece.body)
        if body["stored"]:
            return [Place(body["uri"], (body["stored"][0], body["stored"][1]))]
        contig = Contig(body["name"], body["stop"], *body["lines"])
        return [Place(body["uri"], contig.span(body["start"], body["stop"]))]


def _probe(group: Group, data: DataAccess) -> Group:
    info = group.objects[0]
    head = data.read(info.uri, 0, _HEAD_BYTES)
    packing = packing_of(head)
    if packing is Packing.GZIP:
        raise UncuttableSource(
            "a FASTA file in plain gzip can't be cut",
            why="one gzip stream can only be read from its begin",
            hint="write it as BGZF once: gunzip -c FILE | bgzip > NEW.fa.gz; or leave it unpacked",
            file=info.uri,
        )
    if packing is Packing.BGZF:
        check_end(info, data)
        head = _first_text(info, data)
    _check_head(head, info.uri)
    try:
        return Group(group.ordinal, group.key, (info, data.head(f"{info.uri}.fai")), packing)
    except MissingInput:
        return Group(group.ordinal, group.key, (info,), packing)


def _first_text(info: ObjectInfo, data: DataAccess) -> bytes:
    """Return the text of a BGZF file up to the end of the first block with anything in it."""
    text = b""
    for at, block in walk(partial(data.read, info.uri), 0, info.size):
        text += inflate(block, file=info.uri, byte=at)
        if text.strip(b"\r\n"):
            break
    return text


def _check_head(head: bytes, uri: str) -> None:
    start = head.lstrip(b"\r\n")[:1]
    if start == b">":
        return
    if not start:
        raise BadInput("this is a reference without contigs", why="the file is empty", hint="check the file", file=uri)
    why, hint = "a FASTA file begins with '>' and a name", "check that it is a FASTA file and whole"
    if start == b"@":
        why, hint = (
            "it begins with '@', as FASTQ and SAM do",
            "read it with the partitioner 'fastq', or give a reference",
        )
    raise BadInput("this is not a FASTA file", why=why, hint=hint, file=uri, line=1)


class _PlainTexts:
    """The text of a part of a plain file, and on behind it, with whether it lies in the part."""

    def __init__(self, body: Mapping[str, Any], data: DataAccess) -> None:
        self._body, self._data = body, data
        self.text: int = body["stop"] - body["start"]
        self.blocks: list[Json] = []

    def __iter__(self) -> Iterator[tuple[bytes, bool]]:
        start, stop, size = self._body["start"], self._body["stop"], self._body["size"]
        for inside, first, last in ((True, start, stop), (False, stop, size)):
            for at in range(first, last, READ_BYTES):
                yield self._data.read(self._body["uri"], at, min(at + READ_BYTES, last)), inside


class _PackedTexts:
    """The same of a BGZF file: ``text`` bytes lie in the part's ``blocks``, each of them [begin, stored, inflated]."""

    def __init__(self, body: Mapping[str, Any], data: DataAccess) -> None:
        self._body, self._uri = body, body["uri"]
        self._read = partial(data.read, self._uri)
        self.text = 0
        self.blocks: list[Json] = []

    def __iter__(self) -> Iterator[tuple[bytes, bool]]:
        start, stop, size = self._body["start"], self._body["stop"], self._body["size"]
        first = find_block(self._read, start, stop, size) if start else 0
        if first is None:
            return
        for at, block in walk(self._read, first, size):
            text = inflate(block, file=self._uri, byte=at)
            if at < stop:
                self.text += len(text)
                self.blocks.append([at, len(block), text_size(block)])
            yield text, at < stop


def _join_blocks(parts: Sequence[Sequence[Sequence[int]]], info: ObjectInfo) -> Blocks:
    stored, text = [0], [0]
    for block in (block for part in parts for block in part):
        if block[0] != stored[-1]:
            raise _garbage(info.uri, stored[-1])
        stored.append(block[0] + block[1])
        text.append(text[-1] + block[2])
    if stored[-1] != info.size:
        raise _garbage(info.uri, stored[-1])
    return Blocks(tuple(stored), tuple(text))


def _garbage(uri: str, byte: int) -> BadInput:
    return BadInput(
        "a BGZF file holds bytes that are no BGZF block",
        why="it is damaged, or something was written behind its blocks",
        hint="fetch the file again, or write it anew with bgzip",
        file=uri,
        byte=byte,
    )


def _compare(sequences: Sequence[Sequenced], rows: Sequence[Contig], uri: str, fai: str) -> None:
    """Raise `BadInput` unless both find the same bases; samtools leaves out most sequences without bases."""
    found = [item.contig for item in sequences if item.contig.length]
    for contig, row in zip_longest(found, (row for row in rows if row.length)):
        if contig is None or row is None or not contig.agrees(row):
            raise BadInput(
                "the .fai does not belong to the FASTA file beside it",
                why="a sequence is in one of them only, or not at the same place",
                hint=f"make it again, samtools faidx {uri}, or remove it: it is not needed",
                file=fai,
                contig=(contig or row).name,
            )


def _piece(group: Group, blocks: Blocks | None, item: Sequenced, start: int, stop: int, overlap: int) -> Piece:
    contig, info = item.contig, group.objects[0]
    halo_stop = min(stop + overlap, contig.length)
    first, last = contig.span(start, stop)
    stored = list(blocks.span(first, contig.span(start, halo_stop)[1])) if blocks else None
    body: dict[str, Json] = {"uri": info.uri, "identity": info.identity, "stored": stored}
    body |= {"name": contig.name, "start": start, "stop": stop, "halo_stop": halo_stop}
    body |= {"lines": [contig.offset, contig.line_bases, contig.line_width]}
    shown: list[Json] = [contig.name, start, stop, halo_stop, item.digests_of(start, halo_stop)]
    key = (*group.key, ("contig", contig.name), ("start", start), ("stop", stop))
    return Piece(Fasta.name, key, digest_json("fasta", shown), stop - start, _stored_bytes(blocks, first, last), body)


def _stored_bytes(blocks: Blocks | None, first: int, last: int) -> int:
    if blocks is None:
        return last - first
    start, stop, _ = blocks.span(first, last)
    return stop - start
