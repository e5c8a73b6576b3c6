"""A STAC item: what the rasters of a run are, where and when, for catalogues that are searched.

Here: the stage `geospatial.stac_item`. Format: STAC 1.1.0, projection extension 2.0.0, raster extension 2.0.0. Imports
`flowbutton.model`; rasterio inside functions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from flowbutton.model.composite import Stored
from flowbutton.model.errors import OptionError
from flowbutton.model.stage import Resources, Scratch
from flowbutton.stages.define import map_stage
from flowbutton.stages.geospatial.limits import when_read
from flowbutton.stages.geospatial.raster_head import opened_head

_EXTENSIONS = (
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
)
_TYPES = {".tif": "image/tiff; application=geotiff; profile=cloud-optimized", ".vrt": "application/vnd.gdal.vrt+xml"}
_TITLES = {
    "dtm": "Terrain",
    "dsm": "Surface",
    "chm": "Canopy: surface above terrain",
    "zmin": "Lowest points",
    "count": "Points, and ground points, per cell",
    "classes": "The class that most points of a cell have",
    "hillshade": "Hillshade of the terrain",
    "slope": "Slope of the terrain, in degrees",
    "ndvi": "NDVI",
    "ndvi_change": "Change of the NDVI between two dates",
    "index": "Expression of bands",
}
_STATISTICS = {"minimum": "MINIMUM", "maximum": "MAXIMUM", "mean": "MEAN", "stddev": "STDDEV"}
_STATISTICS |= {"valid_percent": "VALID_PERCENT"}
_DIGITS = 7  # of degrees: a centimetre


def _when(acquired: str) -> dict[str, str | None]:
    first, _, last = acquired.partition("/")
    if not last:
        return {"datetime": _instant(first)}
    return {"datetime": None, "start_datetime": _instant(first), "end_datetime": _instant(last)}


def _instant(text: str) -> str:
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError as error:
        hint = "write 2026-06-15, 2026-06-15T10:30:00Z, or two of them with / between"
        raise OptionError(f"acquired is '{text}'", why="this is no date in ISO 8601", hint=hint) from error
    aware = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    return aware.isoformat().replace("+00:00", "Z")


Acquired = Annotated[str, when_read(_when)]


@map_stage("geospatial.stac_item", resources=Resources(memory_per_input_byte=0.0))
def stac_item(
    scratch: Scratch,
    dtm: Stored | None = None,
    dsm: Stored | None = None,
    filled: Stored | None = None,
    chm: Stored | None = None,
    zmin: Stored | None = None,
    count: Stored | None = None,
    classes: Stored | None = None,
    hillshade: Stored | None = None,
    slope: Stored | None = None,
    ndvi: Stored | None = None,
    ndvi_change: Stored | None = None,
    index: Stored | None = None,
    *,
    acquired: Acquired,
    name: str = "products",
    mosaic: int | None = None,
) -> Path:
    """Write the item. Its assets are files beside it: ``./dtm.tif``, or ``./dtm.vrt`` of a mosaic, and so on.

    Args:
        scratch: Where it is written.
        dtm: The product, as all that follow.
        dsm: The surface.
        filled: The surface with pits filled; taken for ``dsm`` where it is given.
        chm: The canopy.
        zmin: The lowest points.
        count: The counts.
        classes: The most frequent classes.
        hillshade: The hillshade.
        slope: The slope.
        ndvi: The NDVI.
        ndvi_change: Its change.
        index: Another expression.
        acquired: When the data were taken: an instant in ISO 8601, or two with ``/`` between.
        name: The item's id.
        mosaic: Where given, products are published as VRTs, over files of so many cells per side.

    Raises:
        OptionError: ``acquired`` is no instant.
    """
    files = {"dtm": dtm, "dsm": filled or dsm, "chm": chm, "zmin": zmin, "count": count, "hillshade": hillshade}
    files |= {"classes": classes, "slope": slope, "ndvi": ndvi, "ndvi_change": ndvi_change, "index": index}
    suffix = ".vrt" if mosaic else ".tif"
    found = {key: _asset(key, file, suffix) for key, file in files.items() if file is not None}
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [*_EXTENSIONS],
        "id": name,
        "properties": _when(acquired),
        "links": [],
        "assets": {key: asset for key, (asset, _) in found.items()},
        **_footprint([box for _, box in found.values() if box is not None]),
    }
    path = Path(scratch) / "stac_item.json"
    path.write_text(json.dumps(item, indent=1, allow_nan=False) + "\n", encoding="utf-8", newline="\n")
    return path


def _footprint(boxes: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Return the box around all boxes, as the item's geometry; without any the geometry is null, as GeoJSON has it."""
    if not boxes:
        return {"geometry": None}
    west, south, east, north = (
        choose(values) for choose, values in zip((min, min, max, max), zip(*boxes, strict=True), strict=True)
    )
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": [west, south, east, north]}


def _asset(key: str, product: Stored, suffix: str) -> tuple[dict[str, Any], Sequence[float] | None]:
    """Return the asset of a product, and its west, south, east and north in degrees; None without a CRS."""
    from rasterio.warp import transform_bounds

    with opened_head(product) as file:
        epsg = file.crs.to_epsg() if file.crs else None
        asset = {
            "href": f"./{key}{suffix}",
            "type": _TYPES[suffix],
            "title": _TITLES[key],
            "roles": ["data"],
            "proj:code": None if epsg is None else f"EPSG:{epsg}",
            "proj:shape": [*file.shape],
            "proj:transform": [*file.transform],
            "proj:bbox": [*file.bounds],
            "bands": [_band(file, number) for number in file.indexes],
        }
        if file.crs and epsg is None:
            asset["proj:wkt2"] = file.crs.to_wkt(version="WKT2_2019")
        box = transform_bounds(file.crs, "EPSG:4326", *file.bounds) if file.crs else None
    return asset, None if box is None else [round(value, _DIGITS) for value in box]


def _band(file: Any, number: int) -> Mapping[str, Any]:
    tags, nodata = file.tags(number), file.nodatavals[number - 1]
    a, b, _, d, e, _ = [*file.transform][:6]
    size = (abs(a * e - b * d)) ** 0.5
    band: dict[str, Any] = {"name": file.descriptions[number - 1], "data_type": file.dtypes[number - 1]}
    if nodata is not None:
        band["nodata"] = "nan" if nodata != nodata else nodata
    statistics = {
        name: float(tags[f"STATISTICS_{tag}"]) for name, tag in _STATISTICS.items() if f"STATISTICS_{tag}" in tags
    }
    return {**band, "statistics": statistics, "raster:sampling": "area", "raster:spatial_resolution": size}
