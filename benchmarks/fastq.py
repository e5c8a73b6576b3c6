"""How long it takes to cut and read FASTQ, as a ratio to what no reader can do without.

For gzip that is one pass of isal over the file; for BGZF the same pass; for plain text reading the file and copying it
in memory. "One" is everything in one process; "two" gives parts and pieces to two processes, as on two cores. The floor
is measured anew in each round, beside what it is compared with, and the ratios are medians over rounds: other work on
the machine then slows both alike. "CPU" is the time of the processor, in all processes, over that of the floor. Pairs
are two files of half the reads each. A second table has the passes over the text that ours is made of, each alone: what
they cost is the bound for who makes them. Kept text lies in a store of files, and is checked as it is in a run.

The same text ten times over, in one file, shows what is left where fixed costs vanish: real files have 0.5 to 50 GB.

Run: ``python benchmarks/fastq.py [--records 230000] [--rounds 15] [--times 10] [--json FILE]``. Prints tables, writes
JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import struct
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from isal import igzip_lib

from flowbutton.executors.nursery import hold_freed_memory
from flowbutton.model.pieces import IndexPart, Piece, Source
from flowbutton.partitioners.fastq import Fastq
from flowbutton.partitioners.fastq_records import Seams, bad_records, count_newlines, line_ends
from flowbutton.stores.access import StoreAccess
from flowbutton.stores.local import LocalStore
from flowbutton.testing.packing import bgzip


def unsynced(_descriptor: int) -> None:
    """Leave it to the system when kept text reaches the disk: a disk's time is not what is measured."""


def make_text(records: int, mate: int = 1) -> bytes:
    """Return reads of 151 bases with names and qualities as a sequencer writes them."""
    rng, places = random.Random(mate), random.Random(0)
    genome = "".join(rng.choices("ACGT", k=100_000))
    grades = "".join(rng.choices("FFFFFFFFFF:,#", k=100_000))
    lines = []
    for number in range(records):
        start, grade = rng.randrange(99_800), rng.randrange(99_800)
        place = f"{1101 + number // 5000}:{places.randrange(30_000)}:{places.randrange(30_000)}"
        name = f"@A00:1:H:1:{place} {mate}:N:0:ACGT"
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


def index_part(access: StoreAccess, part: IndexPart) -> tuple[bytes, float]:
    """Index one part; return the index and the processor's seconds."""
    start = time.process_time()
    return Fastq().index(part, access), time.process_time() - start


def read_piece(access: StoreAccess, piece: Piece) -> tuple[int, float]:
    """Read one piece; return the bytes of its text and the processor's seconds."""
    start = time.process_time()
    reads = Fastq().open(piece, access)
    return sum(len(text) for file in range(reads.files) for text in reads.text(file)), time.process_time() - start


