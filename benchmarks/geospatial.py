"""The geospatial pipeline against the same products without tiles, in one process by kept libraries, in one run.

The cloud is the generated survey (400 x 300 m, about half a million points) laid side by side until it has --points
points; the bands are a seeded scene of --pixels x --pixels pixels in two files, with polygons over it. The peer is
geospatial_peer.py; ours is ``flowbutton run geospatial`` from an empty store with two workers. Rounds alternate,
medians are compared, and so are the answers: of the terrain and what is made of it one cell of a thousand may differ,
where points on one circle have several triangulations. Of ours the peak memory and the CPU of each stage's tasks are
told from the run's trace. Needs what the tests need, and numba.

    python benchmarks/geospatial.py [--points 10000000] [--pixels 16384] [--rounds 3] [--folder /dev/shm]

0 points or 0 pixels leave that half out.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import shutil
import statistics
import struct
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from metabolomics import Cost, measured
from rasterio.transform import from_origin

from flowbutton.samples.geospatial_points import HEIGHT, POINT_FILES, WIDTH, WKT, write_geospatial_points
from flowbutton.samples.laz_files import POINT, CloudLayout, write_laz

PEER = Path(__file__).resolve().parent / "geospatial_peer.py"
RADIUS = "5"
PRODUCTS = ("dtm", "dsm", "chm", "zmin", "count", "hillshade", "slope")
LIMITS = {"dtm": 1e-4, "chm": 1e-4, "hillshade": 1.0, "slope": 1e-2}
"""How far a cell of both answers may be apart; the others are equal."""
WEST, SOUTH = 500_000.0, 5_400_000.0
MIB = 1 << 20


def write_cloud(folder: Path, points: int) -> list[Path]:
    """Write copies of the survey, side by side, until they have so many points; return the files."""
    import laspy

    write_geospatial_points(folder)
    found = [laspy.read(folder / name).points.array.view(POINT) for name in POINT_FILES]
    survey = np.concatenate(found)
    survey = survey[np.argsort(survey["gps_time"], kind="stable")]
    for path in folder.iterdir():
        path.unlink()
    copies = max(round(points / len(survey)), 1)
    across = math.ceil(math.sqrt(copies * HEIGHT / WIDTH))
    first = write_laz(folder / "0.laz", survey, CloudLayout(wkt=WKT, offset=(WEST, SOUTH, 0.0))).read_bytes()
    bounds = struct.unpack_from("<4d", first, 179)
    paths = [folder / f"{number}.laz" for number in range(copies)]
    for number, path in enumerate(paths):
        east, north = WIDTH * (number % across), HEIGHT * (number // across)
        moved = bytearray(first)
        moved_bounds = [bound + by for bound, by in zip(bounds, (east, east, north, north), strict=True)]
        struct.pack_into("<2d", moved, 155, WEST + east, SOUTH + north)
        struct.pack_into("<4d", moved, 179, *moved_bounds)
        path.write_bytes(moved)
    return paths


def write_bands(folder: Path, pixels: int) -> tuple[Path, Path, Path]:
    """Write red, near infrared and zones: waves and noise, uint16, blocks of 512, a corner without values."""
    profile = {"driver": "GTiff", "dtype": "uint16", "count": 1, "height": pixels, "width": pixels, "nodata": 0}
    profile |= {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "predictor": 2}
    profile |= {"crs": "EPSG:32633", "transform": from_origin(WEST, SOUTH, 10, 10), "zlevel": 1}
    paths = folder / "red.tif", folder / "nir.tif"
    for number, path in enumerate(paths):
        random = np.random.default_rng(number)
        with rasterio.open(path, "w", **profile) as file:
            for top in range(0, pixels, 512):
                row, column = np.mgrid[top : min(top + 512, pixels), 0:pixels].astype(np.float32)
                values = 1500 + 900 * np.sin(row / (90 + 40 * number)) * np.cos(column / 130)
                values += random.integers(0, 60, values.shape)
                values[(row < 300) & (column < 300)] = 0
                file.write(values.astype(np.uint16), 1, window=((top, top + len(values)), (0, pixels)))
    zones = folder / "zones.geojson"
    zones.write_text(json.dumps(stars(pixels)))
    return *paths, zones


def stars(pixels: int) -> Mapping[str, Any]:
    """Return 64 stars of ten corners, about a sixteenth of the scene wide."""
    random = np.random.default_rng(7)
    shapes: list[Mapping[str, Any]] = []
    angles = np.linspace(0, 2 * np.pi, 11)
    for number in range(64):
        middle, size = random.uniform(0.1, 0.9, 2) * pixels * 10, pixels * 10 / 32
        radius = np.where(np.arange(11) % 2, size / 2, size)
        x, y = WEST + middle[0] + radius * np.cos(angles), SOUTH - middle[1] + radius * np.sin(angles)
        corners = np.column_stack((x, y)).round(3)
        corners[-1] = corners[0]
        geometry = {"type": "Polygon", "coordinates": [corners.tolist()]}
        shapes.append({"type": "Feature", "properties": {"zone": f"z{number}"}, "geometry": geometry})
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
    return {"type": "FeatureCollection", "crs": crs, "features": shapes}


def peer(folder: Path, what: str, *arguments: str) -> Cost:
    """Run the peer; its compiled code is kept between rounds."""
    (folder / "peer").mkdir()
    command = [sys.executable, str(PEER), what, str(folder / "peer"), *arguments]
    return measured(command, folder, NUMBA_CACHE_DIR=str(folder.parent / "numba"))


def ours(folder: Path, **params: object) -> Cost:
    """Run the pipeline over the store in ``folder``."""
    command = [sys.executable, "-m", "flowbutton", "run", "geospatial", "-q", "--workers", "2"]
    command += ["--store", str(folder / "store"), "--results", str(folder / "ours")]
    for name, value in params.items():
        command += ["-p", f"{name}={value}"]
    return measured(command, folder)


def stages(folder: Path) -> dict[str, dict[str, float]]:
    """Return of each stage of the last run: tasks, CPU seconds, the largest task's peak memory in MiB."""
    found: dict[str, dict[str, float]] = {}
    with (folder / "store" / "runs" / "latest" / "trace.tsv").open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            one = found.setdefault(row["stage"], {"tasks": 0, "cpu": 0.0, "mib": 0.0})
            one["tasks"] += 1
            one["cpu"] += float(row["cpu_s"] or 0)
            one["mib"] = max(one["mib"], float(row["peak_rss_bytes"] or 0) / MIB)
    return found


