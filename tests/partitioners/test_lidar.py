"""Point clouds cut between their chunks; laspy is the oracle."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import laspy
import lazrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowbutton.model.errors import BadInput, ChangedInput, MissingInput, TruncatedInput
from flowbutton.model.partitioner import Reader
from flowbutton.model.pieces import Source
from flowbutton.partitioners.las_crs import height_unit
from flowbutton.partitioners.las_header import FORMAT_BYTES
from flowbutton.partitioners.lidar import Lidar, LidarPoints
from flowbutton.partitioners.lidar_index import PointHeader
from flowbutton.testing.partitioners import CutSource, MemoryAccess, PartitionerContract


def some_points(count: int, point_format: int, *, version: str = "1.4", seed: int = 1) -> bytes:
    """Return a LAS file in which every field of a point, extra bytes too, has values of its own."""
    header = laspy.LasHeader(point_format=point_format, version=max(version, "1.2"))
    header.scales, header.offsets = np.array([0.01, 0.02, 0.001]), np.array([500_000.0, -10.0, 0.0])
    header.add_extra_dims([laspy.ExtraBytesParams("height above", "f4"), laspy.ExtraBytesParams("tag", "3u2")])
    las = laspy.LasData(header)
    raw = np.random.default_rng(seed).integers(0, 256, (count, header.point_format.size), np.uint8)
    raw[:, [3, 7, 11]] = 0  # places within 2**24 units
    las.points = laspy.ScaleAwarePointRecord(
        np.frombuffer(raw.tobytes(), header.point_format.dtype()).copy(),
        header.point_format,
        header.scales,
        header.offsets,
    )
    file = io.BytesIO()
    las.write(file)
    written = bytearray(file.getvalue())
    written[25] = int(version[2:])
    return bytes(written)


def as_laz(las: bytes, *, sizes: Sequence[int] | None = None, chunk: int = 50_000, streamed: bool = False) -> bytes:
    """Pack a LAS file: in chunks of ``chunk`` points or of the ``sizes``; as a stream: by one that can't go back."""
    points_at, vlrs = struct.unpack_from("<II", las, 96)
    kind, record_bytes = struct.unpack_from("<BH", las, 104)
    extra = record_bytes - FORMAT_BYTES[kind]
    record = bytearray(lazrs.LazVlr.new_for_compression(kind, extra, sizes is not None).record_data())
    if sizes is None:
        record[12:16] = chunk.to_bytes(4, "little")
    head = bytearray(las[:points_at] + struct.pack("<2x16sHH32x", b"laszip encoded", 22204, len(record)) + record)
    struct.pack_into("<II", head, 96, len(head), vlrs + 1)
    head[104] |= 0x80
    points = np.frombuffer(las[points_at:], np.uint8)
    packed = io.BytesIO()
    packer = lazrs.LasZipCompressor(packed, lazrs.LazVlr(bytes(record)))
    if sizes is None:
        packer.compress_many(points)
    else:
        bounds = np.cumsum([0, *sizes]) * record_bytes
        packer.compress_chunks([points[start:stop] for start, stop in pairwise(bounds)])
    packer.done()
    data = bytearray(packed.getvalue())
    (table,) = struct.unpack_from("<q", data)
    struct.pack_into("<q", data, 0, -1 if streamed else table + len(head))
    return bytes(head + data) + (struct.pack("<q", table + len(head)) if streamed else b"")


def cut(uri: Path | str, options: Mapping[str, Any] | None = None, part_bytes: int = 4_000) -> CutSource:
    folder = Path(str(uri).split(",")[0]).parent
    return CutSource(Lidar(part_bytes), Source("cloud", str(uri), options or {}), MemoryAccess(folder))


def records(reader: Reader) -> list[bytes]:
    """Return the stored bytes of each point."""
    return [record.tobytes() for chunk in cast(LidarPoints, reader).chunks() for record in chunk.record]


def oracle(path: Path) -> list[bytes]:
    with laspy.open(path, laz_backend=laspy.LazBackend.Lazrs) as file:
        return [record.tobytes() for record in file.read().points.array]


class TestLidarContract(PartitionerContract):
    def partitioner(self) -> Lidar:
        return Lidar(4_000)

    def write(self, folder: Path, seed: int) -> None:
        (folder / "a.las").write_bytes(some_points(300, 3, version="1.2", seed=seed))
        (folder / "b.laz").write_bytes(as_laz(some_points(400, 1, version="1.0", seed=seed), chunk=60))
        (folder / "c.laz").write_bytes(as_laz(some_points(350, 7, seed=seed), sizes=[1, 100, 49, 200]))
        (folder / "d.las").write_bytes(some_points(0, 6))
        (folder / "e.laz").write_bytes(as_laz(some_points(70, 10, seed=seed), streamed=True))

    def source(self, folder: Path) -> Source:
        self.write(folder, 1)
        return Source("cloud", f"{folder}/*.la?", {})

    def change(self, folder: Path) -> None:
        self.write(folder, 2)

    def oracle(self, folder: Path) -> list[bytes]:
        return [record for path in sorted(folder.glob("*.la?")) for record in oracle(path)]

    def read(self, reader: Reader) -> list[bytes]:
        return records(reader)

    def options(self, size: int) -> Mapping[str, Any]:
        return {"size": size}


