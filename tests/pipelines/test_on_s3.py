"""The pipelines on a store in S3 end with the bytes that they have on a local folder."""

from __future__ import annotations

from pathlib import Path

from genomics_runs import GenomicsRun


def _published(results: Path) -> dict[str, bytes]:
    files = (place for place in results.rglob("*") if place.is_file() and not place.name.startswith("."))
    return {str(place.relative_to(results)): place.read_bytes() for place in files}


def _runs_alike(here: GenomicsRun, there: GenomicsRun, s3: str, secret: str) -> None:
    for run in (here, there):
        run.folder.mkdir()
    here.run()
    there.run("--store", f"{s3}/work")
    assert _published(there.results) == _published(here.results)
    assert _published(here.results)
    again = there.run("--store", f"{s3}/work")
    assert "nothing to do" in again.stdout
    for place in there.folder.rglob("*"):
        assert not place.is_file() or secret.encode() not in place.read_bytes(), f"{place} has the secret"


def test_genomics(tmp_path: Path, shared: Path, s3: str, radosgw: dict[str, str]) -> None:
    data = shared / "data" / "genomics" / "human-na12878-chr22"
    here, there = GenomicsRun(tmp_path / "here", data), GenomicsRun(tmp_path / "there", data)
    _runs_alike(here, there, s3, radosgw["AWS_SECRET_ACCESS_KEY"])
