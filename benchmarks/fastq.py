"""How long it takes to cut and read FASTQ, as a ratio to what no reader can do without.

For gzip that is one pass of isal over the file; for BGZF the same pass; for plain text reading the file and copying it
in memory. "One" is everything in one process; "two" gives parts and pieces to two processes, as on two cores. The floor
is measured anew in each round, beside what it is compared with, and the ratios are medians over rounds: other work on
the machine then slows both alike. "CPU" is the time of the processor, in all processes, over that of the floor.

Run: ``python benchmarks/fastq.py [--records 230000] [--rounds 15] [--json FILE]``. Prints a table, writes JSON.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from isal import igzip_lib

from flowbutton.model.canonical import digest_bytes
from flowbutton.model.pieces import IndexPart, ObjectInfo, Piece, Source
from flowbutton.partitioners.fastq import Fastq
from flowbutton.testing.packing import bgzip


class FolderAccess:
    """Reads local files by range, keeps derived text as files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def head(self, uri: str) -> ObjectInfo:
        """Return size and identity."""
        stat = self._path(uri).stat()
        return ObjectInfo(uri, stat.st_size, f"{stat.st_size}-{stat.st_mtime_ns}")

    def glob(self, pattern: str) -> list[str]:
        """Return the paths that match."""
        return sorted(map(str, self.folder.glob(pattern)))

    def read(self, uri: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes of a file."""
        with self._path(uri).open("rb", buffering=0) as file:
            file.seek(start)
            return file.read(-1 if stop is None else stop - start)

    def keep(self, data: bytes) -> str:
        """Keep bytes under their digest."""
        uri = f"object:{digest_bytes(data)}"
        self._path(uri).write_bytes(data)
        return uri

    def fetch(self, uri: str) -> Path:
        """Return the file."""
        return self._path(uri)

    def _path(self, uri: str) -> Path:
        return self.folder / uri.removeprefix("object:") if uri.startswith("object:") else Path(uri)


def make_text(records: int) -> bytes:
    """Return reads of 151 bases with names and qualities as a sequencer writes them."""
    rng = random.Random(1)
    genome = "".join(rng.choices("ACGT", k=100_000))
    grades = "".join(rng.choices("FFFFFFFFFF:,#", k=100_000))
    lines = []
    for number in range(records):
        start, grade = rng.randrange(99_800), rng.randrange(99_800)
        name = f"@A00:1:H:1:{1101 + number // 5000}:{rng.randrange(30_000)}:{rng.randrange(30_000)} 1:N:0:ACGT"
        lines.append(f"{name}\n{genome[start : start + 151]}\n+\n{grades[grade : grade + 151]}\n")
    return "".join(lines).encode()


def seconds(action: Callable[[], object]) -> tuple[float, float]:
    """Return how long an action takes on the clock and on the processor."""
    start, worked = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - start, time.process_time() - worked


def inflate(path: Path) -> None:
    """One pass of isal over a file, member by member."""
    data = path.read_bytes()
    while data:
        stream = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        stream.decompress(data, 1 << 20)
        while not stream.eof:
            stream.decompress(b"", 1 << 20)
        data = stream.unused_data


def inflate_blocks(path: Path) -> None:
    """One pass of isal over a BGZF file, block by block."""
    data, at = path.read_bytes(), 0
    while at < len(data):
        size = int.from_bytes(data[at + 16 : at + 18], "little") + 1
        igzip_lib.decompress(data[at : at + size], flag=igzip_lib.DECOMP_GZIP)
        at += size


def copy(path: Path) -> None:
    """Read a file by steps and copy each step once."""
    with path.open("rb", buffering=0) as file:
        while step := file.read(1 << 20):
            bytearray(step)


def index_part(access: FolderAccess, part: IndexPart) -> tuple[bytes, float]:
    """Index one part; return the index and the processor's seconds."""
    start = time.process_time()
    return Fastq().index(part, access), time.process_time() - start


def read_piece(access: FolderAccess, piece: Piece) -> tuple[int, float]:
    """Read one piece; return the bytes of its text and the processor's seconds."""
    start = time.process_time()
    return sum(map(len, Fastq().open(piece, access).text())), time.process_time() - start


def run(access: FolderAccess, path: Path, each: Callable[..., Iterable[Any]], length: int) -> dict[str, float]:
    """Index, cut and read a file of ``length`` bytes of text, with the sizes that a run uses; return seconds."""
    fastq = Fastq()
    start = time.perf_counter()
    (group,) = fastq.probe(Source("reads", str(path), {}), access)
    indexes = list(each(partial(index_part, access), fastq.index_parts(group)))
    layout = fastq.layout(group, [index for index, _ in indexes])
    pieces = fastq.cut(layout, size=path.stat().st_size // 4 + 1)
    middle = time.perf_counter()
    read = list(each(partial(read_piece, access), pieces))
    end = time.perf_counter()
    assert sum(size for size, _ in read) == length
    cpu_s = sum(worked for _, worked in (*indexes, *read))
    return {"index_s": middle - start, "read_s": end - middle, "total_s": end - start, "cpu_s": cpu_s}


def measure(folder: Path, records: int, rounds: int) -> list[dict[str, Any]]:
    """Return a row per coding and number of processes: medians over rounds."""
    text = make_text(records)
    files = {"plain": text, "gzip": gzip.compress(text, 6), "bgzf": bgzip(text)}
    floors = {"plain": copy, "gzip": inflate, "bgzf": inflate_blocks}
    access = FolderAccess(folder)
    rows = []
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(abs, range(4)))
        for coding, data in files.items():
            path = folder / f"reads.{coding}"
            path.write_bytes(data)
            for name, each in (("one", map), ("two", pool.map)):
                found: list[dict[str, float]] = []
                for _ in range(rounds):
                    floor_s, floor_cpu_s = seconds(partial(floors[coding], path))
                    times = run(access, path, each, len(text))
                    ratios = {"ratio": times["total_s"] / floor_s, "cpu_ratio": times["cpu_s"] / floor_cpu_s}
                    found.append({"floor_s": floor_s, **times, **ratios})
                medians = {key: median(row[key] for row in found) for key in found[0]}
                least = min(row["ratio"] for row in found)
                rows.append({"coding": coding, "processes": name, "text_mb": len(text) / 1e6, **medians, "best": least})
    return rows


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=230_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), options.records, options.rounds)
    print("| coding | processes | text MB | floor s | index s | read s | ratio | best round | CPU ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['coding']} | {row['processes']} | {row['text_mb']:.0f} | {row['floor_s']:.3f} "
            f"| {row['index_s']:.3f} | {row['read_s']:.3f} | {row['ratio']:.2f} | {row['best']:.2f} "
            f"| {row['cpu_ratio']:.2f} |"
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
