"""imzML: imaging mass spectra, cut between spectra.

Here: which two files belong together, the cut, the reader that hands out spectra.
Not here: the XML (`imzml_header`), the pass that finds seams and checks the files (`imzml_index`).
Format: Schramm et al. 2012, doi:10.1016/j.jprot.2012.07.026. Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any, ClassVar, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from flowbutton.model.canonical import Json, digest_json
from flowbutton.model.errors import BadInput, FlowbuttonError, MalformedRecord, MissingInput, OptionError
from flowbutton.model.partitioner import Partitioner, Reader
from flowbutton.model.pieces import Group, IndexPart, Layout, ObjectInfo, Piece, Place, Source, split_query
from flowbutton.model.store import DataAccess
from flowbutton.partitioners.files import file_groups, file_name, unchanged
from flowbutton.partitioners.imzml_header import KINDS, ROW, Rows, read_head
from flowbutton.partitioners.imzml_index import ImzmlIndex, row_range, walk_imzml
from flowbutton.partitioners.ranges import Fetched, Span

_WINDOW_BYTES = 8 * 1024**2
_GAP_BYTES = 64 * 1024
_SUFFIX = ".imzml"

_KINDS = tuple(map(np.dtype, KINDS))
_PLACES = (("mz_at", "mz_bytes", "mz_kind", "mz_packed", "peaks"), ("at", "bytes", "kind", "packed", "peaks"))
_Stored = tuple[int, int, int, int, int]
"""Of an array: its first byte, its bytes, number type, whether it is packed, values."""

Numbers = npt.NDArray[Any]


class _Wanted(NamedTuple):
    name: str
    least: float
    most: float
    why: str


_ABOVE = _Wanted("m/z", 1e-6, 1e9, "it must be a number from 1e-6 to below 1e9")
_AT_LEAST = _Wanted("intensity", 0.0, np.inf, "it must be a number, zero or more")


@dataclass(frozen=True, slots=True)
class Spectrum:
    """One spectrum: its number (from 1), its pixel as the file has it, and its peaks in the file's order and types."""

    number: int
    x: int
    y: int
    mz: Numbers
    intensity: Numbers


