"""The metabolomics pipeline against METASPACE's own compute libraries driven in one process, in one run.

The peer reads the imzML with pyimzML, computes isotope peaks with cpyMSpec 0.3.5 and the chaos with cpyImagingMSpec,
the rest with numpy (tests/tools/metabolomics_reference.py).
Ours is ``flowbutton run metabolomics`` from a fresh store with two workers; then the same over the data shifted by a
pixel, which is the next dataset with the same database. The data are those of --data (an imzML with formulas.csv beside
it), tiled --tiles x --tiles times. Rounds alternate; medians are compared, and so are both answers.

The peer's wheels are of 2017 and for Linux on x86-64. They are needed here only, in a folder of their own:

    python -m pip install --no-deps --target peer cpyMSpec_0_3_5 cpyImagingMSpec cffi pycparser
    python benchmarks/metabolomics.py --peer peer --data ../shared/data/metabolomics/sim24 [--tiles 5] [--rounds 3]
"""

from __future__ import annotations

import argparse
import compileall
import csv
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import flowbutton
from flowbutton.samples.imzml_files import PixelSpectrum, write_imzml

TOOLS = Path(__file__).resolve().parent.parent / "tests" / "tools"
SETTINGS = {"adducts": "+H,+Na,+K", "charge": 1, "isocalc_sigma": 0.001238}
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""An installed package is compiled; one that is not would be compiled again by each process."""
COLUMNS = {"mz": 1e-9, "chaos": 1e-9, "spatial": 1e-9, "spectral": 1e-7, "msm": 1e-7, "fdr": 0.0}
"""How far both answers may be apart; that of the spectral metric is what float32 sums leave open."""


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock, seconds of CPU of all processes, the largest process in MiB."""

    wall: float
    cpu: float
    mib: float


_STARTED = """
import json, os, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
print(json.dumps([os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss]))
"""


def measured(command: Sequence[str], folder: Path, **environment: str) -> Cost:
    """Run a command and return what it cost; its children count too.

    A small process starts it: its peak memory would begin with that of this process, which has made the data.
    """
    start = time.monotonic()
    started = [sys.executable, "-c", _STARTED, *command]
    done = subprocess.run(started, cwd=folder, env=ENVIRONMENT | environment, stdout=subprocess.PIPE, check=True)
    code, cpu_s, peak_kib = json.loads(done.stdout)
    if code:
        raise subprocess.CalledProcessError(code, command)
    return Cost(time.monotonic() - start, cpu_s, peak_kib / 1024)


def spectra_of(imzml: Path) -> Iterator[tuple[int, int, Any, Any]]:
    """Yield pixel, m/z and intensities of each spectrum."""
    from pyimzml.ImzMLParser import ImzMLParser

    with ImzMLParser(str(imzml), parse_lib="ElementTree") as parser:
        for number, (x, y, _) in enumerate(parser.coordinates):
            yield x, y, *parser.getspectrum(number)


def write_tiled(data: Path, path: Path, tiles: int, *, shift: int) -> None:
    """Write the dataset ``tiles`` times in each direction, ``shift`` pixels to the right."""
    (imzml,) = data.glob("*.imzML")
    spectra = [*spectra_of(imzml)]
    width, height = (max(one[axis] for one in spectra) for axis in (0, 1))
    write_imzml(
        path,
        (
            PixelSpectrum(x + width * column + shift, y + height * row, mz, intensity)
            for row in range(tiles)
            for column in range(tiles)
            for x, y, mz, intensity in spectra
        ),
    )


def peer(imzml: Path, formulas: Path, answer: Path) -> None:
    """Annotate as the peer does; write the annotations."""
    import cpyImagingMSpec  # type: ignore[import-not-found, unused-ignore]
    import cpyMSpec_0_3_5 as cpy  # type: ignore[import-not-found, unused-ignore]
    from metabolomics_reference import Image, Peaks, Settings, annotate  # type: ignore[import-not-found, unused-ignore]

    def peaks_of(ion: str, asked: Settings) -> Peaks:
        pattern = cpy.isotopePattern(ion)
        pattern.addCharge(asked.charge)
        power = pattern.masses[0] / (asked.sigma * 2.3548200450309493)
        found = pattern.centroids(cpy.InstrumentModel("tof", power))
        mz, height = np.array(found.masses), 100.0 * np.array(found.intensities)
        best = np.sort(np.argsort(-height, kind="stable")[:4])
        best = best[np.argsort(mz[best])]
        room = (0, 4 - len(best))
        return np.pad(mz[best], room), np.pad(height[best], room).astype(np.float32)

    def chaos_of(image: Image, levels: int) -> float:
        found = float(cpyImagingMSpec.measure_of_chaos(image, levels))
        return 0.0 if np.isclose(found, 1.0) else found

    with formulas.open() as file:
        named = [row["formula"] for row in csv.DictReader(file)]
    settings = Settings(tuple(str(SETTINGS["adducts"]).split(",")))
    found = annotate(spectra_of(imzml), named, settings, peaks_of=peaks_of, chaos_of=chaos_of)
    with answer.open("w") as file:
        rows = csv.writer(file)
        rows.writerow(["formula", "adduct", *COLUMNS])
        rows.writerows([*pair, *asdict(row).values()] for pair, row in found.items())


