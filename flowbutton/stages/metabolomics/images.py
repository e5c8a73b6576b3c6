"""Images of ions: for each isotope peak, the pixels that have points in its window.

Here: making them from points, their bytes, what is told of them for checking. Not here: how well they fit (`metrics`).
Imports numpy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flowbutton.model.bundle import KeySchema
from flowbutton.stages.columns import pack, unpack

SCHEMA = KeySchema(("ion",))
"""Images are kept by the row of their ion in the table of peaks."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class IonImages:
    """The images of one ion, on the ``pixels`` (ascending) that any of them has.

    ``values`` has a row per peak; ``points`` counts the points in each window, ``mean_mz`` is their intensity-weighted
    m/z, 0 where there is none.
    """

    pixels: Ints
    values: Floats32
    points: Ints
    mean_mz: Floats

    @classmethod
    def of(cls, windows: list[slice], mz: Floats, pixels: Ints, intensity: Floats32) -> IonImages:
        """Make the images from points in their order: those of peak k are at ``windows[k]``.

        Several points of a pixel are added one by one, in float32, in their order.
        """
        seen, place = np.unique(np.concatenate([pixels[window] for window in windows]), return_inverse=True)
        values = np.zeros((len(windows), len(seen)), np.float32)
        mean_mz, start = np.zeros(len(windows)), 0
        for number, window in enumerate(windows):
            count = window.stop - window.start
            if count:
                np.add.at(values[number], place[start : start + count], intensity[window])
                weights = intensity[window].astype(np.float64)
                mean_mz[number] = np.sum(mz[window] * weights) / np.sum(weights)
            start += count
        return cls(seen, values, np.array([window.stop - window.start for window in windows], np.int64), mean_mz)

    def encode(self) -> bytes:
        """Return the images as a part of a bundle."""
        columns = {"pixels": self.pixels.astype(np.uint32), "values": self.values}
        return pack({**columns, "points": self.points.astype(np.uint32), "mean_mz": self.mean_mz})

    @classmethod
    def decode(cls, data: bytes) -> IonImages:
        """Read what `encode` wrote."""
        columns, _ = unpack(data)
        return cls(
            columns["pixels"].astype(np.int64),
            columns["values"],
            columns["points"].astype(np.int64),
            columns["mean_mz"],
        )

    def dense(self, peak: int, shape: tuple[int, int]) -> Floats32:
        """Return the whole image of a peak."""
        image = np.zeros(shape[0] * shape[1], np.float32)
        image[self.pixels] = self.values[peak]
        return image.reshape(shape)
