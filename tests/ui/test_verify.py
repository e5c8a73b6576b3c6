"""``flowbutton verify``: damage is told with its place, what was expected and what was found."""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flowbutton.ui.cli import call

LARGE = """\
flowbutton: 1
name: large
sources:
  files: {partitioner: whole, from: "in/*.txt"}
stages:
  wide: {uses: "large:wide", for_each: {file: files}}
outputs:
  "{file}": wide
"""
WIDE = """\
from flowbutton.partitioners.whole import WholeFile
from flowbutton.stages.define import map_stage

@map_stage("large.wide")
def wide(file: WholeFile) -> bytes:
    return file.path().read_bytes() * (700 * 1024)
"""
BLOCK = 8 * 1024**2


PIECES = """\
flowbutton: 1
name: pieces
params:
  size: {type: bytes, default: 90}
sources:
  reads: {partitioner: fastq, from: reads.fastq, with: {size: "${params.size}"}}
stages:
  bases: {uses: "pieces:bases", for_each: {reads: reads}}
  counts: {uses: "pieces:counts", for_each: {reads: reads}}
  total: {uses: "pieces:total", gather: {parts: counts}}
  tasks: {uses: "pieces:tasks", gather: {parts: counts}}
outputs:
  total.json: total
  tasks.json: tasks
  "{ordinal}.txt": bases
"""
STAGES = """\
from collections.abc import Sequence
from flowbutton.partitioners.fastq_reads import FastqReads
from flowbutton.stages.define import map_stage, gather_stage

@map_stage("pieces.bases")
def bases(reads: FastqReads) -> bytes:
    return b"".join(reads.text())

@map_stage("pieces.counts")
def counts(reads: FastqReads) -> int:
    return len(b"".join(reads.text()))

@gather_stage("pieces.total")
def total(parts: Sequence[int]) -> int:
    return sum(parts)

@gather_stage("pieces.tasks")
def tasks(parts: Sequence[int]) -> int:
    return len(parts)
"""


