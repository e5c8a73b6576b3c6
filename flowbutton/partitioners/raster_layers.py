"""What is known of rasters from their heads: the grid, the layers, what marks pixels without a value.

A layer is one band of one file. ``a.tif#4`` is band 4 of a file, ``a.tif#1+4`` two layers, ``a.tif#*`` all bands;
without ``#`` it is band 1.

Here: names, heads, the check that all have one grid. Not here: blocks of pixels (`tiff_image`), cutting (`raster`).
Imports `flowbutton.model`; rasterio only inside functions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from flowbutton.model.canonical import Json
from flowbutton.model.errors import BadInput, OptionError
from flowbutton.model.pieces import ObjectInfo, Source
from flowbutton.model.store import DataAccess
from flowbutton.partitioners.files import exists, file_name, find_files
from flowbutton.partitioners.tiff_directory import Entry, TiffFile
from flowbutton.partitioners.tiff_image import TiffImage, image_of, opened, small_tiff

_BANDS = re.compile(r"#(\*|[0-9]+(?:\+[0-9]+)*)$")
_NEW_SUBFILE, _REDUCED, _MASK = 254, 1, 4

Array = npt.NDArray[Any]
Transform = tuple[float, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class RasterGrid:
    """The pixels of a raster: ``x = a * column + b * row + c``, ``y = d * column + e * row + f``, from the upper left
    corner of the first one; ``transform`` is (a, b, c, d, e, f), ``crs`` is WKT."""

    crs: str
    transform: Transform
    rows: int
    columns: int

    def to_json(self) -> dict[str, Json]:
        """Return the grid as JSON; the inverse of `from_json`."""
        return {**asdict(self), "transform": [*self.transform]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RasterGrid:
        """Read what `to_json` gave."""
        a, b, c, d, e, f = value["transform"]
        return cls(value["crs"], (a, b, c, d, e, f), value["rows"], value["columns"])


@dataclass(frozen=True, slots=True)
class Layer:
    """One band of one file.

    Pixels without a value are those of the file's mask if it has one (``masked``), else those equal to ``nodata``, else
    those where band ``alpha`` is 0: as GDAL decides, but alpha counts with any number of bands. ``nodata`` is a number
    as text (JSON has no NaN). What is stored times ``scale`` plus ``offset`` is meant. ``scene`` counts from 0: several
    dates of one place.
    """

    name: str
    scene: int
    file: int
    band: int
    dtype: str
    nodata: str | None = None
    scale: float = 1.0
    offset: float = 0.0
    alpha: int = 0
    masked: bool = False

    def to_json(self) -> dict[str, Json]:
        """Return the layer as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RasterHead:
    """What the head of a file says: its grid, its image, its mask, and all of its bands as layers without names."""

    grid: RasterGrid
    image: TiffImage
    mask: TiffImage | None
    layers: tuple[Layer, ...]


def named_bands(source: Source, data: DataAccess) -> list[tuple[ObjectInfo, str]]:
    """Return the files that a source names, in its order, each with what stands behind its ``#``: "1" if nothing.

    Raises:
        MissingInput: a file is missing.
    """
    found: list[tuple[ObjectInfo, str]] = []
    for name in source.uri.split(","):
        given = name.strip()
        bands = _BANDS.search(given)
        if bands is None or exists(given, data):
            found += [(info, "1") for info in find_files(Source(source.name, given, {}), data)]
            continue
        files = find_files(Source(source.name, given[: bands.start()], {}), data)
        found += [(info, bands[1]) for info in files]
    return found


def read_head(info: ObjectInfo, data: DataAccess) -> tuple[TiffFile, Mapping[int, Entry], Mapping[int, Entry] | None]:
    """Read the directories of a TIFF; return it with that of its image and that of its mask.

    Raises:
        BadInput, TruncatedInput: as `TiffFile`; it has no image.
    """
    tiff = TiffFile(partial(data.read, info.uri), info.size, file=info.uri)
    if not tiff.directories:
        raise BadInput("a TIFF has no image", why="", hint="fetch it again", file=info.uri)
    main = tiff.directories[0]
    masks = [one for one in tiff.directories[1:] if _kind(tiff, one) & (_MASK | _REDUCED) == _MASK]
    return tiff, main, masks[0] if masks else None


def _kind(tiff: TiffFile, directory: Mapping[int, Entry]) -> int:
    return int(tiff.values(directory[_NEW_SUBFILE])[0]) if _NEW_SUBFILE in directory else 0


def head_of(info: ObjectInfo, data: DataAccess) -> RasterHead:
    """Return what the head of a file says, as GDAL understands it.

    Raises:
        BadInput: it is no GeoTIFF, or says nothing of where its pixels lie on the ground.
    """
    tiff, directory, mask_directory = read_head(info, data)
    image = image_of(tiff, directory)
    mask = image_of(tiff, mask_directory) if mask_directory is not None else None
    mask = mask if mask is not None and (mask.height, mask.width) == (image.height, image.width) else None
    rows, columns = min(image.block[0], image.height), min(image.block[1], image.width)
    with opened(small_tiff(image, rows, columns, [b""] * image.planes)) as dataset:
        grid = _grid(dataset, image, info.uri)
        layers = tuple(_layers(dataset, masked=mask is not None))
    return RasterHead(grid, image, mask, layers)


