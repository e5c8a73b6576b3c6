"""FASTQ, cut by records: plain text, BGZF and gzip; single reads, pairs in two files, pairs in turn.

A source is one file, two with a comma between, a pattern, or a sample sheet. Each lane is a group; pieces of it hold
the same records of both its files. Cuts are found by counting lines, four to a record: a line that begins with '@' may
be a quality line, so nothing is ever looked for by its first letter.

Here: what a source names, and the five steps, each handed to the module that does it. Not here: counting
(`fastq_index`, `lines`), joining and cutting (`fastq_layout`), reading (`fastq_reads`, `fastq_records`), codings
(`bgzf`, `gzip_members`), names (`sample_sheet`, `read_pairs`).
Format: Cock et al. 2010, doi:10.1093/nar/gkp1137. Imports `flowbutton.model`, numpy; isal only inside functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any, ClassVar, cast

from flowbutton.model.canonical import Json
from flowbutton.model.errors import BadInput, MissingInput, OptionError, TruncatedInput
from flowbutton.model.kinds import PACKED, kind_of
from flowbutton.model.partitioner import Partitioner, Reader
from flowbutton.model.pieces import Group, IndexPart, Layout, ObjectInfo, Piece, Place, Source
from flowbutton.model.store import DataAccess
from flowbutton.partitioners import bgzf, gzip_members
from flowbutton.partitioners.fastq_index import Extent, PartIndex, index_extent, stride_of
from flowbutton.partitioners.fastq_layout import Lane, cut_lane, join_file, join_lane
from flowbutton.partitioners.fastq_reads import FastqReads
from flowbutton.partitioners.fastq_records import check_start
from flowbutton.partitioners.files import exists, file_name
from flowbutton.partitioners.read_pairs import Lane as NamedLane
from flowbutton.partitioners.read_pairs import find_pairs, lane_of
from flowbutton.partitioners.sample_sheet import is_sheet, parse_sheet

__all__ = ["Fastq", "FastqReads"]

MIB = 1 << 20
_HEAD = 1 << 16
_SMALL_PART = 4 * MIB
_OTHER_LETTERS = set(",*?[")
"""What makes a source more than the name of one file, unless it is a path and there is a file of that very name."""
_PARTS = 16  # of a file that is smaller than so many parts of full size
_OTHER_PACKERS = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip", b"NCBI": "SRA"}


class Fastq(Partitioner):
    """Cuts FASTQ at records, pairs in step.

    Plain text and BGZF are indexed in parallel parts. A plain gzip file can only be read from its start: one pass
    inflates it, counts, and keeps the text in the run's store for the pieces.

    Args:
        part_bytes: Stored bytes of one indexing task at most, about, where a file can be indexed in parts. A small
            file has smaller parts, so that several workers share it.
        block_bytes: Bytes of text between two places where a reader can enter.
        object_bytes: Bytes of text in one object, where text is kept.
    """

    name: ClassVar[str] = "fastq"
    version: ClassVar[int] = 3
    reader: ClassVar[type[Reader]] = FastqReads
    unit: ClassVar[str] = "reads"
    columns: ClassVar[tuple[str, ...]] = ("sample", "lane", "ordinal")

    def __init__(self, *, part_bytes: int = 64 * MIB, block_bytes: int = MIB // 4, object_bytes: int = 4 * MIB) -> None:
        self.part_bytes, self.block_bytes, self.object_bytes = part_bytes, block_bytes, object_bytes

    def probe(self, source: Source, data: DataAccess) -> Sequence[Group]:
        """Find the files of a source, look at the first 64 KiB of each, and group them by lanes."""
        lanes = _named_lanes(source, data)
        infos = _heads(lanes, data)
        groups = []
        for ordinal, lane in enumerate(lanes):
            body: dict[str, Json] = {
                "read_group": lane.read_group,
                "ploidy": lane.ploidy,
                "interleaved": lane.interleaved,
                "codings": [_coding(infos[file], data) for file in lane.files],
            }
            key = (("sample", lane.sample), ("lane", lane.lane))
            groups.append(Group(ordinal, key, tuple(infos[file] for file in lane.files), body))
        return groups

    def index_parts(self, group: Group) -> Sequence[IndexPart]:
        """Return the indexing tasks: one per gzip file, else one per part of each file."""
        parts: list[IndexPart] = []
        for number, info in enumerate(group.objects):
            coding = _body(group)["codings"][number]
            step = max(info.size, 1) if coding == "gzip" else self._step(info.size, coding)
            for start in range(0, max(info.size, 1), step):
                stop = min(start + step, info.size)
                parts.append(
                    IndexPart(
                        group=group.ordinal,
                        identity=f"{info.uri} {info.identity} [{start},{stop})",
                        bytes=stop - start,
                        body=asdict(Extent(info.uri, info.identity, info.size, start, stop, coding)),
                    )
                )
        return parts

    def _step(self, size: int, coding: str) -> int:
        """Return the stored bytes of a part: a whole number of strides."""
        stride = stride_of(coding, self.block_bytes)
        wanted = min(self.part_bytes, max(size // _PARTS, _SMALL_PART))
        return max(wanted // stride, 1) * stride

    def index(self, part: IndexPart, data: DataAccess) -> bytes:
        """Count the lines of a part and name its bytes by digests; text of plain gzip is kept."""
        extent = Extent(**cast(Mapping[str, Any], part.body))
        index = index_extent(extent, data, block_bytes=self.block_bytes, object_bytes=self.object_bytes)
        return index.encode()

    def layout(self, group: Group, indexes: Sequence[bytes]) -> Layout:
        """Join the indexes of a lane. Raises what `join_file` and `join_lane` raise."""
        body = _body(group)
        parts = self.index_parts(group)
        files = []
        for info, coding in zip(group.objects, body["codings"], strict=True):
            own = [
                PartIndex.decode(index)
                for part, index in zip(parts, indexes, strict=True)
                if cast(Mapping[str, Any], part.body)["uri"] == info.uri
            ]
            files.append(join_file(info, coding, own))
        lane = join_lane(files, interleaved=body["interleaved"])
        records = sum(file.records for file in files)
        fault = next((file.fault for file in files if file.fault is not None), None)
        return Layout(group, records, sum(info.size for info in group.objects), lane, fault)

    def cut(self, layout: Layout, *, size: int = 32 * MIB, allow_missing_eof: bool = False) -> Sequence[Piece]:
        """Divide a lane into pieces of about ``size`` bytes as stored, all its files together.

        Args:
            layout: What `layout` returned.
            size: Wanted bytes per piece, at least 1. A piece has at least one read, or one pair.
            allow_missing_eof: Take BGZF files without the empty block that should end them.

        Raises:
            OptionError: ``size`` is below 1.
            TruncatedInput: a BGZF file lacks its last block.
        """
        if size < 1:
            raise OptionError(f"size is {size}", why="a piece has at least one byte", hint="give 1 or more, say 32MiB")
        lane = cast(Lane, layout.body)
        for file in lane.files:
            if not file.ends_whole and not allow_missing_eof:
                raise TruncatedInput(
                    "a BGZF file lacks the empty block that ends it",
                    why="it may have been cut off between two blocks",
                    hint="fetch it again; if it is whole, set 'allow_missing_eof: true' or write it with bgzip",
                    file=file.info.uri,
                    byte=file.info.size,
                )
        key = dict(layout.group.key)
        return cut_lane(
            lane,
            size=size,
            sample=str(key["sample"]),
            lane_name=str(key["lane"]),
            read_group=_body(layout.group)["read_group"],
            partitioner=self.name,
        )

    def open(self, piece: Piece, data: DataAccess) -> FastqReads:
        """Open a piece; nothing is read yet."""
        return FastqReads(piece, data)

    def places(self, piece: Piece) -> Sequence[Place]:
        """Return each file with the reads that the piece owns, and the bytes that hold them, where these are its."""
        return [_place(file) for file in cast(Mapping[str, Any], piece.body)["files"]]

    def table(self, groups: Sequence[Group]) -> Json:
        """Return a row per sample, in order of first appearance: sample, read_groups, ploidy (null: not said)."""
        rows: dict[str, dict[str, Any]] = {}
        for group in groups:
            sample, body = str(dict(group.key)["sample"]), _body(group)
            row = rows.setdefault(sample, {"sample": sample, "read_groups": [], "ploidy": body["ploidy"]})
            if body["read_group"] not in row["read_groups"]:
                row["read_groups"].append(body["read_group"])
        return list(rows.values())


def _place(file: Mapping[str, Any]) -> Place:
    own = [(start, stop) for uri, start, stop, _ in file["extents"] if uri == file["file"]]
    covered = (own[0][0], own[-1][1]) if own else None  # plain gzip is read from kept text, not by its bytes
    return Place(file["file"], covered, (file["first"], file["first"] + file["records"]))


def _body(group: Group) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], group.body)


def _named_lanes(source: Source, data: DataAccess) -> list[NamedLane]:
    if is_sheet(source.uri):
        return parse_sheet(data.read(source.uri), source.uri)
    # A server is not asked for a file of such a name: it may refuse what it would not list.
    if not _OTHER_LETTERS.intersection(source.uri) or ("://" not in source.uri and exists(source.uri, data)):
        return [lane_of([source.uri])]
    if "," in source.uri:
        files = [file.strip() for file in source.uri.split(",")]
        if len(files) != 2 or not all(files) or files[0] == files[1]:
            raise BadInput(
                f"source '{source.name}' names {len(files)} files with commas between",
                why="that form is for the two different files of one pair",
                hint="give 'r1.fastq.gz,r2.fastq.gz', a pattern, or a sample sheet",
                file=source.uri,
            )
        return [lane_of(files)]
    found = data.glob(source.uri)
    if not found:
        raise MissingInput(
            f"no file fits the pattern of source '{source.name}'", why="", hint="check the path", file=source.uri
        )
    return find_pairs(found)


def _heads(lanes: Sequence[NamedLane], data: DataAccess) -> dict[str, ObjectInfo]:
    """Return the head of each file; if some are missing, raise the first one's error, which names the others."""
    infos: dict[str, ObjectInfo] = {}
    missing: list[MissingInput] = []
    for file in [file for lane in lanes for file in lane.files]:
        try:
            infos[file] = data.head(file)
        except MissingInput as error:
            missing.append(error)
    if len(missing) > 1:
        others = ", ".join(str(error.where.get("file", error.what)) for error in missing[1:])
        first = missing[0]
        why = f"{len(missing) - 1} more can't be read: {others}"
        raise MissingInput(first.what, why=f"{first.why}; {why}" if first.why else why, hint=first.hint, **first.where)
    if missing:
        raise missing[0]
    return infos