def run(access: StoreAccess, paths: list[Path], each: Callable[..., Iterable[Any]], length: int) -> dict[str, float]:
    """Index, cut and read files of ``length`` bytes of text, with the sizes that a run uses; return seconds."""
    fastq = Fastq()
    start = time.perf_counter()
    (group,) = fastq.probe(Source("reads", ",".join(map(str, paths)), {}), access)
    indexes = list(each(partial(index_part, access), fastq.index_parts(group)))
    layout = fastq.layout(group, [index for index, _ in indexes])
    pieces = fastq.cut(layout, size=sum(path.stat().st_size for path in paths) // 4 + 1)
    middle = time.perf_counter()
    read = list(each(partial(read_piece, access), pieces))
    end = time.perf_counter()
    assert sum(size for size, _ in read) == length
    cpu_s = sum(worked for _, worked in (*indexes, *read))
    return {"index_s": middle - start, "read_s": end - middle, "total_s": end - start, "cpu_s": cpu_s}


def gzip_parts(text: bytes, times: int) -> list[bytes]:
    """Return a text, ``times`` over, as one gzip member of level 4, that of bcl2fastq; it is packed once."""
    pack = zlib.compressobj(4, zlib.DEFLATED, -15)
    body = pack.compress(text) + pack.flush(zlib.Z_FULL_FLUSH)  # what follows refers to nothing before
    checksum = 0
    for _ in range(times):
        checksum = zlib.crc32(text, checksum)
    trailer = struct.pack("<II", checksum, times * len(text) % (1 << 32))
    return [b"\x1f\x8b\x08\0\0\0\0\0\0\x03", *[body] * times, pack.flush(), trailer]


PACKINGS: dict[str, Callable[[bytes, int], list[bytes]]] = {
    "plain": lambda text, times: [text] * times,
    "gzip": gzip_parts,
    "bgzf": lambda text, times: [*[bgzip(text, end=False)] * times, bgzip(b"")],
}
FLOORS: dict[str, Callable[[Path], None]] = {"plain": copy, "gzip": inflate, "bgzf": inflate_blocks}


def floor(coding: str, paths: list[Path]) -> None:
    """Do what no reader can do without."""
    for path in paths:
        FLOORS[coding](path)


def measure(folder: Path, texts: list[bytes], rounds: int, times: int = 1) -> list[dict[str, Any]]:
    """Return a row per coding and number of processes: medians over rounds, of files with a text ``times`` over."""
    length, rows = times * sum(map(len, texts)), []
    with ProcessPoolExecutor(2, initializer=hold_freed_memory) as pool:
        list(pool.map(abs, range(4)))
        for coding, pack in PACKINGS.items():
            paths = [folder / f"{coding}_{number}_of_{len(texts)}" for number in range(len(texts))]
            for path, text in zip(paths, texts, strict=True):
                with path.open("wb") as file:
                    file.writelines(pack(text, times))
            for name, each in (("one", map), ("two", pool.map)):
                found: list[dict[str, float]] = []
                for _ in range(rounds):
                    floor_s, floor_cpu_s = seconds(partial(floor, coding, paths))
                    took = run(StoreAccess(LocalStore(folder / "store", sync=unsynced)), paths, each, length)
                    shutil.rmtree(folder / "store", ignore_errors=True)
                    ratios = {"ratio": took["total_s"] / floor_s, "cpu_ratio": took["cpu_s"] / floor_cpu_s}
                    found.append({"floor_s": floor_s, **took, **ratios})
                medians = {key: median(row[key] for row in found) for key in found[0]}
                least = min(row["ratio"] for row in found)
                told = {"coding": coding, "files": len(texts), "processes": name, "text_mb": length / 1e6}
                rows.append({**told, **medians, "best": least})
    return rows


def passes(text: bytes, folder: Path, rounds: int) -> dict[str, float]:
    """Return the processor's seconds of passes over a text, about a MiB of whole records at once; the least of all."""
    borders = [0, *(line_ends(text)[4 * 3000 - 1 :: 4 * 3000] + 1).tolist(), len(text)]
    steps = [text[start:stop] for start, stop in pairwise(borders)]
    room = bytearray(max(map(len, steps)))

    def write() -> None:
        for number, step in enumerate(steps):
            (folder / f"step{number}").unlink(missing_ok=True)
            (folder / f"step{number}").write_bytes(step)

    def read() -> None:
        for number in range(len(steps)):
            (folder / f"step{number}").read_bytes()

    def over(action: Callable[[bytes], object]) -> Callable[[], object]:
        return lambda: [action(step) for step in steps] and None

    def copy_step(step: bytes) -> None:
        room[: len(step)] = step

    alone = {
        "copy within memory that is used again": over(copy_step),
        "copy to fresh memory: bytes(memoryview(text))": lambda: bytes(memoryview(text)),
        "write files": write,
        "read files": read,
        "count newlines (numpy)": over(count_newlines),
        "find newlines (numpy)": over(line_ends),
        "find newlines and what can't be printed, check records": over(lambda step: bad_records(step, Seams.of(step))),
        "sha256": over(lambda step: hashlib.sha256(step).digest()),
    }
    return {name: min(seconds(action)[1] for _ in range(rounds)) for name, action in alone.items()}


def tell(rows: list[dict[str, Any]], steps: dict[str, float]) -> None:
    """Print both tables."""
    print("| coding | files | processes | text MB | floor s | index s | read s | ratio | best round | CPU ratio |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['coding']} | {row['files']} | {row['processes']} | {row['text_mb']:.0f} | {row['floor_s']:.3f} "
            f"| {row['index_s']:.3f} | {row['read_s']:.3f} | {row['ratio']:.2f} | {row['best']:.2f} "
            f"| {row['cpu_ratio']:.2f} |"
        )
    unit, *_ = steps.values()
    print("\n| one pass | CPU ms | in copies |\n|---|---|---|")
    for name, worked in steps.items():
        print(f"| {name} | {1000 * worked:.0f} | {worked / unit:.1f} |")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=230_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    hold_freed_memory()
    text = make_text(options.records)
    pair = [make_text(options.records // 2, mate) for mate in (1, 2)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [row for texts in ([text], pair) for row in measure(folder, texts, options.rounds)]
        steps = passes(text, folder, options.rounds)
        for coding in ("gzip", "bgzf"):
            alone = partial(floor, coding, [folder / f"{coding}_0_of_1"])
            steps[f"inflate {coding} (isal)"] = min(seconds(alone)[1] for _ in range(options.rounds))
        rows += measure(folder, [text], min(options.rounds, 3), options.times)
    tell(rows, steps)
    if options.json:
        options.json.write_text(json.dumps({"files": rows, "passes_s": steps}, indent=1) + "\n")


if __name__ == "__main__":
    main()
