"""What a reader of a map measures with: the units of lengths and heights, and the bar of a round length.

Here: names of units, the bar as HTML. Not here: pictures (`quick_look`). Imports rasterio only inside functions.
"""

from __future__ import annotations

from html import escape

from flowbutton.partitioners.las_crs import UNIT_NAMES
from flowbutton.stages.charts import round_length
from flowbutton.stages.geospatial.frame import Frame
from flowbutton.stages.geospatial.grid import Grid

_SHORT = {"metre": "m", "metres": "m", "foot": "ft", "feet": "ft", "degree": "°"} | dict.fromkeys(
    ("US survey foot", "US survey feet"), "US survey ft"
)
_SHARE = 0.3  # of the picture's width that a bar takes at most


def length_unit(grid: Grid) -> str:
    """Return the unit of a grid's lengths, such as m; "" where its coordinate system names none."""
    from rasterio import Env
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    if not grid.crs:
        return ""
    try:
        with Env():
            system = CRS.from_wkt(grid.crs)
            name = "degree" if system.is_geographic else str(system.linear_units)
    except CRSError:
        return ""
    return _SHORT.get(name, "" if name == "unknown" else name)


def height_unit(frame: Frame) -> str:
    """Return the unit of a cloud's heights, such as m; "" where its files tell none."""
    name = UNIT_NAMES.get(frame.height_unit, frame.height_unit and f"{frame.height_unit} m")
    return _SHORT.get(name, name)


def scale_bar(grid: Grid) -> str:
    """Return a bar of a round length for under a picture that is as wide as the grid; nothing for a turned grid."""
    a, b, _, d, _, _ = grid.transform
    if b or d or not a:
        return ""
    width = grid.columns * abs(a)
    length, unit = round_length(width * _SHARE), length_unit(grid)
    text = f"{length:g}{'' if unit == '°' else ' '}{unit or 'units of the coordinate system'}"
    return f'<div class="length" style="width:{100 * length / width:.2f}%"></div><div class="told">{escape(text)}</div>'