@dataclass
class Here:
    """The command in this process and folder: exit code, output and errors of each call."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        ended, said = call(arguments), self.capsys.readouterr()
        assert ended == code, said.out + said.err
        return said.out, said.err

    def run(self, pipeline: str) -> str:
        return self("run", pipeline, "-q", "--executor", "serial")[0]

    def mismatches(self) -> list[dict[str, Any]]:
        out, _ = self("verify", "--json", code=1)
        return json.loads(out)["mismatches"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return Here(tmp_path, capsys)


@pytest.fixture
def ran(here: Here) -> Here:
    """A run with an object of two blocks, and a smaller one."""
    (here.folder / "in").mkdir()
    for name, text in (
        ("in/a.txt", "one two three\n"),
        ("in/b.txt", "four\n"),
        ("large.yaml", LARGE),
        ("large.py", WIDE),
    ):
        (here.folder / name).write_text(text)
    here.run("large.yaml")
    return here


def objects(place) -> dict[int, Path]:
    """The objects of the store by size."""
    found = (place.folder / ".flowbutton/objects").rglob("*")
    return {file.stat().st_size: file for file in found if file.is_file() and not file.name.endswith(".blocks")}


def alter(file: Path, at: int) -> str:
    """Change one byte; return the digest of the block that holds it."""
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.chmod(0o644)
    file.write_bytes(data)
    first = at // BLOCK * BLOCK
    return hashlib.sha256(data[first : first + BLOCK]).hexdigest()


def test_what_nobody_touched_is_as_it_was(ran):
    assert ran("verify")[0].endswith("all as they were\n")
    found = json.loads(ran("verify", "--json")[0])
    assert (found["outputs"], found["records"], found["objects"], found["mismatches"]) == (2, 4, 2, [])
    assert found["bytes"] > 2 * sum(objects(ran))


def test_one_altered_byte_is_told_with_its_block(ran):
    large = objects(ran)[max(objects(ran))]
    digest = alter(large, BLOCK + 5)
    [miss] = ran.mismatches()
    assert miss["place"] == f"objects/{large.parent.name}/{large.name}"
    assert (miss["byte"], miss["found"]) == (BLOCK, digest)
    _, text = ran("verify", code=1)
    assert all(said in text for said in (miss["expected"], digest, "byte 8,388,608"))


def test_what_is_dropped_is_made_again(ran):
    small, large = (objects(ran)[size] for size in sorted(objects(ran)))
    alter(small, 0)
    large.unlink()
    out, told = ran("verify", "--drop", code=1)
    assert "found:    nothing" in told
    assert "removed: 2 damaged objects, 0 damaged task records" in out
    assert "2 tasks ran, 2 reused" in ran.run("large.yaml")
    ran("verify")


def test_a_published_file_that_was_edited_or_lost_is_told(ran):
    alter(ran.folder / "results/a.txt", 0)
    (ran.folder / "results/b.txt").unlink()
    misses = ran.mismatches()
    assert {(miss["what"], Path(miss["place"]).name) for miss in misses} == {("output", "a.txt"), ("output", "b.txt")}
    assert [miss["found"] for miss in misses if miss["place"].endswith("b.txt")] == ["nothing"]


def test_damaged_and_lost_task_records_are_told(ran):
    packs = sorted((ran.folder / ".flowbutton/records").glob("*/packs/*"))
    alter(packs[0], packs[0].stat().st_size - 80)
    packs[1].unlink()
    misses = ran.mismatches()
    places = {miss["place"] for miss in misses}
    assert places == {str(pack.relative_to(ran.folder / ".flowbutton")) for pack in packs[:2]}
    assert all(miss["what"].startswith("task record of ") for miss in misses)


def test_a_torn_list_of_records_is_told_and_so_are_the_tasks_that_only_it_named(ran):
    for segment in (ran.folder / ".flowbutton/records").glob("*/segments/*"):
        segment.chmod(0o644)
        segment.write_bytes(segment.read_bytes()[:-9])
    for manifest in (ran.folder / ".flowbutton/manifests").glob("*/*"):
        manifest.unlink()
    whats = [miss["what"] for miss in ran.mismatches()]
    assert "list of records" in whats
    assert any(what.startswith("task record of wide") for what in whats)


@pytest.fixture
def cut(here: Here) -> Here:
    """A run over eight reads in some pieces."""
    (here.folder / "reads.fastq").write_text("".join(f"@r{n}\n{'ACGT' * n}\n+\n{'IIII' * n}\n" for n in range(1, 9)))
    (here.folder / "pieces.yaml").write_text(PIECES)
    (here.folder / "pieces.py").write_text(STAGES)
    here.run("pieces.yaml")
    return here


def certificate(here: Here, stage: str) -> dict[str, Any]:
    [place] = (here.folder / ".flowbutton/runs").glob(f"*-*/exactness-{stage}.json")
    return json.loads(place.read_text())


def test_a_stage_that_gathers_is_exact_whatever_the_pieces(cut):
    out, _ = cut("verify", "--exactness", "total")
    assert "exact: .flowbutton/runs/" in out
    found = certificate(cut, "total")
    assert found["exact"] is True
    assert found["sources"]["reads"]["pieces"] < found["sources"]["reads"]["other_pieces"]
    assert found["sources"]["reads"]["other_options"]["size"] == 30
    assert [result["key"] for result in found["results"]] == [{}]


def test_bytes_per_piece_are_compared_joined(cut):
    cut("verify", "--exactness", "bases", "-p", "size=1000")
    found = certificate(cut, "bases")
    assert found["sources"]["reads"]["other_pieces"] == 1
    assert [result["key"] for result in found["results"]] == [None]


def test_a_stage_that_counts_pieces_is_found_out(cut):
    _, told = cut("verify", "--exactness", "tasks", code=1)
    assert "differs: tasks" in told
    assert certificate(cut, "tasks")["exact"] is False


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--exactness", "counts"), 2, "name a stage that gathers them"),
        (("--exactness", "totl"), 4, "its stages: "),
        (("--exactness", "total", "-p", "size=91"), 2, "cut nothing that 'total' needs in another way"),
        (("-p", "size=91"), 2, "-p goes with --exactness"),
    ],
)
def test_what_proves_nothing_is_refused(cut, arguments, code, says):
    assert says in cut("verify", *arguments, code=code)[1]


def test_exactness_of_a_run_whose_pipeline_or_input_changed_is_refused(cut):
    (cut.folder / "reads.fastq").write_text("@r\nAC\n+\nII\n")
    assert "are not all there" in cut("verify", "--exactness", "total", code=4)[1]
    (cut.folder / "pieces.yaml").write_text(PIECES + "# other\n")
    assert "was changed since the run" in cut("verify", "--exactness", "total", code=2)[1]
