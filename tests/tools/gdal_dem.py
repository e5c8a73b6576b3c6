"""GDAL's own DEM processing (the program gdaldem), taken from the library that rasterio has loaded."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio


def gdal_dem(folder: Path, heights: npt.NDArray[Any], cell: float, kind: str, *options: str) -> npt.NDArray[Any]:
    """Return what ``gdaldem KIND`` makes of heights, NaN where there are none; without values -9999, of shades 0."""
    rows, columns = heights.shape
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(cell, 0, 0, 0, -cell, 100), "nodata": np.nan}
    with rasterio.open(folder / "in.tif", "w", "GTiff", columns, rows, 1, dtype=heights.dtype, **place) as file:
        file.write(heights, 1)
    library = _library()
    source = library.GDALOpen(str(folder / "in.tif").encode(), 0)
    given = (ctypes.c_char_p * (len(options) + 1))(*(option.encode() for option in options), None)
    chosen, failed = library.GDALDEMProcessingOptionsNew(given, None), ctypes.c_int()
    target = str(folder / "out.tif").encode()
    made = library.GDALDEMProcessing(target, source, kind.encode(), None, chosen, ctypes.byref(failed))
    library.GDALDEMProcessingOptionsFree(chosen)
    for dataset in (made, source):
        library.GDALClose(dataset)
    assert made
    assert not failed.value
    with rasterio.open(folder / "out.tif") as file:
        found: npt.NDArray[Any] = file.read(1)
    return found


def _library() -> Any:
    loaded = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libgdal" in line}
    library = ctypes.CDLL(sorted(loaded)[0])
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    for name, result, arguments in (
        ("GDALOpen", pointer, (text, ctypes.c_int)),
        ("GDALClose", None, (pointer,)),
        ("GDALDEMProcessingOptionsNew", pointer, (pointer, pointer)),
        ("GDALDEMProcessingOptionsFree", None, (pointer,)),
        ("GDALDEMProcessing", pointer, (text, pointer, text, text, pointer, ctypes.POINTER(ctypes.c_int))),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    library.GDALAllRegister()
    return library