def _grid(dataset: Any, image: TiffImage, file: str) -> RasterGrid:
    transform: Transform = tuple(dataset.transform)[:6]
    a, b, _, d, e, _ = transform
    crs = dataset.crs.to_wkt() if dataset.crs else ""
    why = ""
    if dataset.transform.is_identity or a * e - b * d == 0 or not np.isfinite(transform).all():
        why = "ground control points are not enough" if dataset.gcps[0] else "it has no corner and no pixel size"
    elif not crs:
        why = "it has a corner and a pixel size, but no coordinate reference system"
    if why:
        raise BadInput(
            "a raster does not say where on the ground it lies",
            why=why,
            hint="give it what it lacks: gdal_edit.py -a_srs EPSG:n -a_ullr left top right bottom in.tif",
            file=file,
        )
    return RasterGrid(crs, transform, image.height, image.width)


def _layers(dataset: Any, *, masked: bool) -> Iterator[Layer]:
    kinds = [kind.name for kind in dataset.colorinterp]
    alpha = kinds.index("alpha") + 1 if "alpha" in kinds else 0
    for band in dataset.indexes:
        nodata = dataset.nodatavals[band - 1]
        yield Layer(
            name=dataset.descriptions[band - 1] or f"band{band}",
            scene=0,
            file=0,
            band=band,
            dtype=dataset.dtypes[band - 1],
            nodata=None if nodata is None else repr(nodata),
            scale=float(dataset.scales[band - 1]),
            offset=float(dataset.offsets[band - 1]),
            alpha=alpha if alpha != band else 0,
            masked=masked,
        )


def chosen(
    heads: Sequence[RasterHead], files: Sequence[tuple[ObjectInfo, str]], distinct: Sequence[str], names: Sequence[str]
) -> tuple[Layer, ...]:
    """Return the layers that a source names, in its order.

    Args:
        heads: Of the distinct files.
        files: Each file with its bands.
        distinct: The URIs of ``heads``.
        names: Of the layers of a scene; the next scene begins when all have been used. Without any, the layers have
            the names of their bands, and are one scene.

    Raises:
        BadInput: a file has no such band.
        OptionError: the layers are not as many as the names, or a multiple of them.
    """
    found: list[Layer] = []
    for info, bands in files:
        place = distinct.index(info.uri)
        known = heads[place].layers
        for band in range(1, len(known) + 1) if bands == "*" else map(int, bands.split("+")):
            if not 1 <= band <= len(known):
                why = f"it has {len(known)}, counted from 1"
                raise BadInput(f"a raster has no band {band}", why=why, hint="give FILE#BAND", file=info.uri)
            layer, number = known[band - 1], len(found)
            name, scene = (names[number % len(names)], number // len(names)) if names else (layer.name, 0)
            found.append(Layer(**{**asdict(layer), "name": name, "scene": scene, "file": place}))
    if names and (len(set(names)) < len(names) or len(found) % len(names)):
        raise OptionError(
            f"{len(found)} bands can't have the names {', '.join(names)}",
            why="names are distinct, and each scene has all of them",
            hint="name as many bands as there are names, scene after scene",
        )
    return tuple(found)


def valid_pixels(
    layer: Layer, values: Mapping[int, Array], mask: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.bool_]:
    """Return which pixels of a layer have a value, by mask, nodata or alpha: the first of these that the file has."""
    pixels = values[layer.band]
    found: npt.NDArray[np.bool_]
    if mask is not None:
        return mask
    if layer.nodata is not None:
        nodata = float(layer.nodata)
        found = ~np.isnan(pixels) if math.isnan(nodata) else pixels != _as_stored(layer.nodata, pixels.dtype)
        return found
    return values[layer.alpha] != 0 if layer.alpha else np.ones(pixels.shape, np.bool_)


def _as_stored(nodata: str, dtype: np.dtype[Any]) -> Any:
    """Return nodata in the type of the pixels; a number that this type does not have is equal to none of them."""
    number = float(nodata)
    if dtype.kind not in "iu":
        return dtype.type(number)
    exact = int(nodata) if nodata.lstrip("-").isdigit() else number
    return exact if np.iinfo(dtype).min <= exact <= np.iinfo(dtype).max and exact == int(exact) else math.nan


def check_one_grid(grids: Sequence[RasterGrid], files: Sequence[str]) -> None:
    """Raise `BadInput` unless all grids are the same: size, CRS, and corners within a millionth of a pixel."""
    for grid, file in zip(grids[1:], files[1:], strict=True):
        apart = difference(grids[0], grid)
        if apart:
            raise BadInput(
                "two rasters have different grids",
                why=f"{apart}, compared with {file_name(files[0])}",
                hint="let them be brought onto one: warp=nearest, bilinear or average; or do it before, by gdalwarp",
                file=file,
            )


def difference(one: RasterGrid, other: RasterGrid) -> str:
    """Return how another grid differs, "" where it is the same: size, CRS, corners to a millionth of a pixel."""
    from rasterio.crs import CRS

    if (one.rows, one.columns) != (other.rows, other.columns):
        return f"it has {other.columns} x {other.rows} pixels, not {one.columns} x {one.rows}"
    if one.crs != other.crs and CRS.from_wkt(one.crs) != CRS.from_wkt(other.crs):
        return "its coordinate reference system is another"
    size = math.sqrt(abs(one.transform[0] * one.transform[4] - one.transform[1] * one.transform[3]))
    for row, column in ((0, 0), (0, one.columns), (one.rows, 0), (one.rows, one.columns)):
        here, there = (_point(grid.transform, row, column) for grid in (one, other))
        apart = math.dist(here, there)
        if apart > 1e-6 * size:
            return f"the corner at row {row}, column {column} lies {apart / size:.3g} pixels apart"
    return ""


def _point(transform: Transform, row: int, column: int) -> tuple[float, float]:
    a, b, c, d, e, f = transform
    return a * column + b * row + c, d * column + e * row + f
