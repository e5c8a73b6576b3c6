"""How much memory the metabolomics pipeline takes for a dataset far larger than it: driver, and each task.

A dataset of about --gib GiB of random peaks, many about known ions, is written, annotated by two workers, removed.
What is told is the peak memory of the driver and the largest of any task of each stage, from the run's own trace; the
run fails the benchmark when one is above 1 GiB.

    python benchmarks/metabolomics_memory.py [--gib 2] [--folder /tmp]
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from flowbutton.samples.imzml_files import PixelSpectrum, write_imzml
from flowbutton.samples.metabolomics_ions import IONS, MOLECULES

PEAKS, PEAK_BYTES = 4000, 12
LIMIT = 1 << 30


def spectra(count: int) -> Iterator[PixelSpectrum]:
    """Yield spectra of 4,000 peaks: a third about the known ions, so that their bins are dense, the rest anywhere."""
    known = np.array([at for _, _, mz, _ in IONS for at in mz if at > 0])
    side = int(np.ceil(np.sqrt(count)))
    for number in range(count):
        random = np.random.default_rng(number)
        about = random.choice(known, PEAKS // 3) * (1 + random.normal(0, 3e-6, PEAKS // 3))
        mz = np.sort(np.concatenate((about, random.uniform(80, 1000, PEAKS - len(about)))))
        yield PixelSpectrum(number % side + 1, number // side + 1, mz, random.gamma(1.0, 100.0, PEAKS))


def largest(trace: Path) -> dict[str, int]:
    """Return the peak memory of the largest task of each stage, in bytes."""
    found: dict[str, int] = {}
    with trace.open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            found[row["stage"]] = max(found.get(row["stage"], 0), int(row["peak_rss_bytes"] or 0))
    return found


def annotate(folder: Path, gib: float) -> tuple[int, int, dict[str, int]]:
    """Write the dataset and run over it; return its bytes, the driver's peak memory, and that of each stage's tasks."""
    imzml = write_imzml(folder / "large.imzML", spectra(int(gib * 2**30 / PEAKS / PEAK_BYTES) + 1))
    (folder / "db.csv").write_text("formula\n" + "".join(f"{formula}\n" for _, formula in MOLECULES))
    command = [sys.executable, "-m", "flowbutton", "run", "metabolomics", "-q", "--workers", "2"]
    command += ["--store", str(folder / "store"), "--results", str(folder / "results")]
    command += ["-p", f"dataset={imzml}", "-p", f"databases={folder / 'db.csv'}"]
    child = subprocess.Popen(command, cwd=folder)
    peak, path = 0, Path(f"/proc/{child.pid}/status")
    while child.poll() is None:
        peak = max(peak, _high_water(path))
        try:
            child.wait(0.2)
        except subprocess.TimeoutExpired:
            continue
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    size = imzml.stat().st_size + imzml.with_suffix(".ibd").stat().st_size
    return size, peak, largest(folder / "store" / "runs" / "latest" / "trace.tsv")


def _high_water(status: Path) -> int:
    try:
        lines = status.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM")), 0)


def main() -> None:
    """Run, print a table; exit with 1 when more than 1 GiB was taken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=2.0)
    parser.add_argument("--folder", type=Path, default=Path(os.environ.get("TMPDIR", "/tmp")))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        size, driver, stages = annotate(Path(name), options.gib)
    print(f"dataset: {size / 2**30:.2f} GiB; peak memory in MiB")
    for stage, peak in {"driver": driver, **dict(sorted(stages.items(), key=lambda row: -row[1]))}.items():
        print(f"{stage:24}{peak / 2**20:8.0f}")
    sys.exit(max(driver, *stages.values()) > LIMIT)


if __name__ == "__main__":
    main()
