"""Writes a float32 product of SIDE x SIDE cells as a COG, patch by patch; prints the process's peak memory in bytes.

python large_cog.py FOLDER SIDE
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from flowbutton.model.composite import Composition, Span, Stored
from flowbutton.model.stage import Scratch
from flowbutton.stages.bundles import Bundle, Footer
from flowbutton.stages.geospatial.cog import StoredPatch, cog
from flowbutton.stages.geospatial.compress import compress
from flowbutton.stages.geospatial.grid import Grid
from flowbutton.stages.geospatial.parts import PART_SCHEMA, add_part
from flowbutton.stages.geospatial.patches import plan_patches
from flowbutton.stages.geospatial.product import Product
from flowbutton.worker.transpose import StoredParts, read_head, transpose

TILE = 256


def stored(bundles: Sequence[Path]) -> StoredParts:
    """Return parts as a worker has them: read from the bundles by range when they are wanted."""

    def read(name: str, start: int, stop: int) -> bytes:
        with Path(name).open("rb") as file:
            file.seek(start)
            return file.read(stop - start)

    named = [(str(path), path.stat().st_size) for path in bundles]
    index = transpose([(name, size, Footer.read(size, partial(read, name))) for name, size in named])
    head = read_head(len(index), lambda start, stop: index[start:stop])
    return StoredParts(head, len(index), lambda start, stop: index[start:stop], read, None)


def held(path: Path) -> Stored:
    """Return a file as if it lay in a store."""

    def read(start: int, stop: int) -> bytes:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(stop - start)

    return Stored(Composition((Span(path.name, 0, path.stat().st_size),)), read)


def main() -> None:
    """Write the file; each patch has its parts for as long as it is compressed."""
    folder, side = Path(sys.argv[1]), int(sys.argv[2])
    grid = Grid(crs="", transform=(1, 0, 500_000, 0, -1, 4_000_000), rows=side, columns=side)
    product, random = Product(dtype="float32", bands=("dtm",)), np.random.default_rng(1)
    patches: list[StoredPatch] = []
    for number, (_, patch) in enumerate(plan_patches(grid, across=64).rows):
        scratch = folder / str(number)
        scratch.mkdir()
        parts = Bundle(scratch / "parts", PART_SCHEMA)
        for row in range(*patch.rows, TILE):
            for column in range(*patch.columns, TILE):
                y, x = np.mgrid[row : min(row + TILE, side), column : min(column + TILE, side)]
                hills = 100 + 40 * np.sin(x / 700) * np.cos(y / 500) + random.normal(0, 0.1, x.shape)
                add_part(parts, row, column, hills[None].astype(np.float32))
        path = parts.close()
        made = compress(patch, grid, stored([path]), Scratch(str(scratch)), product=product)
        patches.append(StoredPatch(held(made.blocks), Stored.of(made.top), made.facts))
        path.unlink()
    cog(patches, grid, product=product).write(folder / "product.tif")
    # Not ru_maxrss: it starts with the memory of the process that started this one.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    print(int(peak[1]) * 1024)


if __name__ == "__main__":
    main()