def _coding(info: ObjectInfo, data: DataAccess) -> str:
    """Tell a file's coding by its first bytes, and look at its first record."""
    head = data.read(info.uri, 0, _HEAD)
    _refuse_other(head, info.uri)
    for magic, packer in _OTHER_PACKERS.items():
        if head.startswith(magic):
            raise BadInput(
                f"a FASTQ file is packed with {packer}",
                why="plain text, gzip and BGZF can be read",
                hint="unpack it, best into BGZF: 'bgzip' lets it be read in parallel",
                file=info.uri,
            )
    if not head.startswith(gzip_members.MAGIC):
        check_start(head, info.uri)
        return "plain"
    check_start(_first_text(head, info.uri), info.uri)
    return "bgzf" if bgzf.block_size(head) is not None else "gzip"


def _refuse_other(head: bytes, uri: str) -> None:
    """Refuse what is certainly something else: a picture, alignments, a spreadsheet."""
    found = kind_of(head)
    if found is None or found in PACKED:
        return
    made = f"make reads of it: samtools fastq -o reads.fastq.gz {file_name(uri)}"
    hint = made if found in ("BAM", "CRAM", "SAM") else "check which file is meant"
    raise BadInput(f"this is {found}, not FASTQ", why="", hint=hint, file=uri, byte=0)


def _first_text(head: bytes, file: str) -> bytes:
    """Return the text at the start of a gzip file, as far as ``head`` has it; of damage the index will tell better."""
    text = b""
    with suppress(BadInput):
        for step in gzip_members.inflate_members(lambda a, b: head[a:b], 0, len(head), file=file):
            text += step
            if len(text) >= _HEAD:
                break
    return text