class ImzmlSpectra(Reader):
    """The spectra of a piece. What is counted are their peaks."""

    def __init__(self, piece: Piece, data: DataAccess) -> None:
        self._key, self._data, self._consumed = dict(piece.key), data, 0
        body = cast(Mapping[str, Any], piece.body)
        self._uri, self._identity, self._table = body["uri"], body["identity"], body["table"]
        self._start, self._stop = body["start"], body["stop"]
        self.profile: bool = body["profile"]

    @property
    def key(self) -> Mapping[str, str | int]:
        """Columns ``file`` and ``ordinal`` (of the imzML), then ``part`` (from 0)."""
        return self._key

    @property
    def consumed(self) -> int:
        """Peaks handed out; reading them again does not count again."""
        return self._consumed

    def spectra(self) -> Iterator[Spectrum]:
        """Yield the spectra in the file's order, empty ones too.

        Raises:
            MalformedRecord: an m/z or intensity is not a number, an m/z is not from 1e-6 to 1e9, an intensity is below
                zero, or a packed array does not hold what the header says.
            ChangedInput: the ``.ibd`` is not the planned one any more.
        """
        handed_out = 0
        with unchanged(self._uri, self._identity, self._data):
            for rows, first in self._windows():
                for spectrum in self._read(rows, first):
                    handed_out += len(spectrum.mz)
                    self._consumed = max(self._consumed, handed_out)
                    yield spectrum

    def _windows(self) -> Iterator[tuple[Rows, int]]:
        """Yield the piece's rows in groups of some MiB of arrays, each with the number of its first."""
        first, last = row_range(self._start, self._stop)
        rows = np.frombuffer(self._data.read(self._table, first, last), ROW)
        reach = np.cumsum(rows["bytes"] + rows["mz_bytes"]) // np.uint64(_WINDOW_BYTES)
        bounds = [0, *(np.flatnonzero(np.diff(reach)) + 1).tolist(), len(rows)]
        for start, stop in pairwise(bounds):
            yield rows[start:stop], self._start + start

    def _read(self, rows: Rows, first: int) -> Iterator[Spectrum]:
        """Yield the spectra of some rows; all are read and checked before the first is handed out."""
        axes, heights = ([*zip(*(rows[name].tolist() for name in names), strict=True)] for names in _PLACES)
        spans = [(at, at + size) for at, size, *_ in (*axes, *heights)]
        stored = Fetched(partial(self._data.read, self._uri), spans, gap=_GAP_BYTES)
        numbers = range(first + 1, first + 1 + len(rows))
        known: dict[_Stored, tuple[int, Numbers]] = {}  # the axis of a continuous file is one for all spectra
        for number, axis in zip(numbers, axes, strict=True):
            if axis not in known:
                known[axis] = number, self._array(axis, stored, number)
        intensity = [self._array(place, stored, number) for number, place in zip(numbers, heights, strict=True)]
        self._check([mz for _, mz in known.values()], [number for number, _ in known.values()], _ABOVE)
        self._check(intensity, numbers, _AT_LEAST)
        pixels = zip(numbers, rows["x"].tolist(), rows["y"].tolist(), strict=True)
        for pixel, axis, peaks in zip(pixels, axes, intensity, strict=True):
            yield Spectrum(*pixel, known[axis][1], peaks)

    def _array(self, place: _Stored, stored: Fetched, number: int) -> Numbers:
        at, size, kind, packed, peaks = place
        data = stored.bytes_of((at, at + size))
        if packed:
            data = self._inflated(data, peaks * _KINDS[kind].itemsize, number, at)
        return np.frombuffer(data, _KINDS[kind])

    def _inflated(self, stored: bytes, size: int, number: int, at: int) -> bytes:
        inflater = zlib.decompressobj()
        try:
            plain = inflater.decompress(stored, size + 1) if size else b""
        except zlib.error as error:
            raise self._malformed("a packed array is damaged", str(error), number, byte=at) from error
        if len(plain) != size:
            why = f"it holds {len(plain)} bytes or more, the header says {size}"
            raise self._malformed("a packed array does not hold what the header says", why, number, byte=at)
        return plain

    def _check(self, arrays: Sequence[Numbers], numbers: Sequence[int], wanted: _Wanted) -> None:
        """Refuse values of spectra, given by array, that are no numbers or too low."""
        values = np.concatenate([np.zeros(0, np.float32), *arrays])  # 16 bits can't be compared with 1e9
        good = (values >= wanted.least) & (values < wanted.most)
        if not good.all():
            place = int(np.argmin(good))
            starts = np.cumsum([0, *map(len, arrays)])
            which = int(np.searchsorted(starts, place, side="right")) - 1
            what = f"an {wanted.name} of a spectrum is {values[place]}"
            raise self._malformed(what, wanted.why, numbers[which], peak=place - int(starts[which]) + 1)

    def _malformed(self, what: str, why: str, number: int, **where: int) -> FlowbuttonError:
        hint = "correct the spectrum, or export the dataset again"
        return MalformedRecord(what, why=why, hint=hint, file=self._uri, record=number, **where)


