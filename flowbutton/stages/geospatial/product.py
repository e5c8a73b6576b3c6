"""Products: what is written of them besides their values.

Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator


class Product(BaseModel):
    """A raster that is published.

    Floats have NaN where there is no value. Integers have ``nodata`` there, or a value everywhere if it is None.

    Args:
        dtype: The type that is written: uint8, int16, uint16, int32, uint32, float32 or float64.
        made: The type of the parts; ``dtype`` if None. Values are rounded once.
        bands: Their names.
        nodata: Of integers.
        overview: What four cells become in an overview: the mean of those that have a value, or the upper left one.
        tags: Names and texts for the file's metadata.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: Literal["uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"]
    made: str | None = None
    bands: tuple[str, ...] = Field(min_length=1)
    nodata: int | None = None
    overview: Literal["mean", "first"] = "mean"
    tags: Mapping[str, str] = {}

    @field_validator("nodata")
    @classmethod
    def _fits(cls, nodata: int | None, info: object) -> int | None:
        dtype = np.dtype(getattr(info, "data", {}).get("dtype", "int32"))
        if nodata is not None and (dtype.kind == "f" or not np.iinfo(dtype).min <= nodata <= np.iinfo(dtype).max):
            raise ValueError(f"{nodata} can't be the nodata of {dtype}")
        return nodata

    @property
    def fill(self) -> float | int:
        """What stands where there is no value."""
        return math.nan if np.dtype(self.dtype).kind == "f" else self.nodata or 0
