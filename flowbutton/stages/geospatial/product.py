"""Products: what is written of them besides their values.

Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

_COLOURS = 256


class Product(BaseModel):
    """A raster that is published.

    Where there is no value stands ``nodata``. If it is None, floats have NaN there, and integers a value everywhere.
    NaN is never a value.

    Args:
        dtype: The type that is written: uint8, int16, uint16, int32, uint32, float32 or float64.
        made: The type of the parts; ``dtype`` if None. Values are rounded once.
        bands: Their names.
        nodata: The number that stands for no value.
        overview: What four cells become in an overview: the mean of those that have a value, or the upper left one.
        tags: Names and texts for the file's metadata.
        colours: Of the values of one band of uint8, as ``#rrggbb``; other values are grey.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: Literal["uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"]
    made: str | None = None
    bands: tuple[str, ...] = Field(min_length=1)
    nodata: float | None = None
    overview: Literal["mean", "first"] = "mean"
    tags: Mapping[str, str] = {}
    colours: Mapping[int, Annotated[str, Field(pattern="^#[0-9a-f]{6}$")]] = {}

    @model_validator(mode="after")
    def _colours_fit(self) -> Self:
        if self.colours and (self.dtype != "uint8" or len(self.bands) > 1):
            raise ValueError("a colour table needs one band of uint8")
        if not all(0 <= value < _COLOURS for value in self.colours):
            raise ValueError("colours are those of values from 0 to 255")
        return self

    @model_validator(mode="after")
    def _nodata_fits(self) -> Self:
        if self.nodata is not None and np.dtype(self.dtype).kind != "f":
            limits = np.iinfo(self.dtype)
            if not self.nodata.is_integer() or not limits.min <= self.nodata <= limits.max:
                raise ValueError(f"{self.nodata:g} can't be the nodata of {self.dtype}")
        return self

    def colour_table(self) -> list[int]:
        """Return the colours of 0 to 255 as a TIFF has them: all red, all green, all blue, from 0 to 65535."""
        texts = [self.colours.get(value, "#808080") for value in range(_COLOURS)]
        return [257 * int(text[at : at + 2], 16) for at in (1, 3, 5) for text in texts]

    @property
    def fill(self) -> float:
        """What stands where there is no value."""
        return (math.nan if np.dtype(self.dtype).kind == "f" else 0) if self.nodata is None else self.nodata

    @property
    def nodata_text(self) -> str | None:
        """What the file says of it; None where every cell has a value."""
        if self.nodata is None:
            return "nan" if np.dtype(self.dtype).kind == "f" else None
        return f"{self.nodata:.17g}"
