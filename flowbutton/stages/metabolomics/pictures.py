"""Images of the best annotations as files: PNG in perceptual colours, and chunks of a Zarr array.

Here: the stages `metabolomics.choose_images`, `metabolomics.draw` and `metabolomics.describe_images`. Not here: colours
and PNG (`stages.pictures`), the report (`report`). Format: Zarr version 3. Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from flowbutton.model.bundle import Parts
from flowbutton.model.stage import Items, Scratch
from flowbutton.stages.define import gather_stage, map_stage
from flowbutton.stages.metabolomics.annotations import Annotation, Annotations
from flowbutton.stages.metabolomics.images import IonImages
from flowbutton.stages.metabolomics.scale_bar import scale_bar
from flowbutton.stages.metabolomics.survey import Dataset
from flowbutton.stages.pictures import indexed_png, viridis

_LEAST_SIDE = 240  # of a picture, in pixels of the screen
_BRIGHTEST, _CLEAR, _WHITE = 253, 254, 255  # numbers of colours
BRIGHTEST = "Brightest"
"""The note in a picture that tells which intensity has its brightest colour."""
_CLIPPED = 99.0  # percentile of the pixels above 0 that has the brightest colour


class ImageKey(BaseModel):
    """Under which key the images of an ion are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ion: int


class ChosenIon(BaseModel):
    """An ion whose images are published, and where they are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ion_formula: str
    kept: ImageKey


class Drawing(NamedTuple):
    """The image of an ion's lowest peak as PNG, and those of all peaks as a chunk of a Zarr array."""

    png: Path
    chunk: Path


def best_ions(annotations: Path, fdr: float) -> list[Annotation]:
    """Return an annotation for each distinct ion up to a false discovery rate, the best first."""
    chosen: dict[str, Annotation] = {}
    for one in Annotations.model_validate_json(annotations.read_bytes()).root:
        if one.fdr <= fdr:
            chosen.setdefault(one.ion_formula, one)
    return [*chosen.values()]


@map_stage("metabolomics.choose_images")
def choose_images(annotations: Path, *, fdr: float = 0.1) -> Items[ChosenIon]:
    """Choose the ions whose images are published: those up to a false discovery rate, the best first.

    Args:
        annotations: The table by `metabolomics.rank`.
        fdr: The highest rate.
    """
    return Items(
        tuple(
            (
                {"number": number, "ion": one.ion_formula},
                ChosenIon(ion_formula=one.ion_formula, kept=ImageKey(ion=one.row)),
            )
            for number, one in enumerate(best_ions(annotations, fdr))
        )
    )


@gather_stage("metabolomics.draw")
def draw(ion: ChosenIon, images: Parts, dataset: Path, scratch: Scratch) -> Drawing:
    """Draw the image of an ion's lowest peak, and write all of its images as one chunk.

    Args:
        ion: The ion.
        images: Its images.
        dataset: The facts by `metabolomics.survey`.
        scratch: Where both are written.
    """
    facts, folder = Dataset.read(dataset), Path(scratch)
    found = IonImages.decode(next(part for (row,), (part,) in images if row == ion.kept.ion))
    shape = (facts.height, facts.width)
    whole = np.stack([found.dense(peak, shape) for peak in range(len(found.values))])
    chunk, picture = folder / "chunk.gz", folder / "image.png"
    chunk.write_bytes(gzip.compress(whole.astype("<f4").tobytes(), 5, mtime=0))
    picture.write_bytes(png_of(whole[0], facts))
    return Drawing(picture, chunk)


@map_stage("metabolomics.describe_images")
def describe_images(annotations: Path, dataset: Path, scratch: Scratch, *, fdr: float = 0.1, n_peaks: int = 4) -> Path:
    """Write the metadata of the Zarr array of images: ion, peak, row, column.

    Args:
        annotations: The table by `metabolomics.rank`.
        dataset: The facts by `metabolomics.survey`.
        scratch: Where it is written.
        fdr: As for `metabolomics.choose_images`.
        n_peaks: Isotope peaks per ion.
    """
    facts, ions = Dataset.read(dataset), [one.ion_formula for one in best_ions(annotations, fdr)]
    shape = [n_peaks, facts.height, facts.width]
    path = Path(scratch) / "zarr.json"
    path.write_text(
        json.dumps(
            {
                "zarr_format": 3,
                "node_type": "array",
                "shape": [len(ions), *shape],
                "data_type": "float32",
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, *shape]}},
                "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
                "fill_value": 0.0,
                "codecs": [
                    {"name": "bytes", "configuration": {"endian": "little"}},
                    {"name": "gzip", "configuration": {"level": 5}},
                ],
                "dimension_names": ["ion", "peak", "y", "x"],
                "attributes": {"ions": ions, "left": facts.left, "top": facts.top, "pixel_um": facts.pixel_um},
            },
            indent=1,
        )
    )
    return path


def png_of(image: npt.NDArray[Any], facts: Dataset) -> bytes:
    """Return an image as PNG: dark is 0, bright the 99th percentile of what is above 0; small ones are enlarged.

    Pixels without a spectrum are transparent. The note `BRIGHTEST` tells the intensity of the brightest colour. Below
    the image is a scale bar, in micrometres where the width of a pixel is known, else in pixels.
    """
    above = image[image > 0]
    highest = float(np.percentile(above, _CLIPPED)) if len(above) else 1.0
    levels = np.full(image.size, _CLEAR)
    levels[facts.sample] = np.rint(np.clip(image.ravel()[facts.sample] / highest, 0.0, 1.0) * _BRIGHTEST)
    times = max(_LEAST_SIDE // max(image.shape), 1)
    shown = levels.reshape(image.shape).repeat(times, axis=0).repeat(times, axis=1)
    bar = np.where(scale_bar(image.shape[1], times, facts.pixel_um), _WHITE, 0)
    notes = {BRIGHTEST: f"{highest:.6g}"} if len(above) else {}
    indexes = np.vstack((shown, bar)).astype(np.uint8)
    return indexed_png(indexes, colours() + b"\0\0\0\xff\xff\xff", clear=_CLEAR, notes=notes)


def colours() -> bytes:
    """Return the colours of the images, three bytes each, from 0 to the brightest."""
    every, picked = viridis(), np.rint(np.linspace(0, 255, _BRIGHTEST + 1)).astype(int).tolist()
    return b"".join(every[3 * one : 3 * one + 3] for one in picked)
