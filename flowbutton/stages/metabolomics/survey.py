"""Facts over all spectra that images and metrics depend on: the grid, the sample, the range of m/z.

Here: the stage `metabolomics.survey`, the facts as a value. Not here: facts of a piece (`scatter`), what follows from
them for the cut (`segments`). Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from flowbutton.model.canonical import Json
from flowbutton.model.errors import BadInput
from flowbutton.model.stage import Resources, Scratch
from flowbutton.stages.columns import Array, read, write
from flowbutton.stages.define import gather_stage
from flowbutton.stages.metabolomics.ions import DatasetTable

_MOST_PIXELS = 1 << 27
_MOST_BINS = 1 << 20  # that wait to be added up

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Dataset:
    """The image grid, ``height`` x ``width``, with (``left``, ``top``) as the file's coordinates of its first pixel.

    ``sample`` are the pixels that have a spectrum, ascending, as ``row * width + column``; ``total`` is the total
    intensity of each, ``peaks`` the number of points of each spectrum; ``bins`` are keys of fine bins with how many
    points they have; ``low`` and ``high`` the smallest and largest m/z of all points. ``pixel_um`` is the width of a
    pixel in micrometres, if it is known.
    """

    width: int
    height: int
    left: int
    top: int
    low: float
    high: float
    profile: bool
    pixel_um: float | None
    sample: Ints
    total: npt.NDArray[np.float64]
    peaks: npt.NDArray[np.int32]
    bins: Ints

    def pixels(self, x: npt.NDArray[np.int32], y: npt.NDArray[np.int32]) -> Ints:
        """Return the numbers of pixels, given as the file has them."""
        found: Ints = (y.astype(np.int64) - self.top) * self.width + (x.astype(np.int64) - self.left)
        return found

    def write(self, path: Path) -> Path:
        """Write the facts to a file."""
        columns: dict[str, Array] = {"sample": self.sample, "total": self.total, "peaks": self.peaks, "bins": self.bins}
        grid: Json = [self.width, self.height, self.left, self.top]
        head: dict[str, Json] = {"grid": grid, "range": [self.low, self.high], "profile": self.profile}
        return write(path, columns, {**head, "pixel_um": self.pixel_um})

    @classmethod
    def read(cls, path: Path) -> Dataset:
        """Read what `write` wrote."""
        columns, head = read(path)
        width, height, left, top = head["grid"]
        low, high = head["range"]
        return cls(width, height, left, top, low, high, head["profile"], head["pixel_um"], **columns)


@gather_stage("metabolomics.survey", resources=Resources(memory_base_bytes=1 << 30))
def survey(facts: Sequence[Path], scratch: Scratch, datasets: DatasetTable | None = None) -> Path:
    """Join the facts of all pieces.

    Args:
        facts: Tables by `metabolomics.scatter`, in the order of the spectra.
        scratch: Where the facts are written.
        datasets: What the dataset's head says: the size of a pixel.

    Raises:
        BadInput: no point is left, or the grid is too large.
    """
    joined, bins, profile = _joined(facts)
    span = joined["range"]
    if not len(span):
        raise BadInput(
            "no peak of this dataset has an intensity above zero", why="", hint="check the export and its threshold"
        )
    left, top, right, bottom = (int(f(joined[axis])) for f in (np.min, np.max) for axis in ("x", "y"))
    width, height = right - left + 1, bottom - top + 1
    if width * height > _MOST_PIXELS:
        raise BadInput(
            f"the image grid has {width} x {height} pixels",
            why=f"positions reach from ({left}, {top}) to ({right}, {bottom}); {_MOST_PIXELS} pixels are the most",
            hint="check the positions in the imzML",
        )
    if profile:
        print("the spectra are profile spectra, not centroided: see the param 'profile'")
    pixels = (joined["y"].astype(np.int64) - top) * width + (joined["x"].astype(np.int64) - left)
    sample, place = np.unique(pixels, return_inverse=True)
    return Dataset(
        width=width,
        height=height,
        left=left,
        top=top,
        low=float(span.min()),
        high=float(span.max()),
        profile=profile,
        pixel_um=datasets.root[0].pixel_um if datasets is not None else None,
        sample=sample,
        total=np.bincount(place, weights=joined["total"], minlength=len(sample)).astype(np.float64),
        peaks=joined["points"],
        bins=bins,
    ).write(Path(scratch) / "dataset.table")


def _joined(facts: Sequence[Path]) -> tuple[dict[str, Array], Ints, bool]:
    """Return the columns of all tables, points by fine bin, and whether any holds profile spectra.

    Bins are added up on the way: there are so many of them for each piece, but no more for all pieces.
    """
    columns: dict[str, list[Array]] = {name: [] for name in ("x", "y", "points", "total", "range")}
    bins: list[Ints] = []
    profile = False
    for path in facts:
        table, head = read(path)
        for name, parts in columns.items():
            parts.append(table[name])
        bins.append(table["bins"])
        if sum(map(len, bins)) > _MOST_BINS:
            bins = [_summed(np.concatenate(bins))]
        profile = profile or head["profile"]
    return {name: np.concatenate(parts) for name, parts in columns.items()}, _summed(np.concatenate(bins)), profile


def _summed(bins: Ints) -> Ints:
    keys, place = np.unique(bins[:, 0], return_inverse=True)
    counts = np.zeros(len(keys), np.int64)
    np.add.at(counts, place, bins[:, 1])
    return np.column_stack((keys, counts))
