"""Rasters (GeoTIFF, COG), cut into windows along the blocks in which they are stored.

Several bands, of one file or of many, are read together as the layers of a window: each stored block is fetched once.

Here: the pieces, the reader of one. Not here: how large windows are (`raster_windows`), heads and grids
(`raster_layers`), the pass (`raster_index`), decoding (`tiff_image`).
Format: OGC GeoTIFF 1.1, OGC Cloud Optimized GeoTIFF 1.0. Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt

from flowbutton.model.canonical import Json, digest_json
from flowbutton.model.errors import BadInput, MalformedRecord, OptionError
from flowbutton.model.partitioner import Partitioner, Reader
from flowbutton.model.pieces import Group, IndexPart, Layout, ObjectInfo, Piece, Source
from flowbutton.model.store import DataAccess
from flowbutton.partitioners.area import Limits, area_of
from flowbutton.partitioners.files import file_name, unchanged
from flowbutton.partitioners.ranges import Fetched
from flowbutton.partitioners.raster_area import Clip, clip_of, clipped, reader_of
from flowbutton.partitioners.raster_index import (
    GAP_BYTES,
    PART_BYTES,
    IndexedImage,
    RasterIndex,
    index_raster,
    join_index,
    kept_head,
    stored_places,
)
from flowbutton.partitioners.raster_layers import Layer, RasterGrid, chosen, head_of, named_bands, valid_pixels
from flowbutton.partitioners.raster_warp import Method, Warp, onto_one_grid
from flowbutton.partitioners.raster_windows import default_window, steps, window_shape
from flowbutton.partitioners.tiff_image import TiffImage, decoded

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Band:
    """One layer of a window: values as stored, and which of them are there, both (rows, columns), halo included."""

    layer: Layer
    values: Array
    valid: npt.NDArray[np.bool_]

    def part(self, rows: slice) -> Band:
        """Return some rows of it."""
        return Band(self.layer, self.values[rows], self.valid[rows])


class RasterWindow(Reader):
    """A window of all layers of a raster. What is counted are its pixels, whatever the number of layers."""

    def __init__(self, piece: Piece, data: DataAccess) -> None:
        self._key, self._data, self._consumed = dict(piece.key), data, 0
        body = cast(Mapping[str, Any], piece.body)
        self._files: list[Mapping[str, Any]] = body["files"]
        self.layers = tuple(Layer(**layer) for layer in body["layers"])
        self.rows, self.columns, self._halo = range(*body["rows"]), range(*body["columns"]), int(body["halo"])
        self._clip = Clip.from_json(body["clip"]) if "clip" in body else None
        self._grid = RasterGrid.from_json(body["grid"]) if "grid" in body else None

    @property
    def key(self) -> Mapping[str, str | int]:
        """Columns ``file`` (the first), ``ordinal``, ``row`` and ``column`` (of the window's first pixel)."""
        return self._key

    @property
    def consumed(self) -> int:
        """The window's own pixels once they were asked for, however often."""
        return self._consumed

    @cached_property
    def grid(self) -> RasterGrid:
        """The grid of the whole raster, on which `rows` and `columns` are the window's own."""
        return self._grid or kept_head(self._data, self._files[0]["head"])[0]

    @property
    def seen(self) -> tuple[range, range]:
        """Rows and columns that `read` returns: the window's own and the halo, as far as the raster reaches."""
        return (
            range(max(self.rows.start - self._halo, 0), min(self.rows.stop + self._halo, self.grid.rows)),
            range(max(self.columns.start - self._halo, 0), min(self.columns.stop + self._halo, self.grid.columns)),
        )

    def read(self) -> tuple[Band, ...]:
        """Return all layers, in the source's order. Each stored block that the window meets is fetched once.

        Raises:
            MalformedRecord: stored pixels can't be decoded.
            ChangedInput: a file is not the planned one any more.
        """
        found: dict[int, Band] = {}
        for number, file in enumerate(self._files):
            layers = [(place, layer) for place, layer in enumerate(self.layers) if layer.file == number]
            with unchanged(file["uri"], file["identity"], self._data) if self._clip is None else nullcontext():
                found.update(self._read(file, layers))
        self._consumed = len(self.rows) * len(self.columns)
        return tuple(found[place] for place in range(len(self.layers)))

    def _read(self, file: Mapping[str, Any], layers: Sequence[tuple[int, Layer]]) -> Iterator[tuple[int, Band]]:
        seen = self.seen if self._clip is None else self._clip.placed(*self.seen)
        warp = Warp.from_json(file["warp"]) if "warp" in file else None
        at = warp.region(*seen) if warp else seen
        for place, band in self._stored(file, layers, *at) if len(at[0]) else ():
            values, valid = warp.pixels(band.values, band.valid, at, *seen) if warp else (band.values, band.valid)
            yield place, Band(band.layer, values, valid)
        for place, layer in layers if not len(at[0]) else ():
            nothing = np.zeros((len(seen[0]), len(seen[1])), layer.dtype)
            yield place, Band(layer, nothing, nothing != 0)

    def _stored(
        self, file: Mapping[str, Any], layers: Sequence[tuple[int, Layer]], rows: range, columns: range
    ) -> Iterator[tuple[int, Band]]:
        """Yield layers as a file has them."""
        _, images = kept_head(self._data, file["head"])
        bands = sorted({band for _, layer in layers for band in (layer.band, layer.alpha) if band})
        wanted = [(images[0], bands)] + [(image, [1]) for image in images[1:]]
        pixels = self._pixels(file, wanted, rows, columns)
        values = dict(zip(bands, pixels[0], strict=True))
        mask = pixels[1][0] != 0 if len(pixels) > 1 else None
        for place, layer in layers:
            yield place, Band(layer, values[layer.band], valid_pixels(layer, values, mask))

    def _pixels(
        self, file: Mapping[str, Any], wanted: Sequence[tuple[TiffImage, list[int]]], rows: range, columns: range
    ) -> list[Array]:
        """Return the bands of image and mask: the blocks of both are fetched together."""
        places: list[dict[int, tuple[int, int]]] = []
        for (image, bands), table in zip(wanted, file["tables"], strict=True):
            numbers = image.numbers(*image.meeting(rows, columns), bands)
            places.append(stored_places(self._data, table, image, numbers))
        spans = [span for some in places for span in some.values()]
        fetched = Fetched(reader_of(file, self._data), spans, gap=GAP_BYTES)
        found: list[Array] = []
        for (image, bands), some in zip(wanted, places, strict=True):
            down, across = image.meeting(rows, columns)
            stored = {number: fetched.bytes_of(span) for number, span in some.items()}
            try:
                pixels = decoded(image, down, across, stored, bands)
            except MalformedRecord as error:
                where = {"file": file["uri"], "row": rows.start, "column": columns.start}
                raise MalformedRecord(error.what, why=error.why, hint=error.hint, **where) from error
            top, left = rows.start - down.start * image.block[0], columns.start - across.start * image.block[1]
            found.append(pixels[:, top : top + len(rows), left : left + len(columns)])
        return found


class Raster(Partitioner):
    """Cuts GeoTIFFs into windows of whole stored blocks (tiles or strips).

    All files and bands that the source names are layers of one grid, which is checked. ``file.tif#4`` is band 4.
    Tiled or in strips, any compression that GDAL knows, classic and BigTIFF, rotated and south-up too. Masks inside
    of the file, nodata and alpha are heeded; overviews, further pages, and files beside (``.msk``, ``.aux.xml``,
    ``.tfw``) are not looked at.

    Cost of the index: the stored bytes of each file are read once, not decoded, side by side in parts of 256 MiB. A
    window costs its blocks; a raster that is one compressed strip can't be cut, and makes one window. With an ``area``
    only the blocks that it meets are read, once, and kept in the store.
    """

    name: ClassVar[str] = "raster"
    version: ClassVar[int] = 1
    reader: ClassVar[type[Reader]] = RasterWindow
    unit: ClassVar[str] = "pixels"
    columns: ClassVar[tuple[str, ...]] = ("file", "ordinal", "row", "column")

    def __init__(self, *, part_bytes: int = PART_BYTES) -> None:
        self._part_bytes = part_bytes

    def probe(self, source: Source, data: DataAccess) -> Sequence[Group]:
        """Read the heads of all files; they must have one grid."""
        files = named_bands(source, data)
        infos = {info.uri: info for info, _ in files}
        heads = []
        problems: list[BadInput] = []
        for info in infos.values():
            try:
                heads.append(head_of(info, data))
            except BadInput as error:
                problems.append(error)
        if problems:
            raise _first(problems)
        place = list(infos).index(files[int(cast(int, source.options.get("grid_of", 1))) - 1][0].uri)
        target, warps = onto_one_grid(heads, list(infos), place, source, data)
        names = source.options.get("names") or ()
        layers = chosen(heads, files, list(infos), [str(name) for name in cast(Sequence[str], names)])
        area = area_of(source.options)
        clip = clip_of(target, area, file=files[0][0].uri)
        grid = clipped(target, clip)
        body: dict[str, Json] = {"crs": grid.crs, "transform": list(grid.transform)}
        body |= {"rows": grid.rows, "columns": grid.columns, "layers": [layer.to_json() for layer in layers]}
        if area is not None:
            body["clip"] = clip.to_json()
        if any(warps):
            body["warps"] = [None if warp is None else warp.to_json() for warp in warps]
        key = (("file", file_name(files[0][0].uri)), ("ordinal", 0))
        return [Group(0, key, tuple(infos.values()), body)]

    def index_parts(self, group: Group) -> Sequence[IndexPart]:
        """Return a task per 256 MiB of each file."""
        clips = zip(group.objects, _clips(group), strict=True)
        return [part for info, clip in clips for part in self._parts(group, info, clip)]

    def _parts(self, group: Group, info: ObjectInfo, clip: Clip | None) -> Iterator[IndexPart]:
        parts = self._count(info, clip)
        for part in range(parts):
            body: dict[str, Json] = {"uri": info.uri, "identity": info.identity, "size": info.size}
            body |= {"part": part, "parts": parts} | ({} if clip is None else {"clip": clip.to_json()})
            where = f"{part}/{parts}" if clip is None else f"{part}/{parts} of {clip.to_json()}"
            yield IndexPart(group.ordinal, f"{info.identity}:{where}", info.size // parts, body)

    def _count(self, info: ObjectInfo, clip: Clip | None) -> int:
        size = info.size if clip is None else int(info.size * clip.share)
        return max(-(-size // self._part_bytes), 1)

    def index(self, part: IndexPart, data: DataAccess) -> bytes:
        """Read the stored blocks of one part."""
        body = cast(Mapping[str, Any], part.body)
        info = ObjectInfo(body["uri"], body["size"], body["identity"])
        with unchanged(info.uri, info.identity, data):
            clip = Clip.from_json(body["clip"]) if "clip" in body else None
            return index_raster(info, data, part=body["part"], parts=body["parts"], clip=clip)

    def layout(self, group: Group, indexes: Sequence[bytes]) -> Layout:
        """Join the indexes of the files."""
        found: list[RasterIndex] = []
        first = 0
        for info, clip in zip(group.objects, _clips(group), strict=True):
            count = self._count(info, clip)
            found.append(join_index(indexes[first : first + count], clip))
            first += count
        body = cast(Mapping[str, Any], group.body)
        stored = sum(int(image.sizes.sum()) for index in found for image in (index.image, index.mask) if image)
        return Layout(group, body["rows"] * body["columns"], stored, tuple(found))

    def cut(
        self,
        layout: Layout,
        *,
        window: int | None = None,
        halo: int = 0,
        names: Sequence[str] | None = None,
        area: Limits | None = None,
        warp: Method | None = None,
        grid: str | None = None,
        grid_of: int = 1,
    ) -> Sequence[Piece]:
        """Divide a raster into windows, row by row.

        Args:
            layout: What `layout` found.
            window: Pixels per side of a window, at least 1; without it 2048, of more than four layers 1024. It grows to
                whole stored tiles; where pixels are stored in strips, a window has about ``window * window`` pixels in
                whole strips. Those at the edge may be smaller.
            halo: Pixels that a window sees on each side beyond its own, as far as the raster reaches.
            names: Of the bands in the source's order; when all are used, the bands of the next scene begin.
            area: xmin, ymin, xmax, ymax in the raster's coordinate system: the pixels whose centres lie in it
                (half-open) are the raster then.
            warp: How pixels of rasters on other grids become those of one: ``nearest``, ``bilinear`` or ``average``
                (see `Warp`). Without it grids that differ are an error.
            grid: The raster whose grid that is; without it that of the source.
            grid_of: Which of the source, counted from 1.
        """
        body = cast(Mapping[str, Any], layout.group.body)
        if window is None:
            window = default_window(len(body["layers"]))
        if window < 1 or halo < 0:
            what = f"windows of {window} pixels with a halo of {halo} can't be made"
            raise OptionError(what, why="", hint="a window has 1 pixel or more, a halo 0 or more")
        del names, area, warp, grid, grid_of  # `probe` has used them
        indexes = cast(tuple[RasterIndex, ...], layout.body)
        rows, columns = body["rows"], body["columns"]
        clip = _clip(layout.group) or Clip(0, 0, rows, columns, (rows, columns))
        blocks = [
            (warped.block,) * 2 if warped else index.image.image.block
            for index, warped in zip(indexes, _warps(layout.group), strict=True)
        ]
        high, wide = window_shape(blocks, *clip.of, window)
        return [
            _piece(layout.group, indexes, down, across, halo)
            for down in steps(clip.top, rows, high)
            for across in steps(clip.left, columns, wide)
        ]

    def open(self, piece: Piece, data: DataAccess) -> RasterWindow:
        """Open a reader on a window."""
        return RasterWindow(piece, data)

    def table(self, groups: Sequence[Group]) -> Json:
        """Return a row per raster: ``file``, ``ordinal``, ``crs``, ``transform``, ``rows``, ``columns``, ``layers``."""
        rows = [{**dict(group.key), **cast(Mapping[str, Json], group.body)} for group in groups]
        return [{name: value for name, value in row.items() if name not in ("clip", "warps")} for row in rows]


def _clip(group: Group) -> Clip | None:
    """Return what a raster is confined to."""
    body = cast(Mapping[str, Any], group.body)
    return Clip.from_json(body["clip"]) if "clip" in body else None


def _warps(group: Group) -> list[Warp | None]:
    """Return how each file comes onto the grid, None where it is on it."""
    told = cast(Mapping[str, Any], group.body).get("warps") or [None] * len(group.objects)
    return [None if warp is None else Warp.from_json(warp) for warp in told]


def _clips(group: Group) -> list[Clip | None]:
    """Return what each file is confined to."""
    clip = _clip(group)
    if clip is None:
        return [None] * len(group.objects)
    own = clip.placed(range(clip.rows), range(clip.columns))
    return [clip if warp is None else warp.clip(*own) for warp in _warps(group)]


def _piece(group: Group, indexes: Sequence[RasterIndex], rows: range, columns: range, halo: int) -> Piece:
    body = cast(Mapping[str, Any], group.body)
    layers: list[Mapping[str, Any]] = body["layers"]
    seen = (
        range(max(rows.start - halo, 0), min(rows.stop + halo, body["rows"])),
        range(max(columns.start - halo, 0), min(columns.stop + halo, body["columns"])),
    )
    clip = _clip(group) or Clip(0, 0, body["rows"], body["columns"], (body["rows"], body["columns"]))
    digests: list[Json] = []
    stored = 0
    files: list[Json] = []
    for number, (info, index, warp) in enumerate(zip(group.objects, indexes, _warps(group), strict=True)):
        bands = [
            band for layer in layers if layer["file"] == number for band in (layer["band"], layer["alpha"]) if band
        ]
        around, own = clip.placed(*seen), clip.placed(rows, columns)
        if warp is not None:
            around, own = warp.region(*around), warp.region(*own)
        for image, wanted in ((index.image, bands), (index.mask, [1])):
            if image is not None and len(around[0]):
                digests.append(_digest(image, *around, wanted))
                stored += int(image.sizes[image.image.numbers(*image.image.meeting(*own), wanted)].sum())
        tables = [index.image.table] + ([index.mask.table] if index.mask else [])
        named_file: dict[str, Json] = {"uri": info.uri, "identity": info.identity, "head": index.head, "tables": tables}
        named_file |= {"packs": list(index.packs)} if index.packs else {}
        files.append(named_file | ({} if warp is None else {"warp": warp.to_json()}))
    window: dict[str, Json] = {"rows": [rows.start, rows.stop], "columns": [columns.start, columns.stop], "halo": halo}
    heads: list[Json] = [index.head for index in indexes]
    if "clip" in body:
        window["clip"] = clip.to_json()
    if "warps" in body:
        window["grid"] = {name: body[name] for name in ("crs", "transform", "rows", "columns")}
    content: Json = [heads, digests, layers, window, *([body["warps"]] if "warps" in body else [])]
    key = (*group.key, ("row", rows.start), ("column", columns.start))
    named: dict[str, Json] = {"files": files, "layers": layers, **window}
    return Piece(Raster.name, key, digest_json("raster", content), len(rows) * len(columns), stored, named)


def _digest(indexed: IndexedImage, rows: range, columns: range, bands: Sequence[int]) -> str:
    image = indexed.image
    return indexed.digests[image.numbers(*image.meeting(rows, columns), bands)].tobytes().hex()


def _first(problems: Sequence[BadInput]) -> BadInput:
    """Return the first problem, with the count of the others in its ``why``."""
    error, others = problems[0], len(problems) - 1
    if not others:
        return error
    more = f"{others} more of the source's rasters {'is' if others == 1 else 'are'} not good"
    return type(error)(error.what, why=f"{error.why}; {more}" if error.why else more, hint=error.hint, **error.where)
