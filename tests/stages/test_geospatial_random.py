"""Random odd clouds, in pieces and tiles of random size, against the definitions in exact fractions."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from cloud_reference import CloudReference
from geospatial_driver import Driver
from random_clouds import generate

from flowbutton.model.errors import BadInput

pytest.importorskip("laspy", reason="needs the extra 'geospatial'")
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", range(16))
def test_products_are_what_their_definitions_say(seed: int, tmp_path: Path) -> None:
    cloud, rng = generate(seed, tmp_path), random.Random(seed)
    wanted = CloudReference(cloud.returns, Fraction(cloud.resolution))
    options = {
        "frame": {"crs": "none", "resolution": float(cloud.resolution)},
        "survey": {"max_radius": cloud.max_radius},
    }
    driver = Driver(tmp_path / "work", cloud.files, options, piece_points=rng.randrange(1, 20), seed=seed)
    if not wanted.ground():
        with pytest.raises(BadInput, match=r"no ground points|has no point"):
            _ = driver.surveyed
        return
    found = driver.products(tile_cells=rng.choice((32, 100, 1000)))
    frame, cells = driver.surveyed.cloud, wanted.cells()
    columns, rows = [sorted({place[axis] for place in cells}) for axis in (0, 1)]
    assert (frame.west, frame.north) == (columns[0], rows[-1] + 1)
    assert (frame.grid.columns, frame.grid.rows) == (columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1)
    terrain = wanted.terrain(None if cloud.max_radius == "none" else Fraction(cloud.max_radius))
    for line in range(frame.grid.rows):
        for place in range(frame.grid.columns):
            cell = (place + frame.west, frame.north - 1 - line)
            here = cells.get(cell, [])
            counts = [len(here), sum(one.kind == 2 for one in here)]
            assert found["counts"][:, line, place].tolist() == counts, cell
            heights = [one.z for one in here]
            for name, value in (("dsm", max(heights, default=None)), ("zmin", min(heights, default=None))):
                assert _is(found[name][0, line, place], value, np.float32), (name, cell)
            height = terrain.height(*cell)
            assert _is(found["dtm"][0, line, place], height, np.float64, 1e-9), (
                cell,
                found["dtm"][0, line, place],
                height,
            )


def _is(found: np.floating, value: Fraction | None, kind: type, tolerance: float = 0.0) -> bool:
    if value is None:
        return bool(np.isnan(found))
    return abs(float(found) - float(kind(float(value)))) <= tolerance
