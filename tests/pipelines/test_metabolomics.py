"""The metabolomics pipeline end to end against METASPACE's answers; one cut for the smallest dataset."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from metabolomics_runs import MetabolomicsRun


@pytest.mark.parametrize("answer", ["oracle", "oracle_v3"])
def test_the_cut_does_not_show(tmp_path: Path, shared: Path, answer: str) -> None:
    run = MetabolomicsRun(tmp_path, shared / "data" / "metabolomics" / "untreated_tiny", answer)
    run.run(piece_size=2000, segment_size="60KiB")
    run.check(shared)


def test_the_next_dataset_finds_the_isotope_peaks_done(tmp_path: Path, shared: Path) -> None:
    data = shared / "data" / "metabolomics"
    MetabolomicsRun(tmp_path, data / "sim24").run(databases=data / "untreated_tiny" / "formulas.csv")
    MetabolomicsRun(tmp_path, data / "untreated_tiny").run()
    latest = tmp_path / "store" / "runs" / "latest" / "events.jsonl"
    events = [json.loads(line) for line in latest.read_text().splitlines()]
    done = [event for event in events if event.get("stage") == "isotopes" and "reused" in event]
    assert done
    assert done[-1]["reused"] == done[-1]["tasks"] > 100