def raster_difference(one: Path, other: Path) -> str:
    """Return how two rasters differ: by their grid, where they have values, the worst value."""
    with rasterio.open(one) as ours, rasterio.open(other) as theirs:
        if (ours.shape, ours.count, ours.transform) != (theirs.shape, theirs.count, theirs.transform):
            return f"{ours.shape} and {theirs.shape}"
        limit = LIMITS.get(one.stem, 0.0)
        unlike, worst = 0, 0.0
        for top in range(0, ours.height, 1024):
            window = (top, min(top + 1024, ours.height)), (0, ours.width)
            a, b = ours.read(window=window).astype(np.float64), theirs.read(window=window).astype(np.float64)
            empty = np.isnan(a), np.isnan(b)
            apart = np.where(empty[0] | empty[1], 0.0, np.abs(a - b))
            unlike += int(((empty[0] != empty[1]) | (apart > limit)).sum())
            worst = max(worst, float(apart.max()))
        most = ours.width * ours.height // 1000 if limit else 0
        return f"{unlike} cells, {worst:.2g}" if unlike > most else ""


def zone_difference(one: Path, other: Path) -> str:
    """Return the largest relative difference of two tables of zones."""
    tables = []
    for path in (one, other):
        with path.open() as file:
            tables.append({row["zone"]: row for row in csv.DictReader(file)})
    names = ("count", "sum", "mean", "min", "max")
    if tables[0].keys() != tables[1].keys():
        return "other zones"
    pairs = [(float(tables[0][key][name]), float(tables[1][key][name])) for key in tables[0] for name in names]
    worst = max(abs(a - b) / max(abs(a), abs(b), 1e-9) for a, b in pairs)
    return f"zones by {worst:.2g}" if worst > 1e-6 else ""


