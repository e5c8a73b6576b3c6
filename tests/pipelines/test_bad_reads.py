"""Bad pairs among good ones: within the limit the answer is that of the good ones alone, above it the run fails."""

from __future__ import annotations

import gzip
import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from genomics_runs import GenomicsRun

GOOD = b"@bad/%d\nACGTACGTAC\n+\nIIIIIIIIII\n"
BAD = {  # what is changed in one of the reads: which mate, what there, into what
    "with unequal bases and qualities": (1, b"IIII\n", b"III\n"),
    "without '@'": (2, b"@bad", b"bad"),
    "without '+'": (1, b"+", b"-"),
    "with an impossible quality": (2, b"IIIII", b"II II"),
    "with an impossible base": (1, b"GTA", b"G\x01A"),
    "with a name other than its mate's": (2, b"bad", b"other"),
}


def bad_pair(reason: str) -> tuple[bytes, bytes]:
    mate, old, new = BAD[reason]
    first, second = (GOOD % n if n != mate else (GOOD % n).replace(old, new, 1) for n in (1, 2))
    return first, second


@pytest.fixture
def clean(tmp_path: Path, shared: Path) -> GenomicsRun:
    return GenomicsRun(tmp_path / "clean", shared / "data" / "genomics" / "human-na12878-chr22")


@pytest.fixture
def spoiled(clean: GenomicsRun, tmp_path: Path) -> GenomicsRun:
    """The same data with a bad pair of each kind in either lane, one of them first and one last."""
    folder, rng = tmp_path / "data", random.Random(7)
    folder.mkdir()
    for name in ("ref.fa", "samples.tsv"):
        shutil.copy(clean.data / name, folder / name)
    for lane in ("L1", "L2"):
        names = [f"NA12878_{lane}_R{mate}.fastq.gz" for mate in (1, 2)]
        files = [split(gzip.decompress((clean.data / name).read_bytes())) for name in names]
        places = [0, len(files[0]), *(rng.randrange(1, len(files[0])) for _ in BAD)][: len(BAD)]
        for place, reason in sorted(zip(places, BAD, strict=True), reverse=True):
            for file, read in zip(files, bad_pair(reason), strict=True):
                file.insert(place, read)
        for name, file in zip(names, files, strict=True):
            (folder / name).write_bytes(gzip.compress(b"".join(file)))
    return GenomicsRun(tmp_path / "spoiled", folder)


def split(text: bytes) -> list[bytes]:
    lines = text.splitlines(keepends=True)
    return [b"".join(lines[at : at + 4]) for at in range(0, len(lines), 4)]


def published(run: GenomicsRun, *names: str) -> dict[str, bytes]:
    return {name: (run.results / name).read_bytes() for name in names}


def test_the_answer_is_that_of_the_good_reads(clean: GenomicsRun, spoiled: GenomicsRun, shared: Path) -> None:
    for run in (clean, spoiled):
        run.folder.mkdir()
    clean.run(chunk_size="60KiB", normalize="false")
    told = spoiled.run(chunk_size="40KiB", normalize="false", max_bad_reads=2 * len(BAD)).stdout
    replace(spoiled, data=clean.data).check(shared)
    names = ("variants.vcf.gz", "alignments/NA12878.bam", "quality.json")
    assert published(spoiled, *names) == published(clean, *names)
    folder = spoiled.folder / "store" / "runs" / "latest"
    aside = {}
    for stage in ("quality", "align"):
        place = folder / "set-aside" / f"{stage}.jsonl"
        assert f"12 records set aside by '{stage}': " in told
        aside[stage] = place.read_bytes()
    assert aside["quality"] == aside["align"]
    lines = [json.loads(line) for line in aside["align"].splitlines()]
    assert sorted(line["reason"] for line in lines) == sorted([*BAD, *BAD])
    for line in lines:
        assert tuple(read["text"].encode("latin-1") for read in line["reads"]) == bad_pair(line["reason"])
    balance = {line["stage"]: line for line in json.loads((folder / "ledger.json").read_text())}["align"]
    assert balance["emitted"] == balance["consumed"] == balance["out"] + 24
    assert balance["set_aside"] == dict.fromkeys(sorted(BAD), 2)
    assert balance["filtered"] == {"mates of bad reads": 12}


def test_above_the_limit_nothing_is_published(spoiled: GenomicsRun) -> None:
    spoiled.folder.mkdir()
    done = spoiled.run("--workers", "1", expect=1, chunk_size="40KiB", max_bad_reads=11)
    told = " ".join(done.stderr.replace(str(spoiled.data), "DATA").split())
    assert "set 12 reads aside, more than the 11 tolerated" in told
    assert "DATA/NA12878_L1_R1.fastq.gz, record 1, byte 0: with unequal bases and qualities" in told
    assert "correct the data, or raise 'tolerate: {records: N}' of this stage, or the param that stands there" in told
    assert not spoiled.results.exists()
