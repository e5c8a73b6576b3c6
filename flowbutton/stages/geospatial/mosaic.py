"""Products too large for one file: a VRT over Cloud-Optimized GeoTIFFs, which GDAL and QGIS open as one raster.

Here: the stage `geospatial.mosaic`. Not here: the files (`cog`), where they end (`patches`). Format: GDAL Virtual
Format (gdal.org/drivers/raster/vrt.html). Imports `flowbutton.model`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from flowbutton.model.errors import OptionError
from flowbutton.model.stage import Scratch
from flowbutton.stages.define import gather_stage
from flowbutton.stages.geospatial.cog import metadata_of
from flowbutton.stages.geospatial.compress import PatchFacts, statistics_of
from flowbutton.stages.geospatial.grid import BLOCK, Grid
from flowbutton.stages.geospatial.patches import MosaicTile, mosaic_tiles
from flowbutton.stages.geospatial.product import Product
from flowbutton.stages.geospatial.pyramid import level_sizes

_TYPES = {"uint8": "Byte", "int16": "Int16", "uint16": "UInt16", "int32": "Int32", "uint32": "UInt32"}
_TYPES |= {"float32": "Float32", "float64": "Float64"}


@gather_stage("geospatial.mosaic")
def mosaic(
    patches: Sequence[PatchFacts],
    grid: Grid,
    scratch: Scratch,
    tags: Mapping[str, str] | None = None,
    *,
    product: Product,
    cells: int,
    folder: str,
) -> Path:
    """Write a VRT over the files that `geospatial.cog` makes of the tiles of `geospatial.plan_mosaic`.

    Args:
        patches: What `geospatial.compress` tells of all patches, in their order: for the statistics.
        grid: Of the product.
        scratch: Where the VRT is written.
        tags: As for the files.
        product: As for the files.
        cells: As for `geospatial.plan_mosaic`.
        folder: Where the files lie, beside the VRT; they are published as ``FOLDER/{tile}.tif``.

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
    metadata = metadata_of(statistics_of(patches), grid, {**product.tags, **(tags or {})})
    _metadata(root, {name: text for (name, band), text in metadata.items() if band is None})
    for number, name in enumerate(product.bands):
        band = SubElement(root, "VRTRasterBand", dataType=_TYPES[product.dtype], band=str(number + 1))
        SubElement(band, "Description").text = name
        _metadata(band, {key: text for (key, of), text in metadata.items() if of == number})
        if product.nodata_text is not None:
            SubElement(band, "NoDataValue").text = product.nodata_text
        _colours(band, product)
        for tile in mosaic_tiles(grid, cells):
            _source(band, number + 1, tile, f"{folder}/{tile.name(cells)}.tif")
    levels = len(level_sizes(min(cells, grid.rows), min(cells, grid.columns))) - 1  # those of the first file
    if levels:
        SubElement(root, "OverviewList", resampling="nearest").text = " ".join(str(2 << n) for n in range(levels))
    indent(root)
    path = Path(scratch) / "mosaic.vrt"
    path.write_bytes(tostring(root, encoding="utf-8") + b"\n")
    return path


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


def _source(band: Element, number: int, tile: MosaicTile, name: str) -> None:
    found = SubElement(band, "SimpleSource")
    SubElement(found, "SourceFilename", relativeToVRT="1").text = name
    SubElement(found, "SourceBand").text = str(number)
    (top, bottom), (left, right) = tile.rows, tile.columns
    size = {"RasterXSize": str(right - left), "RasterYSize": str(bottom - top)}
    block = {"BlockXSize": str(BLOCK), "BlockYSize": str(BLOCK)}
    SubElement(found, "SourceProperties", size | {"DataType": band.attrib["dataType"]} | block)
    extent = {"xSize": str(right - left), "ySize": str(bottom - top)}
    SubElement(found, "SrcRect", {"xOff": "0", "yOff": "0"} | extent)
    SubElement(found, "DstRect", {"xOff": str(left), "yOff": str(top)} | extent)