def ours(folder: Path, imzml: Path, formulas: Path) -> Cost:
    """Run the pipeline over the store in ``folder``."""
    command = [sys.executable, "-m", "flowbutton", "run", "metabolomics", "-q", "--workers", "2"]
    command += ["--store", str(folder / "store"), "--results", str(folder / "results")]
    for name, value in {**SETTINGS, "dataset": imzml, "databases": formulas}.items():
        command += ["-p", f"{name}={value}"]
    return measured(command, folder)


def isotopes(folder: Path) -> dict[str, float]:
    """Return what the trace of the last run tells of the stage of isotope peaks: tasks, those reused, CPU seconds."""
    (trace,) = (folder / "store" / "runs" / "latest").glob("trace.tsv")
    with trace.open() as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["stage"] == "isotopes"]
    ran = [row for row in rows if row["cpu_s"]]
    return {
        "tasks": len(rows),
        "reused": sum(row["status"] == "reused" for row in rows),
        "cpu_s": sum(float(row["cpu_s"]) for row in ran),
    }


def apart(one: Path, other: Path) -> str:
    """Return how two tables of annotations differ; nothing where they are equal within the limits."""
    tables = []
    for path in (one, other):
        with path.open() as file:
            tables.append({(row["formula"], row["adduct"]): row for row in csv.DictReader(file)})
    if tables[0].keys() != tables[1].keys():
        return f"{len(tables[0])} and {len(tables[1])} annotations"
    for name, limit in COLUMNS.items():
        worst = max(abs(float(tables[0][key][name]) - float(tables[1][key][name])) for key in tables[0])
        if worst > limit * (1000 if name == "mz" else 1):
            return f"{name} by {worst:.2g}"
    return ""


def main() -> None:
    """Tile the data, run both in turn, print a table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--peer", type=Path, required=True, help="folder with the peer's wheels")
    parser.add_argument("--tiles", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--as-peer", nargs=3, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.as_peer:
        sys.path[:0] = [str(options.peer.resolve()), str(TOOLS)]
        peer(*options.as_peer)
        return
    compileall.compile_dir(Path(flowbutton.__file__).parent, quiet=1)
    formulas = (options.data / "formulas.csv").resolve()
    rounds: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        datasets = [root / "tiled.imzML", root / "next.imzML"]
        for shift, path in enumerate(datasets):
            write_tiled(options.data, path, options.tiles, shift=shift)
        for _ in range(options.rounds):
            work = root / "work"
            work.mkdir()
            command = [sys.executable, __file__, "--data", str(options.data), "--peer", str(options.peer.resolve())]
            command += ["--as-peer", str(datasets[0]), str(formulas), str(work / "peer.csv")]
            told: dict[str, Any] = {"peer": measured(command, Path.cwd())}
            told["ours"] = ours(work, datasets[0], formulas)
            told["isotopes"] = isotopes(work)
            told["difference"] = apart(work / "peer.csv", work / "results" / "annotations.csv")
            told["next"] = ours(work, datasets[1], formulas)
            told["isotopes_next"] = isotopes(work)
            rounds.append(told)
            shutil.rmtree(work)
    report(rounds, options.json)


def report(rounds: Sequence[dict[str, Any]], path: Path | None) -> None:
    """Print medians, and the medians of the rounds' ratios."""

    def median(who: str, what: str) -> float:
        return statistics.median(getattr(one[who], what) for one in rounds)

    def ratio(who: str, what: str) -> float:
        return statistics.median(getattr(one[who], what) / getattr(one["peer"], what) for one in rounds)

    print("| | wall s | CPU s | largest process MiB | wall, ratio | CPU, ratio |\n|---|---|---|---|---|---|")
    for who in ("peer", "ours", "next"):
        costs = " | ".join(f"{median(who, what):.1f}" for what in ("wall", "cpu", "mib"))
        print(f"| {who} | {costs} | {ratio(who, 'wall'):.2f} | {ratio(who, 'cpu'):.2f} |")
    print(f"isotope peaks: {rounds[-1]['isotopes']}; for the next dataset: {rounds[-1]['isotopes_next']}")
    print("answers:", {one["difference"] or "equal" for one in rounds})
    if path:
        told = [
            {key: asdict(value) if isinstance(value, Cost) else value for key, value in one.items()} for one in rounds
        ]
        path.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
