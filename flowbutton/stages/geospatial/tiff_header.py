"""The head of a Cloud-Optimized GeoTIFF: all directories, of a size that is known before the first block is.

After the head come the blocks of the smallest level, and so on to the full one, framed as GDAL's COG driver lays them
out (`tiff_blocks.framed`). Formats: TIFF 6.0, BigTIFF, OGC GeoTIFF 1.1, GDAL's "Cloud Optimized GeoTIFF" page. Imports
numpy; rasterio inside functions.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from flowbutton.stages.geospatial.grid import BLOCK, Grid
from flowbutton.stages.geospatial.product import Product
from flowbutton.stages.geospatial.tiff_blocks import predictor_of

_ASCII, _SHORT, _LONG, _LONG8 = 2, 3, 4, 16
_FORMATS = {_SHORT: "H", _LONG: "I", _LONG8: "Q", 12: "d", 1: "B", _ASCII: "B"}
_GEO_TAGS = (33550, 33922, 34264, 34735, 34736, 34737)
_LAYOUT = (
    "LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n"
    "BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n "
)

Tag = tuple[int, int, int, bytes]  # tag, type, count, value


@dataclass(frozen=True, slots=True)
class Level:
    """A level as it lies in the file: its size in cells, and where its blocks are, by rows."""

    rows: int
    columns: int
    offsets: Sequence[int]
    sizes: Sequence[int]


def header_bytes(
    levels: Sequence[Level],
    product: Product,
    geo: Sequence[Tag],
    metadata: Mapping[tuple[str, int | None], str],
    *,
    big: bool,
) -> bytes:
    """Return the head of a file.

    Args:
        levels: The full one first. Their numbers don't change the size of the head.
        product: What is written.
        geo: By `geo_tags`.
        metadata: Texts by name and band (from 0; None for the file).
        big: Write a BigTIFF: needed where offsets reach 4 GiB.
    """
    ghost = f"GDAL_STRUCTURAL_METADATA_SIZE={len(_LAYOUT):06d} bytes\n{_LAYOUT}".encode()
    start = (16 if big else 8) + len(ghost)
    start += start % 2
    first = struct.pack("<2sHHHQ", b"II", 43, 8, 0, start) if big else struct.pack("<2sHI", b"II", 42, start)
    head = (first + ghost).ljust(start, b"\0")
    for number, level in enumerate(levels):
        own = [*geo, _text(42112, _metadata_xml(metadata, product))] if number == 0 else []
        tags = [*_tags(level, product, overview=number > 0, big=big), *own]
        head += _directory(sorted(tags), len(head), last=number == len(levels) - 1, big=big)
    return head


def geo_tags(grid: Grid) -> list[Tag]:
    """Return the tags that say where a grid lies, as GDAL writes them.

    Raises:
        rasterio.errors.CRSError: the CRS is no WKT.
    """
    import rasterio
    from rasterio.io import MemoryFile

    with MemoryFile() as memory:
        profile = {"driver": "GTiff", "width": 1, "height": 1, "count": 1, "dtype": "uint8"}
        transform = rasterio.Affine(*grid.transform)
        with memory.open(**profile, crs=grid.crs or None, transform=transform):
            pass
        return [tag for tag in _read_tags(bytes(memory.getbuffer())) if tag[0] in _GEO_TAGS]


def _read_tags(data: bytes) -> Iterator[Tag]:
    """Yield the tags of the first directory of a little-endian TIFF."""
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    for number in range(count):
        tag, kind, length, place = struct.unpack_from("<HHII", data, at + 2 + 12 * number)
        size = struct.calcsize(_FORMATS[kind]) * length if kind in _FORMATS else 0
        start = at + 10 + 12 * number if size <= 4 else place
        yield tag, kind, length, data[start : start + size]


def _tags(level: Level, product: Product, *, overview: bool, big: bool) -> Iterator[Tag]:
    dtype, bands = np.dtype(product.dtype), len(product.bands)
    yield _numbers(254, _LONG, [int(overview)])
    yield _numbers(256, _LONG, [level.columns])
    yield _numbers(257, _LONG, [level.rows])
    yield _numbers(258, _SHORT, [dtype.itemsize * 8] * bands)
    yield _numbers(259, _SHORT, [8])  # Deflate
    yield _numbers(262, _SHORT, [3 if product.colours else 1])  # a colour table, or black is 0
    yield _numbers(277, _SHORT, [bands])
    yield _numbers(284, _SHORT, [1])  # bands of a pixel lie together
    yield _numbers(317, _SHORT, [predictor_of(dtype)])
    if product.colours:
        yield _numbers(320, _SHORT, product.colour_table())
    yield _numbers(322, _SHORT, [BLOCK])
    yield _numbers(323, _SHORT, [BLOCK])
    yield _numbers(324, _LONG8 if big else _LONG, level.offsets)
    yield _numbers(325, _LONG, level.sizes)
    if bands > 1:
        yield _numbers(338, _SHORT, [0] * (bands - 1))
    yield _numbers(339, _SHORT, [{"u": 1, "i": 2, "f": 3}[dtype.kind]] * bands)
    if product.nodata_text is not None:
        yield _text(42113, product.nodata_text)


def _numbers(tag: int, kind: int, values: Sequence[int]) -> Tag:
    return tag, kind, len(values), np.asarray(values, f"<{_FORMATS[kind]}").tobytes()


def _text(tag: int, text: str) -> Tag:
    data = text.encode() + b"\0"
    return tag, _ASCII, len(data), data


def _metadata_xml(metadata: Mapping[tuple[str, int | None], str], product: Product) -> str:
    lines = ["<GDALMetadata>"]
    for (name, band), text in metadata.items():
        where = "" if band is None else f' sample="{band}"'
        lines.append(f'  <Item name="{escape(name)}"{where}>{escape(text)}</Item>')
    for number, name in enumerate(product.bands):
        lines.append(f'  <Item name="DESCRIPTION" sample="{number}" role="description">{escape(name)}</Item>')
    return "\n".join([*lines, "</GDALMetadata>\n"])


def _directory(tags: Sequence[Tag], start: int, *, last: bool, big: bool) -> bytes:
    """Return a directory that begins at byte ``start``, with the values that don't fit into it behind it."""
    count, entry, inline = ("<Q", "<HHQ", 8) if big else ("<H", "<HHI", 4)
    pointer = "<Q" if big else "<I"
    size = struct.calcsize(count) + len(tags) * (struct.calcsize(entry) + inline) + inline
    rows, values = [struct.pack(count, len(tags))], b""
    for tag, kind, length, data in tags:
        if len(data) > inline:
            place = struct.pack(pointer, start + size + len(values))
            values += data + b"\0" * (-len(data) % 8)
        else:
            place = data.ljust(inline, b"\0")
        rows.append(struct.pack(entry, tag, kind, length) + place)
    end = start + size + len(values)
    values += b"\0" * (end % 2)
    following = 0 if last else end + end % 2
    return b"".join([*rows, struct.pack(pointer, following), values])
