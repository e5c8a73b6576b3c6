"""What stages set aside is kept in the run's folder, counted, limited, and known again by the next run."""

from __future__ import annotations

import json

import pytest
from bench import Bench

from flowbutton.engine.aside import aside_file
from flowbutton.engine.run import Report
from flowbutton.model.errors import BadInput

READS = """
flowbutton: 1
name: tolerant
params: {bad: {type: int, default: 0}}
sources:
  reads: {partitioner: fastq, from: in/reads.fastq, with: {size: 200}}
stages:
  quality:
    uses: genomics.read_quality
    for_each: {reads: reads}
    tolerate: {records: "${params.bad}"}
  total: {uses: genomics.merge_quality, gather: {parts: quality}}
outputs:
  quality.json: total
"""

GOOD = [f"@r{n}\nACGTACGT\n+\nIIIIIIII\n" for n in range(40)]
BAD = {
    3: ("@r3\nACGTACGT\n+\nIIIIIIIII\n", "with unequal bases and qualities"),
    17: ("r17\nACGTACGT\n+\nIIIIIIII\n", "without '@'"),
    18: ("@r18\nACGTACGT\n-\nIIIIIIII\n", "without '+'"),
    30: ("@r30\nACGTACGT\n+\nIII IIII\n", "with an impossible quality"),
}


@pytest.fixture
def spoiled(bench: Bench) -> Bench:
    bench.file("reads.fastq", "".join(BAD[n][0] if n in BAD else text for n, text in enumerate(GOOD)))
    return bench


def kept(report: Report) -> list[dict[str, object]]:
    return [json.loads(line) for line in aside_file(report.folder, "quality").read_text().splitlines()]


def test_what_is_set_aside_is_kept_with_reason_place_and_bytes(spoiled: Bench) -> None:
    report = spoiled.run(READS, bad="4")
    text = (spoiled.folder / "in" / "reads.fastq").read_text()
    path = str(spoiled.folder / "in" / "reads.fastq")
    assert kept(report) == [
        {
            "reason": reason,
            "record": f"{path}, record {n + 1}, byte {text.index(bad)}",
            "reads": [{"file": path, "record": n + 1, "byte": text.index(bad), "text": bad}],
        }
        for n, (bad, reason) in BAD.items()
    ]
    (line,) = (line for line in report.ledger if line.stage == "quality")
    assert (line.emitted, line.consumed, line.counts.set_aside) == (40, 40, {reason: 1 for _, reason in BAD.values()})
    assert json.loads(spoiled.result("quality.json"))["samples"]["reads"]["files"]["R1"]["reads"] == 36


def test_raising_the_limit_repeats_nothing_that_was_done(spoiled: Bench) -> None:
    spoiled.run(READS, bad="4")
    again = spoiled.run(READS, bad="40")
    assert (again.ran, len(kept(again))) == (0, 4)


def test_above_the_limit_nothing_is_published_and_what_is_bad_is_told(spoiled: Bench) -> None:
    with pytest.raises(BadInput, match="stage 'quality' set 4 reads aside, more than the 3 tolerated") as caught:
        spoiled.run(READS, bad="3")
    assert "record 18, byte" in caught.value.why
    assert not (spoiled.folder / "results").exists()
    report = spoiled.run(READS, bad="4")
    assert spoiled.stages_run() == {"total": 1}, "what was set aside was known already"
    assert len(kept(report)) == 4
    with pytest.raises(BadInput, match="set 4 reads aside, more than the 2 tolerated"):
        spoiled.run(READS, bad="2")
    assert spoiled.stages_run() == {}


def test_one_task_stops_when_it_alone_is_above_the_limit(spoiled: Bench) -> None:
    report = spoiled.run(READS.replace("size: 200", "size: 100000"), bad="2")
    (failure,) = report.failures
    assert failure.error.what == "one task alone set more than the 2 tolerated records aside"
    assert failure.error.why.count("record ") == 3
    report = spoiled.run(READS.replace("size: 200", "size: 100000"), bad="4")
    assert spoiled.stages_run() == {"quality": 1, "total": 1}, "a task that failed is known by nothing"
    assert len(kept(report)) == 4


def test_without_tolerance_the_first_bad_record_ends_the_run(spoiled: Bench) -> None:
    with pytest.raises(BadInput, match="does not begin with '@'") as caught:
        spoiled.run(READS)
    assert caught.value.where["record"] == 18, "found by the index, before any task read a piece"


def test_a_stage_that_tolerates_does_not_speak_for_another(spoiled: Bench) -> None:
    other = "  strict: {uses: genomics.read_quality, for_each: {reads: reads}, with: {adapters: [ACGT]}}\n  total:"
    with pytest.raises(BadInput, match="does not begin with '@'"):
        spoiled.run(READS.replace("  total:", other, 1), bad="4")
