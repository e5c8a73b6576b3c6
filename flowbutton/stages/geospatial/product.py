"""Products: what is written of them besides their values.

Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator


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
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: Literal["uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"]
    made: str | None = None
    bands: tuple[str, ...] = Field(min_length=1)
    nodata: float | None = None
    overview: Literal["mean", "first"] = "mean"
    tags: Mapping[str, str] = {}

    @model_validator(mode="after")
    def _nodata_fits(self) -> Self:
        if self.nodata is not None and np.dtype(self.dtype).kind != "f":
            limits = np.iinfo(self.dtype)
            if not self.nodata.is_integer() or not limits.min <= self.nodata <= limits.max:
                raise ValueError(f"{self.nodata:g} can't be the nodata of {self.dtype}")
        return self

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
