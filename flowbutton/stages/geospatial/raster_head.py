"""Rasters as they lie in a store, opened by GDAL without the rest: their head, or one level of overviews.

A Cloud-Optimized GeoTIFF begins with its directories, and its smallest level follows: what a picture or an item of a
catalogue needs is the beginning of the file. Of other layouts more is read, all of it at most. Imports
`flowbutton.model`, `partitioners.tiff_directory`; rasterio inside functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flowbutton.model.composite import Stored
from flowbutton.partitioners.tiff_directory import Entry, TiffFile

_COLUMNS, _ROWS = 256, 257
_BLOCKS = ((324, 325), (273, 279))
"""Tags that say where blocks begin and how many bytes they have: of tiles, and of strips."""


@contextmanager
def opened_head(product: Stored) -> Iterator[Any]:
    """Open a GeoTIFF for its metadata: size, place, tags, names, overviews. Pixels can't be read.

    Raises:
        BadInput, TruncatedInput: its directories can't be followed.
    """
    with _opened(product, _head_end(TiffFile(product.read, product.size, file=""))) as file:
        yield file


@contextmanager
def opened_level(product: Stored, level: int) -> Iterator[Any]:
    """Open a level of a GeoTIFF, 0 for the full one, and read what lies before its end.

    Raises:
        BadInput, TruncatedInput: its directories can't be followed.
    """
    tiff = TiffFile(product.read, product.size, file="")
    with _opened(product, _head_end(tiff), level) as head:
        rows, columns = head.shape
    ends = [_blocks_end(tiff, found) for found in tiff.directories if _size(tiff, found) == (rows, columns)]
    with _opened(product, max(_head_end(tiff), *ends), level) as file:
        yield file


@contextmanager
def _opened(product: Stored, stop: int, level: int = 0) -> Iterator[Any]:
    from rasterio.io import MemoryFile

    options = {"overview_level": level - 1} if level else {}
    with MemoryFile(product.read(0, stop)) as memory, memory.open(**options) as file:
        yield file


def _head_end(tiff: TiffFile) -> int:
    """Return the byte after the last directory's last value."""
    return max(entry.start + entry.size for found in tiff.directories for entry in found.values())


def _size(tiff: TiffFile, directory: Mapping[int, Entry]) -> tuple[int, int]:
    rows, columns = (int(tiff.values(directory[tag])[0]) for tag in (_ROWS, _COLUMNS))
    return rows, columns


def _blocks_end(tiff: TiffFile, directory: Mapping[int, Entry]) -> int:
    """Return the byte after the last block of an image."""
    starts, sizes = next(pair for pair in _BLOCKS if pair[0] in directory)
    return int((tiff.values(directory[starts]).astype("u8") + tiff.values(directory[sizes])).max())
