"""Features of vector files; shapely and what was written are the oracle."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pyogrio
import pytest
import shapely

from flowbutton.model.errors import BadInput, MissingInput
from flowbutton.model.partitioner import Reader
from flowbutton.model.pieces import Source
from flowbutton.partitioners.vector import Vector, VectorFeatures
from flowbutton.testing.partitioners import CutSource, MemoryAccess, PartitionerContract

DRIVERS = {".gpkg": "GPKG", ".geojson": "GeoJSON", ".shp": "ESRI Shapefile", ".fgb": "FlatGeobuf"}
SHAPES = [shapely.box(0, 0, 10, 10), shapely.box(20, 0, 30, 5), shapely.MultiPolygon([shapely.box(0, 20, 3, 23)])]


def write(path: Path, names: list[str], crs: str = "EPSG:32633") -> Path:
    import numpy as np

    fields = [np.arange(len(names)) * 10, np.array(names, object)]
    options = {"SPATIAL_INDEX": "NO"} if path.suffix == ".fgb" else {}  # an index puts features into another order
    pyogrio.raw.write(
        path,
        np.array(shapely.to_wkb(SHAPES[: len(names)]), object),
        fields,
        fields=["zone", "name"],
        driver=DRIVERS[path.suffix],
        crs=crs,
        geometry_type="MultiPolygon" if path.suffix in (".gpkg", ".fgb") else "Unknown",
        promote_to_multi=path.suffix in (".gpkg", ".fgb"),
        layer_options=options,
    )
    return path


def cut(path: Path) -> CutSource:
    return CutSource(Vector(), Source("zones", str(path), {}), MemoryAccess(path.parent))


def read(path: Path) -> VectorFeatures:
    source = cut(path)
    (piece,) = source.pieces({})
    return cast(VectorFeatures, source.open(piece))


class TestVectorContract(PartitionerContract):
    sized = False

    def partitioner(self) -> Vector:
        return Vector()

    def source(self, folder: Path, last: str = "three") -> Source:
        write(folder / "a.shp", ["one", "two", last])
        write(folder / "b.geojson", ["Zürich", last])
        return Source("zones", f"{folder}/a.shp,{folder}/b.geojson", {})

    def change(self, folder: Path) -> None:
        self.source(folder, last="other")

    def oracle(self, folder: Path) -> list[bytes]:
        found = []
        for name in ("a.shp", "b.geojson"):
            _, _, shapes, (zones, names) = pyogrio.raw.read(folder / name)
            found += [
                record(shape, zone, text) for shape, zone, text in zip(shapes, zones.tolist(), names, strict=True)
            ]
        return found

    def read(self, reader: Reader) -> list[bytes]:
        features = cast(VectorFeatures, reader).features()
        return [record(one.shape, one.attributes["zone"], one.attributes["name"]) for one in features]

    def options(self, size: int) -> Mapping[str, Any]:  # noqa: ARG002
        return {}


def record(shape: bytes | None, zone: Any, name: Any) -> bytes:
    return b"|".join([bytes(shape or b""), str(int(zone)).encode(), str(name).encode()])


@pytest.mark.parametrize("suffix", [*DRIVERS, ".zip"])
def test_every_format_gives_shapes_attributes_and_reference_system(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"zones{'.shp' if suffix == '.zip' else suffix}", ["one", "two", "three"])
    if suffix == ".zip":
        with zipfile.ZipFile(tmp_path / "zones.zip", "w") as archive:
            for part in sorted(tmp_path.glob("zones.[!z]*")):
                archive.write(part, part.name)
        path = tmp_path / "zones.zip"
    reader = read(path)
    found = list(reader.features())
    assert [one.attributes["name"] for one in found] == ["one", "two", "three"]
    assert [one.attributes["zone"] for one in found] == [0, 10, 20]
    for one, wanted in zip(found, SHAPES, strict=True):
        assert shapely.from_wkb(one.shape).equals(wanted)
    assert "32633" in reader.crs or "zone 33N" in reader.crs or "zone_33N" in reader.crs


def test_what_can_not_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "zones.geojson").write_text('{"type": "FeatureCollection", "features": [')
    with pytest.raises(BadInput, match="features can't be read") as caught:
        cut(tmp_path / "zones.geojson")
    assert "flowbutton." not in caught.value.why
    (tmp_path / "empty.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    with pytest.raises(BadInput, match="a file has no feature"):
        cut(tmp_path / "empty.geojson")
    (tmp_path / "zones.csv").write_text("a,b\n")
    with pytest.raises(BadInput, match=r"extension is '\.csv'"):
        cut(tmp_path / "zones.csv")
    write(tmp_path / "half.shp", ["one"])
    (tmp_path / "half.dbf").unlink()
    with pytest.raises(MissingInput, match=r"the \.dbf of a Shapefile is missing"):
        cut(tmp_path / "half.shp")
