"""Blocks of a TIFF as bytes: a predictor, then Deflate.

Here: one block. Not here: the file around it (`tiff_header`). Formats: TIFF 6.0, section 14 (predictor 2); Adobe
Photoshop TIFF Technical Note 3 (predictor 3). Imports numpy.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from flowbutton.stages.geospatial.grid import BLOCK
from flowbutton.stages.packing import zlib_packed

HORIZONTAL, FLOATING = 2, 3
AROUND_BLOCK = 8
"""Bytes that a block has around it in the file: its size, and its last four again."""


def predictor_of(dtype: npt.DTypeLike) -> int:
    """Return the predictor that blocks of a type are written with."""
    return FLOATING if np.dtype(dtype).kind == "f" else HORIZONTAL


def block_bytes(values: npt.NDArray[Any], fill: float | int) -> bytes:
    """Return (bands, rows, columns), at most a block, as the bytes of a block; what is missing of it gets ``fill``.

    All NaN become the same one, so equal products have equal bytes.
    """
    bands, rows, columns = values.shape
    whole = np.full((BLOCK, BLOCK, bands), fill, values.dtype.newbyteorder("<"))
    whole[:rows, :columns] = values.transpose(1, 2, 0)
    if values.dtype.kind == "f":
        empty = np.isnan(whole)
        if empty.any():
            whole[empty] = np.nan
        return zlib_packed(_floating(whole).tobytes())
    lines = whole.view(whole.dtype.str.replace("i", "u"))
    lines[:, 1:] = lines[:, 1:] - lines[:, :-1]
    return zlib_packed(whole.tobytes())


def framed(block: bytes) -> bytes:
    """Return a block's bytes as they lie in a Cloud-Optimized GeoTIFF, by GDAL's layout."""
    return struct.pack("<I", len(block)) + block + block[-4:]


def _floating(whole: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return each line's bytes by significance, the highest first, as differences to those one pixel before."""
    rows, columns, bands = whole.shape
    size = whole.dtype.itemsize
    planes = whole.view(np.uint8).reshape(rows, columns * bands, size)[:, :, ::-1]  # little-endian
    lines = np.ascontiguousarray(planes.transpose(0, 2, 1)).reshape(rows, -1)
    lines[:, bands:] = lines[:, bands:] - lines[:, :-bands]
    return lines
