"""Small odd point clouds, made from a seed: what real surveys hold rarely, all of it often.

Several files of different scale, offset, version and point format, with extra bytes, empty ones among them; points on
lattices (on one circle, in line, on the borders of cells), doubled within a file and over files; negative coordinates;
noise, withheld points, classes without ground. Shares no code with flowbutton.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import laspy
import numpy as np
from cloud_reference import Return

_FORMATS = (("1.2", 0), ("1.2", 1), ("1.2", 3), ("1.3", 4), ("1.4", 6), ("1.4", 7), ("1.4", 8), ("1.4", 9), ("1.4", 10))
_CLASSES = (2, 2, 2, 2, 2, 1, 5, 6, 7, 9, 18)


@dataclass(frozen=True)
class RandomCloud:
    """Files of one cloud, and what they hold."""

    files: Sequence[Path]
    returns: Sequence[Return]
    resolution: str
    max_radius: str


def generate(seed: int, folder: Path) -> RandomCloud:
    """Make the cloud of a seed in ``folder``."""
    rng = random.Random(seed)
    resolution = rng.choice(("1", "0.5", "0.25", "2", "3", "0.3", "10"))
    step = Fraction(resolution) * rng.choice((1, 1, Fraction(1, 2), Fraction(1, 10), Fraction(7, 10)))
    reach, lift = rng.choice((4, 9, 25)), rng.choice((0, 0, 1000, -4_000_000))
    centre = (rng.choice((0, 0, 500_000, -70)), lift)
    files, returns = [], []
    for number in range(rng.choice((1, 1, 2, 3))):
        count = rng.choice((0, *range(3, 22))) if number else rng.randrange(3, 22)
        places = [(rng.randint(-reach, reach), rng.randint(-reach, reach)) for _ in range(count)]
        drawn = [(centre[0] + step * x, centre[1] + step * y, Fraction(rng.randint(-300, 900), 100)) for x, y in places]
        shared = rng.sample(returns, min(len(returns), rng.choice((0, 0, 3))))
        drawn += [(one.x, one.y, one.z) for one in shared]
        if rng.random() < 0.3:
            drawn += rng.sample(drawn, len(drawn) // 4)
        path, found = _write(rng, folder / f"{number}", drawn)
        files.append(path)
        returns += found
    radius = rng.choice(("none", "none", *(str(float(Fraction(resolution) * n)) for n in (2, 5, 20))))
    return RandomCloud(files, returns, resolution, radius)


def _write(
    rng: random.Random, path: Path, places: Sequence[tuple[Fraction, Fraction, Fraction]]
) -> tuple[Path, list[Return]]:
    """Write points, rounded to the file's own scale; return what the file then says."""
    version, kind = rng.choice(_FORMATS)
    scales = [rng.choice(("0.01", "0.001", "0.005", "0.025")) for _ in range(3)]
    offsets = [rng.choice(("0", "0", "0.5", "12.34", "-3")) for _ in range(3)]
    stored = np.array(
        [
            [round((value - Fraction(o)) / Fraction(s)) for value, s, o in zip(place, scales, offsets, strict=True)]
            for place in places
        ],
        dtype=np.int64,
    ).reshape(-1, 3)
    for axis in range(2):  # what does not fit into 32 bits is brought near by the offset
        if abs(stored[:, axis]).max(initial=0) > 2**31 - 1:
            near = int(places[0][axis])
            offsets[axis] = str(near)
            stored[:, axis] = [round((place[axis] - near) / Fraction(scales[axis])) for place in places]
    header = laspy.LasHeader(point_format=kind, version=version)
    header.scales, header.offsets = np.array([float(s) for s in scales]), np.array([float(o) for o in offsets])
    if rng.random() < 0.3:
        header.add_extra_dims([laspy.ExtraBytesParams("height above", "f4"), laspy.ExtraBytesParams("tag", "3u2")])
    las = laspy.LasData(header)
    las.X, las.Y, las.Z = stored.T.astype(np.int32)
    classes = [rng.choice(_CLASSES) for _ in places]
    withheld = [rng.random() < 0.1 for _ in places]
    las.classification, las.withheld = np.array(classes, np.uint8), np.array(withheld, np.uint8)
    path = path.with_suffix(rng.choice((".las", ".laz")))
    las.write(path)
    returns = [
        Return(
            *(int(value) * Fraction(s) + Fraction(o) for value, s, o in zip(row, scales, offsets, strict=True)),
            kind=classes[number],
            withheld=withheld[number],
        )
        for number, row in enumerate(stored)
    ]
    return path, returns
