"""The generated genomics sample: same bytes always, whole or not there, and true to its own truth file."""

from __future__ import annotations

import gzip
import hashlib
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from flowbutton.model.errors import MissingInput
from flowbutton.samples import SAMPLES, resolve_sample_uri, sample_path
from flowbutton.samples.draws import Draws
from flowbutton.samples.genome import BASES
from flowbutton.samples.genomics import write_genomics
from flowbutton.samples.sequencer import Fragments, sequence


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample_path("genomics/reads.tsv", tmp_path_factory.mktemp("cache")).parent


def contigs(folder: Path) -> dict[str, str]:
    parts = (folder / "reference.fa").read_text().split(">")[1:]
    return {part.split()[0]: "".join(part.split("\n")[1:]) for part in parts}


def records(path: Path) -> list[list[str]]:
    lines = gzip.decompress(path.read_bytes()).decode().split("\n")
    assert lines.pop() == ""
    assert len(lines) % 4 == 0
    return [lines[start : start + 4] for start in range(0, len(lines), 4)]


def text_digest(path: Path) -> str:
    data = path.read_bytes()
    return hashlib.sha256(gzip.decompress(data) if path.suffix == ".gz" else data).hexdigest()[:16]


def test_the_text_of_every_file_is_pinned(made: Path) -> None:
    # A change here needs a new version in `samples.catalog`, or old caches are taken for the new sample.
    assert {path.name: text_digest(path) for path in sorted(made.iterdir())} == PINNED


PINNED = {
    "demo_L1_R1.fastq.gz": "ebae570d6057bff1",
    "demo_L1_R2.fastq.gz": "79846045e532fe53",
    "demo_L2_R1.fastq.gz": "15f6d36dfbb70c76",
    "demo_L2_R2.fastq.gz": "9160b34f7a7544d3",
    "reads.tsv": "4060067c09ef8735",
    "reference.fa": "6e2e53254952f9fa",
    "truth.vcf.gz": "0e1b9ebbfa4acfc0",
}


def test_it_is_made_again_byte_for_byte(made: Path, tmp_path: Path) -> None:
    write_genomics(tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {p.name: p.read_bytes() for p in made.iterdir()}


def test_two_processes_that_ask_at_once_both_get_it_and_leave_nothing_else(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        paths = list(pool.map(sample_path, ["genomics/reads.tsv", "genomics/reference.fa"], [tmp_path] * 2))
    assert all(path.is_file() for path in paths)
    assert [path.name for path in tmp_path.iterdir()] == [paths[0].parent.name]


def test_every_name_is_a_file_and_the_scheme_is_optional(made: Path) -> None:
    for name in SAMPLES:
        assert resolve_sample_uri(f"sample:{name}", made.parent) == str(sample_path(name, made.parent))
        path = sample_path(name, made.parent)
        assert [found for found in path.parent.glob(path.name) if found.is_file()]


def test_an_unknown_sample_is_an_error_that_lists_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="genomics/read") as caught:
        resolve_sample_uri("sample:genomics/read", tmp_path)
    assert all(name in caught.value.hint for name in SAMPLES)
    assert not list(tmp_path.iterdir())


def test_truth_stands_on_the_reference_with_every_kind_of_variant(made: Path) -> None:
    sequences = contigs(made)
    text = gzip.decompress((made / "truth.vcf.gz").read_bytes()).decode()
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    for row in rows:
        start = int(row[1]) - 1
        assert sequences[row[0]][start : start + len(row[3])].upper() == row[3]
        assert row[3] not in row[4].split(",")
    assert [(row[0], int(row[1])) for row in rows] == sorted((row[0], int(row[1])) for row in rows)
    assert 400 < len(rows) < 650
    changes = [len(alt) - len(row[3]) for row in rows for alt in row[4].split(",")]
    assert min(changes) < -10
    assert max(changes) > 10
    assert {row[9] for row in rows} == {"0|1", "1|0", "1|1", "1|2", "2|1"}


def test_the_reference_has_what_references_have(made: Path) -> None:
    sequences = contigs(made)
    assert {name: len(text) for name, text in sequences.items()} == {"sim1": 300_000, "sim2": 60_000}
    for text in sequences.values():
        assert "N" * 1000 in text
        assert 0.03 < sum(map(str.islower, text)) / len(text) < 0.3


def test_lanes_are_pairs_in_lockstep_one_in_blocks_and_one_member(made: Path) -> None:
    header, *rows = (line.split("\t") for line in (made / "reads.tsv").read_text().splitlines())
    assert header == ["sample", "lane", "ploidy", "r1", "r2"]
    assert [row[:3] for row in rows] == [["demo", "L1", "2"], ["demo", "L2", "2"]]
    assert [(made / row[3]).read_bytes()[3] for row in rows] == [4, 0]  # gzip flags: an extra field is BGZF's
    pairs = 0
    for row in rows:
        one, two = records(made / row[3]), records(made / row[4])
        assert [r[0].split()[0] for r in one] == [r[0].split()[0] for r in two]
        assert {r[0].split()[1][0] for r in one} == {"1"}
        assert len({r[0] for r in one}) == len(one)
        assert all(len(r[1]) == len(r[3]) == 150 for r in (*one, *two))
        pairs += len(one)
    assert pairs == 36_000


def test_qualities_rise_in_the_first_cycles_and_fall_to_the_end(made: Path) -> None:
    reads = records(made / "demo_L2_R2.fastq.gz")
    first, early, last = (sum(ord(read[3][cycle]) - 33 for read in reads) / len(reads) for cycle in (0, 20, 149))
    assert early > first > 20
    assert early > last + 3 > 20


def test_errors_come_at_the_rate_that_the_qualities_say() -> None:
    draws, pairs = Draws(7), 8000
    template = BASES[draws.below(4, 700)]
    nobody = np.zeros(pairs, bool)
    starts = draws.below(100, pairs)
    fragments = Fragments(template, starts, np.full(pairs, 400), nobody, nobody)
    text = b"".join(one for one, _ in sequence(draws, fragments, lane=1)).split(b"\n")
    read = np.frombuffer(b"".join(text[1::4]), np.uint8).reshape(pairs, 150)
    quality = np.frombuffer(b"".join(text[3::4]), np.uint8).reshape(pairs, 150) - 33
    wrong = read != template[starts[:, None] + np.arange(150)]
    for level in (2, 6, 15, 22):
        assert wrong[quality == level].mean() == pytest.approx(10 ** (-level / 10), rel=0.1)
    assert 0.001 < wrong.mean() < 0.02