def differences(work: Path, what: str) -> str:
    """Return how the answers of both differ."""
    if what == "raster":
        pair = [work / who / "ndvi.tif" for who in ("ours", "peer")]
        found = [raster_difference(*pair), zone_difference(work / "ours" / "zones.csv", work / "peer" / "zones.csv")]
        return "; ".join(filter(None, found))
    told = {name: raster_difference(work / "ours" / f"{name}.tif", work / "peer" / f"{name}.tif") for name in PRODUCTS}
    return "; ".join(f"{name}: {difference}" for name, difference in told.items() if difference)


def one_round(root: Path, what: str, theirs: Sequence[str], params: Mapping[str, object]) -> dict[str, Any]:
    """Run both, and compare."""
    work = root / "work"
    work.mkdir()
    told: dict[str, Any] = {"peer": peer(work, what, *theirs), "ours": ours(work, **params)}
    told["stages"], told["difference"] = stages(work), differences(work, what)
    shutil.rmtree(work)
    return told


def report(what: str, rounds: Sequence[dict[str, Any]]) -> None:
    """Print medians, the medians of the rounds' ratios, and the stages of the last round."""

    def median(who: str, value: str) -> float:
        return statistics.median(getattr(one[who], value) for one in rounds)

    def ratio(who: str, value: str) -> float:
        return statistics.median(getattr(one[who], value) / getattr(one["peer"], value) for one in rounds)

    print(f"\n{what}\n| | wall s | CPU s | largest process MiB | wall, ratio | CPU, ratio |\n|---|---|---|---|---|---|")
    for who in ("peer", "ours"):
        costs = " | ".join(f"{median(who, value):.1f}" for value in ("wall", "cpu", "mib"))
        print(f"| {who} | {costs} | {ratio(who, 'wall'):.2f} | {ratio(who, 'cpu'):.2f} |")
    print("answers:", {one["difference"] or "equal" for one in rounds})
    for name, one in sorted(rounds[-1]["stages"].items(), key=lambda row: -row[1]["cpu"]):
        print(f"{name:20}{one['tasks']:6.0f} tasks{one['cpu']:8.2f} s CPU{one['mib']:8.0f} MiB")


def main() -> None:
    """Make the data, run both in turn, print tables and JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=10_000_000)
    parser.add_argument("--pixels", type=int, default=16_384)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    told: dict[str, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        data = Path(name) / "data"
        data.mkdir()
        if options.points:
            files = [str(path) for path in write_cloud(data, options.points)]
            params: dict[str, object] = {"points": f"{data}/*.laz", "max_radius": RADIUS}
            one_round(Path(name), "points", [RADIUS, files[0]], params | {"points": files[0]})  # compiles the peer
            arguments = [RADIUS, *files]
            told["points"] = [one_round(Path(name), "points", arguments, params) for _ in range(options.rounds)]
            report("points", told["points"])
        if options.pixels:
            red, nir, zones = write_bands(data, options.pixels)
            params = {"red": red, "nir": nir, "zones": zones, "zone_rule": "fraction"}
            arguments = [str(red), str(nir), str(zones)]
            told["raster"] = [one_round(Path(name), "raster", arguments, params) for _ in range(options.rounds)]
            report("raster", told["raster"])
    if options.json:
        plain = {
            what: [
                {key: asdict(value) if isinstance(value, Cost) else value for key, value in one.items()}
                for one in rounds
            ]
            for what, rounds in told.items()
        }
        options.json.write_text(json.dumps(plain, indent=2) + "\n")


if __name__ == "__main__":
    main()
