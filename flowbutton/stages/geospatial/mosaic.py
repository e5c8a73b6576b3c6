"""Products too large for one file: a Cloud-Optimized GeoTIFF per patch, and a VRT over them.

Here: the stages `geospatial.tile` and `geospatial.mosaic`. Not here: one file of everything (`cog`). Format: GDAL
Virtual Format (gdal.org/drivers/raster/vrt.html). Imports `flowbutton.model`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from pydantic import BaseModel, ConfigDict

from flowbutton.model.bundle import Parts
from flowbutton.model.composite import Stored
from flowbutton.model.errors import OptionError
from flowbutton.model.stage import Resources, Scratch
from flowbutton.stages.define import gather_stage
from flowbutton.stages.geospatial.cog import StoredPatch, cog, metadata_of
from flowbutton.stages.geospatial.compress import (
    PATCH_LEVELS,
    SIDE,
    BandStatistics,
    Patch,
    compressed,
    patch_rows,
)
from flowbutton.stages.geospatial.grid import BLOCK, Grid
from flowbutton.stages.geospatial.product import Product
from flowbutton.stages.geospatial.pyramid import level_sizes

_TYPES = {"uint8": "Byte", "int16": "Int16", "uint16": "UInt16", "int32": "Int32", "uint32": "UInt32"}
_TYPES |= {"float32": "Float32", "float64": "Float64"}


class MosaicTile(BaseModel):
    """A tile's first row and column on the grid, its size, and the statistics of its bands."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    row: int
    column: int
    rows: int
    columns: int
    bands: tuple[BandStatistics, ...]


class Tile(NamedTuple):
    """The file, and what the mosaic tells of it."""

    file: Path
    facts: MosaicTile


@gather_stage("geospatial.tile", resources=Resources(memory_base_bytes=768 << 20, memory_per_input_byte=12.0))
def tile(
    patch: Patch,
    grid: Grid,
    parts: Parts,
    scratch: Scratch,
    tags: Mapping[str, str] | None = None,
    *,
    product: Product,
) -> Tile:
    """Write the cells of a patch as a file of its own, a Cloud-Optimized GeoTIFF with overviews.

    Args:
        patch: Of `geospatial.plan_patches`.
        grid: Of the product.
        parts: The product, what of it meets ``patch.window``.
        scratch: Where the file is written.
        tags: More names and texts for the file's metadata.
        product: As for `geospatial.compress`.
    """
    own = _part_of(grid, patch)
    done = compressed(patch, own, patch_rows(patch, parts, product), scratch, product)
    stored = StoredPatch(Stored.of(done.blocks.read_bytes()), Stored.of(done.top), done.facts)
    file = cog([stored], own, tags, product=product).write(Path(scratch) / "tile.tif")
    (bands,) = done.facts.squares
    corner = {"row": patch.rows[0], "column": patch.columns[0]}
    return Tile(file, MosaicTile(**corner, rows=own.rows, columns=own.columns, bands=bands))


@gather_stage("geospatial.mosaic")
def mosaic(
    tiles: Sequence[MosaicTile],
    grid: Grid,
    scratch: Scratch,
    tags: Mapping[str, str] | None = None,
    *,
    product: Product,
    folder: str,
) -> Path:
    """Write a VRT: the product as GDAL, QGIS and rasterio open it, whose cells are those of the tiles.

    Args:
        tiles: By `geospatial.tile`, of all patches.
        grid: Of the product.
        scratch: Where the VRT is written.
        tags: As for the tiles.
        product: As for the tiles.
        folder: Where the tiles lie, beside the VRT; they are published as ``FOLDER/{ordinal}.tif``.

    Raises:
        OptionError: ``folder`` is no relative path.
    """
    if not folder or folder.startswith("/") or ".." in folder.split("/"):
        raise OptionError(f"the folder of tiles is '{folder}'", why="", hint="it lies beside the VRT: name it so")
    root = Element("VRTDataset", rasterXSize=str(grid.columns), rasterYSize=str(grid.rows))
    if grid.crs:
        SubElement(root, "SRS").text = grid.crs
    a, b, c, d, e, f = grid.transform
    SubElement(root, "GeoTransform").text = ", ".join(map(repr, (c, a, b, f, d, e)))
    joined = [reduce(BandStatistics.joined, bands) for bands in zip(*(one.bands for one in tiles), strict=True)]
    metadata = metadata_of(joined, grid, {**product.tags, **(tags or {})})
    _metadata(root, {name: text for (name, band), text in metadata.items() if band is None})
    for number, name in enumerate(product.bands):
        band = SubElement(root, "VRTRasterBand", dataType=_TYPES[product.dtype], band=str(number + 1))
        SubElement(band, "Description").text = name
        _metadata(band, {key: text for (key, of), text in metadata.items() if of == number})
        if product.nodata_text is not None:
            SubElement(band, "NoDataValue").text = product.nodata_text
        _colours(band, product)
        for one in sorted(tiles, key=lambda found: (found.row, found.column)):
            _source(band, number + 1, one, f"{folder}/{_ordinal(one, grid)}.tif")
    levels = min(PATCH_LEVELS, len(level_sizes(grid.rows, grid.columns)) - 1)
    if levels:
        SubElement(root, "OverviewList", resampling="nearest").text = " ".join(str(2 << n) for n in range(levels))
    indent(root)
    path = Path(scratch) / "mosaic.vrt"
    path.write_bytes(tostring(root, encoding="utf-8") + b"\n")
    return path


def _part_of(grid: Grid, patch: Patch) -> Grid:
    a, b, c, d, e, f = grid.transform
    (top, bottom), (left, right) = patch.rows, patch.columns
    corner = (a, b, c + a * left + b * top, d, e, f + d * left + e * top)
    return Grid(crs=grid.crs, transform=corner, rows=bottom - top, columns=right - left)


def _ordinal(one: MosaicTile, grid: Grid) -> int:
    """Return the number of the patch that a tile is of, as `plan_patches` counts them."""
    return one.row // SIDE * -(-grid.columns // SIDE) + one.column // SIDE


def _metadata(parent: Element, texts: Mapping[str, str]) -> None:
    if texts:
        found = SubElement(parent, "Metadata")
        for name, text in texts.items():
            SubElement(found, "MDI", key=name).text = text


def _colours(band: Element, product: Product) -> None:
    if not product.colours:
        return
    SubElement(band, "ColorInterp").text = "Palette"
    table = SubElement(band, "ColorTable")
    for red, green, blue in _entries(product.colour_table()):
        SubElement(table, "Entry", c1=str(red), c2=str(green), c3=str(blue), c4="255")


def _entries(table: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Yield the colours of a TIFF's table, from 0 to 255."""
    third = len(table) // 3
    for number in range(third):
        red, green, blue = (table[number + third * colour] // 257 for colour in range(3))
        yield red, green, blue


def _source(band: Element, number: int, one: MosaicTile, name: str) -> None:
    found = SubElement(band, "SimpleSource")
    SubElement(found, "SourceFilename", relativeToVRT="1").text = name
    SubElement(found, "SourceBand").text = str(number)
    size = {"RasterXSize": str(one.columns), "RasterYSize": str(one.rows)}
    block = {"BlockXSize": str(BLOCK), "BlockYSize": str(BLOCK)}
    SubElement(found, "SourceProperties", size | {"DataType": band.attrib["dataType"]} | block)
    extent = {"xSize": str(one.columns), "ySize": str(one.rows)}
    SubElement(found, "SrcRect", {"xOff": "0", "yOff": "0"} | extent)
    SubElement(found, "DstRect", {"xOff": str(one.column), "yOff": str(one.row)} | extent)
