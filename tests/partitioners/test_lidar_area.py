"""Point clouds confined to an area: exactly its points, and of the file only what may hold them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import laspy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowbutton.model.errors import BadInput, OptionError
from flowbutton.model.partitioner import Reader
from flowbutton.model.pieces import Source
from flowbutton.partitioners.las_header import read_header
from flowbutton.partitioners.lidar import Lidar, LidarPoints
from flowbutton.samples.laz_files import POINT, CloudLayout, write_copc, write_laz
from flowbutton.testing.partitioners import CutSource, MemoryAccess, PartitionerContract

LAYOUT = CloudLayout(wkt="", offset=(500_000.0, -20.0, 0.0), chunk=150, page_level=1)
AREA = (500_010.0, -15.5, 500_070.0, 33.3)
LINES = (2000, 4000, 8000)
"""Stored X that many points have: areas may end there."""


@cache
def cloud(count: int, seed: int = 1) -> Any:
    """Return points on 100 x 100 m, some of them on lines."""
    random = np.random.default_rng(seed)
    points = np.zeros(count, POINT)
    points["X"], points["Y"] = random.integers(0, 10_000, (2, count))
    points["X"][::7] = random.choice(LINES, len(points[::7]))
    points["Z"] = points["X"] // 20 + random.integers(0, 500, count)
    points["intensity"], points["bit_fields"] = np.arange(count) % 65_536, 17
    points["gps_time"] = np.arange(count) / 1024
    return points


def inside(path: Path, area: Sequence[float]) -> list[bytes]:
    """Return the stored points of an area, by exact numbers."""
    las = laspy.read(path, laz_backend=laspy.LazBackend.Lazrs)
    west, south, east, north = (Fraction(repr(float(limit))) for limit in area)
    scale, offsets = Fraction("0.01"), [Fraction(str(offset)) for offset in las.header.offsets]
    places = zip(las.X.tolist(), las.Y.tolist(), strict=True)
    exact = [(x * scale + offsets[0], y * scale + offsets[1]) for x, y in places]
    chosen = [west <= x < east and south <= y < north for x, y in exact]
    return [record.tobytes() for record in las.points.array[np.array(chosen, bool)]]


def cut(files: Path | str, area: Sequence[float] | None, folder: Path, part_bytes: int = 1 << 20) -> CutSource:
    options: Mapping[str, Any] = {"area": None if area is None else [*area]}
    return CutSource(Lidar(part_bytes), Source("cloud", str(files), options), MemoryAccess(folder))


def records(reader: Reader) -> list[bytes]:
    return [record.tobytes() for chunk in cast(LidarPoints, reader).chunks() for record in chunk.record]


class TestAreaContract(PartitionerContract):
    def partitioner(self) -> Lidar:
        return Lidar(4_000)

    def write(self, folder: Path, seed: int) -> None:
        write_laz(folder / "a.laz", cloud(500, seed), LAYOUT)
        write_copc(folder / "b.copc.laz", cloud(900, seed), LAYOUT)
        with laspy.open(folder / "a.laz") as file:
            file.read().write(folder / "c.las")

    def source(self, folder: Path) -> Source:
        self.write(folder, 1)
        return Source("cloud", f"{folder}/*.la?", {"area": [*AREA]})

    def change(self, folder: Path) -> None:
        self.write(folder, 2)

    def oracle(self, folder: Path) -> list[bytes]:
        return [record for path in sorted(folder.glob("*.la?")) for record in inside(path, AREA)]

    def read(self, reader: Reader) -> list[bytes]:
        return records(reader)

    def options(self, size: int) -> Mapping[str, Any]:
        return {"size": size, "area": AREA}


_LIMITS = st.integers(-500, 10_500).map(lambda cm: cm / 100) | st.sampled_from([line / 100 for line in LINES])


@settings(deadline=None, max_examples=25)
@given(x=st.tuples(_LIMITS, _LIMITS), y=st.tuples(_LIMITS, _LIMITS), copc=st.booleans(), part=st.integers(900, 20_000))
def test_an_area_has_exactly_its_points(x: tuple[float, float], y: tuple[float, float], copc: bool, part: int) -> None:
    area = (500_000 + min(x), -20 + min(y), 500_000 + max(x) + 0.01, -20 + max(y) + 0.01)
    with TemporaryDirectory() as name:
        path = (write_copc if copc else write_laz)(Path(name) / "x.laz", cloud(900), LAYOUT)
        source = cut(path, area, Path(name), part)
        pieces = source.pieces({"size": 200})
        found = [record for piece in pieces for record in records(source.open(piece))]
        assert found == inside(path, area)
        assert source.layouts[0].records == len(found) == sum(piece.records or 0 for piece in pieces)


@settings(deadline=None, max_examples=10)
@given(bounds=st.lists(_LIMITS, min_size=1, max_size=5, unique=True), rows=st.booleans())
def test_areas_side_by_side_have_each_point_once(bounds: list[float], rows: bool) -> None:
    edges = [-100.0, *sorted(bounds), 200.0]
    with TemporaryDirectory() as name:
        path = write_copc(Path(name) / "x.copc.laz", cloud(900), LAYOUT)
        found: list[bytes] = []
        for low, high in pairwise(edges):
            x, y = ((-100.0, 200.0), (low, high)) if rows else ((low, high), (-100.0, 200.0))
            source = cut(path, (500_000 + x[0], -20 + y[0], 500_000 + x[1], -20 + y[1]), Path(name))
            found += [record for piece in source.pieces({"size": 500}) for record in records(source.open(piece))]
        assert sorted(found) == sorted(record.tobytes() for record in cloud(900))


@pytest.mark.slow
def test_a_tenth_of_a_copc_costs_a_fifth_of_its_bytes_at_most(tmp_path: Path) -> None:
    layout = CloudLayout(wkt="", offset=LAYOUT.offset, chunk=500, page_level=3)
    path = write_copc(tmp_path / "x.copc.laz", cloud(400_000), layout)
    side = 100 * 0.1**0.5
    for west, south in ((0.0, 0.0), (34.1, 40.2), (68.3, 20.0)):
        area = (500_000 + west, -20 + south, 500_000 + west + side, -20 + south + side)
        source = cut(path, area, tmp_path, part_bytes=1 << 28)
        for piece in source.pieces({}):
            records(source.open(piece))
        reads = [(start, stop or 0) for uri, start, stop in source.data.reads if uri == str(path)]
        nodes = sorted(read for read in reads if read[0] > 1000 and read[1] < pages_at(path))
        assert all(one[1] <= two[0] for one, two in pairwise(nodes)), "no byte is read twice"
        assert sum(stop - start for start, stop in reads) <= 0.2 * path.stat().st_size
        assert len(reads) <= 50
        assert 0.09 < (source.layouts[0].records or 0) / 400_000 < 0.12


def pages_at(path: Path) -> int:
    """Return where the hierarchy of a COPC begins."""
    return int(struct.unpack_from("<Q", path.read_bytes(), 375 + 54 + 40)[0])


def test_pages_of_the_hierarchy_are_read_where_they_lead_to_the_area(tmp_path: Path) -> None:
    path = write_copc(tmp_path / "x.copc.laz", cloud(20_000), LAYOUT)
    source = cut(path, (500_000.0, -20.0, 500_003.0, -17.0), tmp_path)
    pages = [read for read in source.data.reads if read[0] == str(path) and read[1] >= pages_at(path)]
    assert len(pages) == len(set(pages))
    assert 2 <= len(pages) <= 4, "the root's, and those of the octants in the corner"


def test_a_file_beside_the_area_is_not_read_beyond_its_head(tmp_path: Path) -> None:
    path = write_laz(tmp_path / "x.laz", cloud(20_000), LAYOUT)
    source = cut(path, (0.0, 0.0, 10.0, 10.0), tmp_path)
    assert source.pieces({}) == []
    assert {stop for uri, _, stop in source.data.reads if uri == str(path)} <= {65_536, path.stat().st_size}
    assert max(start for uri, start, _ in source.data.reads if uri == str(path)) == 0


@pytest.mark.parametrize("area", [(1, 1, 1, 2), (1, 1, 2, 0), (0, 0, float("inf"), 1)])
def test_an_area_without_extent_is_refused(tmp_path: Path, area: Sequence[float]) -> None:
    path = write_laz(tmp_path / "x.laz", cloud(10), LAYOUT)
    with pytest.raises(OptionError, match="has no extent"):
        cut(path, area, tmp_path)


@pytest.mark.parametrize("damage", ["a page of itself", "a page beyond the end", "a node beyond the end"])
def test_a_damaged_hierarchy_is_told(tmp_path: Path, damage: str) -> None:
    path = write_copc(tmp_path / "x.copc.laz", cloud(2_000), LAYOUT)
    data = bytearray(path.read_bytes())
    root, size = struct.unpack_from("<QQ", data, 375 + 54 + 40)
    places = {"a page of itself": (root, size, -1), "a page beyond the end": (1 << 50, 32, -1)}
    at, length, points = places.get(damage, (len(data) - 10, 99, 5))
    struct.pack_into("<Qii", data, root + 16, at, length, points)
    path.write_bytes(data)
    assert read_header(lambda start, stop: bytes(data[start:stop]), len(data), file="x").packing
    with pytest.raises(BadInput, match="hierarchy of a COPC is damaged") as caught:
        cut(path, AREA, tmp_path)
    assert caught.value.where["file"] == str(path)