class Imzml(Partitioner):
    """Cuts imzML datasets between spectra, into pieces of about as many peaks.

    Continuous and processed mode, any number type, arrays in any order and place, plain or packed by zlib. A piece owns
    whole spectra; empty ones belong to the piece that they stand in, and none is lost.

    Cost of the index: the XML is parsed once and the ``.ibd`` read once, by one task, since the checksum that the
    header has is over the whole file: a second for about 250 MB, and for each 10,000 spectra.
    """

    name: ClassVar[str] = "imzml"
    version: ClassVar[int] = 1
    reader: ClassVar[type[Reader]] = ImzmlSpectra
    unit: ClassVar[str] = "peaks"
    columns: ClassVar[tuple[str, ...]] = ("file", "ordinal", "part")

    def probe(self, source: Source, data: DataAccess) -> Sequence[Group]:
        """Look at the head of each imzML, and for the ``.ibd`` beside it."""
        return [_probe(group, data) for group in file_groups(source, data)]

    def index_parts(self, group: Group) -> Sequence[IndexPart]:
        """Return one task: the pass over both files."""
        imzml, ibd = group.objects
        body: Json = {name: _known(info) for name, info in (("imzml", imzml), ("ibd", ibd))}
        return [IndexPart(group.ordinal, f"{imzml.identity}:{ibd.identity}", imzml.size + ibd.size, body)]

    def index(self, part: IndexPart, data: DataAccess) -> bytes:
        """Pass over the two files."""
        body = cast(Mapping[str, Mapping[str, Any]], part.body)
        imzml, ibd = body["imzml"], body["ibd"]
        with (
            unchanged(imzml["uri"], imzml["identity"], data),
            unchanged(ibd["uri"], ibd["identity"], data),
        ):
            return walk_imzml(data, imzml["uri"], imzml["size"], ibd["uri"], ibd["size"]).encode()

    def layout(self, group: Group, indexes: Sequence[bytes]) -> Layout:
        """Take what the pass found."""
        index = ImzmlIndex.decode(indexes[0])
        return Layout(group, index.records, int(index.stored.sum()), index)

    def cut(self, layout: Layout, *, size: int = 1_000_000) -> Sequence[Piece]:
        """Divide a dataset between its spectra.

        Args:
            layout: What `layout` found.
            size: Peaks per piece, at least 1; a spectrum of more makes a larger piece.
        """
        if size < 1:
            raise OptionError(f"size is {size}", why="", hint="size is at least 1 peak")
        index = cast(ImzmlIndex, layout.body)
        bounds, held = [0], 0
        for number, peaks in enumerate(index.peaks.tolist()):
            if held and held + peaks > size:
                bounds.append(number)
                held = 0
            held += peaks
        bounds.append(len(index.peaks))
        return [_piece(layout.group, index, part, span) for part, span in enumerate(pairwise(bounds))]

    def open(self, piece: Piece, data: DataAccess) -> ImzmlSpectra:
        """Open a reader on a piece."""
        return ImzmlSpectra(piece, data)

    def places(self, piece: Piece) -> Sequence[Place]:
        """Return the spectra that a piece owns, as places in its ``.ibd``."""
        body = cast(Mapping[str, Any], piece.body)
        return [Place(body["uri"], None, (body["start"] + 1, body["stop"] + 1))]

    def table(self, groups: Sequence[Group]) -> Json:
        """Return a row per dataset: ``file``, ``ordinal``, ``polarity`` and ``pixel_um`` as its head tells them."""
        return [{**dict(group.key), **cast(Mapping[str, Json], group.body)} for group in groups]


def _probe(group: Group, data: DataAccess) -> Group:
    imzml = group.objects[0]
    if not file_name(imzml.uri).lower().endswith(_SUFFIX):
        raise BadInput(
            "this is not an imzML file",
            why=f"its name does not end with '.imzML' but with '{PurePosixPath(file_name(imzml.uri)).suffix}'",
            hint="give the .imzML; its .ibd is found beside it",
            file=imzml.uri,
        )
    head = read_head(partial(data.read, imzml.uri), imzml.size, file=imzml.uri)
    ibd = _beside(imzml.uri, data)
    return Group(group.ordinal, group.key, (imzml, ibd), {"polarity": head.polarity.value, "pixel_um": head.pixel_um})


def _beside(imzml: str, data: DataAccess) -> ObjectInfo:
    path, query = split_query(imzml)
    stem = path[: -len(_SUFFIX)]
    for suffix in (".ibd", ".IBD", ".Ibd"):
        try:
            return data.head(stem + suffix + query)
        except MissingInput:
            continue
    raise MissingInput(
        "the .ibd of an imzML is missing",
        why="the spectra are in a second file of the same name, beside the first",
        hint="put it there; both files of an export belong together",
        file=f"{stem}.ibd",
    )


def _known(info: ObjectInfo) -> Json:
    return {"uri": info.uri, "identity": info.identity, "size": info.size}


def _piece(group: Group, index: ImzmlIndex, part: int, span: Span) -> Piece:
    first, last = span
    ibd = group.objects[1]
    body: dict[str, Json] = {"uri": ibd.uri, "identity": ibd.identity, "table": index.table}
    body |= {"start": int(index.seams[first]), "stop": int(index.seams[last]), "profile": index.profile}
    content: Json = [list(index.digests[first:last]), index.profile]
    peaks, stored = int(index.peaks[first:last].sum()), int(index.stored[first:last].sum())
    return Piece(Imzml.name, (*group.key, ("part", part)), digest_json("imzml", content), peaks, stored, body)