@settings(deadline=None, max_examples=60)
@given(data=st.data(), point_format=st.integers(0, 10), size=st.integers(1, 500))
def test_every_format_version_and_chunk_size_comes_whole(data: st.DataObject, point_format: int, size: int) -> None:
    versions = (
        ["1.4"] if point_format > 5 else ["1.3", "1.4"] if point_format > 3 else ["1.0", "1.1", "1.2", "1.3", "1.4"]
    )
    count = data.draw(st.integers(1, 400))
    las = some_points(count, point_format, version=data.draw(st.sampled_from(versions)))
    packable = point_format not in (4, 5)
    if data.draw(st.booleans()) and packable:
        bounds = sorted(data.draw(st.sets(st.integers(1, count), max_size=5)) | {0, count})
        sizes = [stop - start for start, stop in pairwise(bounds)] if data.draw(st.booleans()) else None
        las = as_laz(las, sizes=sizes, chunk=data.draw(st.integers(1, 450)), streamed=data.draw(st.booleans()))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.laz"
        path.write_bytes(las)
        source = cut(path, part_bytes=data.draw(st.integers(500, 50_000)))
        pieces = source.pieces({"size": size})
        assert [record for piece in pieces for record in records(source.open(piece))] == oracle(path)
        assert sum(piece.records or 0 for piece in pieces) == count == source.layouts[0].records


@pytest.mark.parametrize("point_format", range(11))
def test_fields_are_those_of_laspy(tmp_path: Path, point_format: int) -> None:
    path = tmp_path / "x.las"
    path.write_bytes(some_points(200, point_format))
    source = cut(path)
    (piece,) = source.pieces({})
    (points,) = cast(LidarPoints, source.open(piece)).chunks()
    las = laspy.read(path)
    for name, wanted in {"x": "X", "y": "Y", "z": "Z", "source_id": "point_source_id"}.items():
        assert getattr(points, name).tolist() == las[wanted].tolist()
    for name in ("intensity", "return_number", "number_of_returns", "classification", "withheld"):
        assert getattr(points, name).tolist() == np.asarray(las[name]).tolist()
    timed = point_format not in (0, 2)
    assert points.gps_time.tobytes() == (las.gps_time.tobytes() if timed else bytes(8 * 200))
    assert points.record["tag"].tolist() == las["tag"].tolist()
    assert points.record["height above"].tobytes() == las["height above"].tobytes()


def test_real_clouds(shared: Path) -> None:
    for path in sorted((shared / "data" / "geospatial").glob("*/*.laz")):
        source = CutSource(Lidar(), Source("cloud", str(path), {}), MemoryAccess(path.parent))
        pieces = source.pieces({"size": 20_000})
        found = b"".join(
            chunk.record.tobytes() for piece in pieces for chunk in cast(LidarPoints, source.open(piece)).chunks()
        )
        assert found == laspy.read(path, laz_backend=laspy.LazBackend.Lazrs).points.array.tobytes()


def test_headers_are_rows_of_the_table(shared: Path) -> None:
    folder = shared / "data" / "geospatial" / "bcts-strip"
    source = CutSource(Lidar(), Source("cloud", f"{folder}/*.laz", {}), MemoryAccess(folder))
    table = cast(Any, source.partitioner.table(source.groups))
    assert [row["points"] for row in table] == [58_416, 182_407, 235_799, 59_380]
    for row, piece in zip(table, source.pieces({}), strict=True):
        header = PointHeader.from_json(row)
        assert cast(LidarPoints, source.open(piece)).header == header
        assert (header.scale, header.offset, header.version) == (("0.01",) * 3, ("0.0",) * 3, "1.2")
        assert "BC Albers" in header.crs
        assert '"EPSG","3005"' in header.crs


def test_neighbours_are_fetched_together_and_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "x.laz"
    path.write_bytes(as_laz(some_points(4_000, 6), chunk=100))
    source = cut(path, part_bytes=1 << 20)
    pieces = source.pieces({"size": 1_000})
    for piece in pieces:
        before = len(source.data.reads)
        records(source.open(piece))
        (read,) = [read for read in source.data.reads[before:] if read[0] == str(path)]
        assert (read[2] or 0) - read[1] == piece.bytes
    assert sum(piece.bytes for piece in pieces) == source.layouts[0].bytes < path.stat().st_size


def test_an_index_reads_the_file_once(tmp_path: Path) -> None:
    path = tmp_path / "x.laz"
    path.write_bytes(as_laz(some_points(50_000, 6), chunk=5_000))
    source = cut(path, part_bytes=1 << 30)
    read = sum((stop or 0) - start for uri, start, stop in source.data.reads if uri == str(path))
    assert read < path.stat().st_size + 3 * 64 * 1024
    assert len(source.data.reads) <= 6


