"""The pipelines on a store in S3, with their inputs there too, end with the bytes that they have on local folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from genomics_runs import GenomicsRun

from flowbutton.stores.s3_client import client_for
from flowbutton.stores.s3_places import S3Access

pytestmark = pytest.mark.slow


def _upload(folder: Path, s3: str) -> None:
    client, bucket = client_for(S3Access()), s3.removeprefix("s3://")
    for place in (place for place in folder.iterdir() if place.is_file()):
        client.upload_file(str(place), bucket, f"in/{place.name}")


def _runs_alike(here: GenomicsRun, there: GenomicsRun, s3: str, secret: str) -> None:
    for run in (here, there):
        run.folder.mkdir()
    here.run()
    _upload(here.data, s3)
    given = {name: f"{s3}/in/{file}" for name, file in (("reads", "samples.tsv"), ("reference", "ref.fa"))}
    there.run("--store", f"{s3}/work", **given)
    assert there.published() == here.published()
    assert here.published()
    again = there.run("--store", f"{s3}/work", **given)
    assert "nothing to do" in again.stdout
    for place in there.folder.rglob("*"):
        assert not place.is_file() or secret.encode() not in place.read_bytes(), f"{place} has the secret"


def test_genomics(tmp_path: Path, shared: Path, s3: str, radosgw: dict[str, str]) -> None:
    data = shared / "data" / "genomics" / "human-na12878-chr22"
    here, there = GenomicsRun(tmp_path / "here", data), GenomicsRun(tmp_path / "there", data)
    _runs_alike(here, there, s3, radosgw["AWS_SECRET_ACCESS_KEY"])