def test_a_file_that_changes_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "x.laz"
    path.write_bytes(as_laz(some_points(100, 1)))
    source = cut(path, part_bytes=1 << 20)
    (piece,) = source.pieces({})
    path.write_bytes(as_laz(some_points(99, 1)))
    with pytest.raises(ChangedInput):
        records(source.open(piece))
    with pytest.raises(ChangedInput):
        source.partitioner.index(source.parts[0][0], source.data)


def damaged(las: bytes, at: int, form: str, *values: int) -> bytes:
    """Return a file with other numbers in it."""
    changed = bytearray(las)
    struct.pack_into(form, changed, at, *values)
    return bytes(changed)


def count_points(path: Path) -> int:
    """Cut a file, read all its pieces, and count what they hand out."""
    source = cut(path)
    readers = [cast(LidarPoints, source.open(piece)) for piece in source.pieces({"size": 100})]
    return sum(len(points.x) for reader in readers for points in reader.chunks())


LAS = some_points(300, 1, version="1.2")
LAZ = as_laz(LAS, chunk=100)
BAD_FILES = {
    "something else": (b"PK\x03\x04" + bytes(500), BadInput, "LAS"),
    "nothing": (b"", BadInput, ""),
    "ends in its head": (LAS[:150], TruncatedInput, "head"),
    "LAS that ends in its points": (LAS[:-100], TruncatedInput, ""),
    "LAZ that ends in its points": (LAZ[:-200], BadInput, ""),
    "LAZ without its table": (
        LAZ[: struct.unpack_from("<q", LAZ, struct.unpack_from("<I", LAZ, 96)[0])[0]],
        BadInput,
        "",
    ),
    "more points in the header": (damaged(LAZ, 107, "<I", 100_000), BadInput, "counts 100000 points"),
    "fewer points in the header": (damaged(LAZ, 107, "<I", 5), BadInput, "counts 5 points"),
    "a table beyond the end": (damaged(LAZ, struct.unpack_from("<I", LAZ, 96)[0], "<q", 10**9), BadInput, ""),
    "an unknown point format": (damaged(LAS, 104, "<B", 77), BadInput, ""),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_are_told(tmp_path: Path, case: str) -> None:
    data, kind, what = BAD_FILES[case]
    path = tmp_path / ("a.laz" if data[104:105] == LAZ[104:105] else "a.las")
    path.write_bytes(data)
    with pytest.raises(kind) as caught:
        count_points(path)
    error = caught.value
    assert what in error.what
    assert error.hint
    assert error.where["file"] == str(path)


def test_a_damaged_chunk_never_passes_for_another_number_of_points(tmp_path: Path) -> None:
    start = struct.unpack_from("<I", LAZ, 96)[0] + 8
    for place in range(start + 40, start + 60, 7):
        path = tmp_path / "a.laz"
        path.write_bytes(damaged(LAZ, place, "<B", LAZ[place] ^ 0xFF))
        try:
            found = count_points(path)
        except BadInput:
            continue
        assert found == 300


def test_a_sheet_names_the_files_of_a_cloud(tmp_path: Path) -> None:
    (tmp_path / "tiles").mkdir()
    for seed, name in enumerate(("b,c.las", "a.las")):
        (tmp_path / "tiles" / name).write_bytes(some_points(20 + seed, 6, seed=seed))
    sheet = tmp_path / "cloud.csv"
    sheet.write_text(f'flight,file\n1,"tiles/b,c.las"\n2,{tmp_path}/tiles/a.las\n')
    source = cut(sheet)
    assert [dict(group.key) for group in source.groups] == [
        {"file": "b,c.las", "ordinal": 0},
        {"file": "a.las", "ordinal": 1},
    ]
    assert [layout.records for layout in source.layouts] == [20, 21]


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("", 1, "names no file"),
        ("name\na.las\n", 1, "no columns 'file'"),
        ("file\tflight\n\t1\n", 2, "a row of the sheet of files names no file"),
        ("file\na.las\n\na.las\n", 4, "a.las' twice, first on line 2"),
    ],
)
def test_a_sheet_that_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, line: int, told: str) -> None:
    (tmp_path / "cloud.tsv").write_text(text)
    with pytest.raises(BadInput, match=told) as caught:
        cut(tmp_path / "cloud.tsv")
    assert caught.value.where["line"] == line


def test_files_of_a_sheet_that_are_missing_are_counted(tmp_path: Path) -> None:
    (tmp_path / "cloud.csv").write_text("file\na.las\nb.las\n")
    with pytest.raises(MissingInput, match="1 more of its files is missing"):
        cut(tmp_path / "cloud.csv")


def test_a_foot_is_the_same_with_however_many_digits() -> None:
    told = 'COMPD_CS["x",PROJCS["p"],VERT_CS["v",VERT_DATUM["d",2005],UNIT["US survey foot",{}]]]'
    units = {height_unit(told.format(text)) for text in ("0.304800609601219", "0.3048006096012192")}
    assert units == {"0.3048006096012192"}
    assert height_unit(told.format("0.3048")) == "0.3048"
