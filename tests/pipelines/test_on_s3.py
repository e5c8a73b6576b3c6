"""The pipelines on a store in S3, with their inputs there too, end with the bytes that they have on local folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from genomics_runs import GenomicsRun
from geospatial_runs import GeospatialRun
from metabolomics_runs import MetabolomicsRun
from pipeline_runs import PipelineRun
from servers import faulty

from flowbutton.stores.opening import open_store
from flowbutton.stores.s3_client import client_for
from flowbutton.stores.s3_places import S3Access

pytestmark = pytest.mark.slow


def _upload(folder: Path, s3: str) -> None:
    client, bucket = client_for(S3Access()), s3.removeprefix("s3://")
    for place in (place for place in folder.iterdir() if place.is_file()):
        client.upload_file(str(place), bucket, f"in/{place.name}")


def _secret_is_nowhere(folder: Path, secret: str) -> None:
    for place in folder.rglob("*"):
        assert not place.is_file() or secret.encode() not in place.read_bytes(), f"{place} has the secret"


def _published(s3: str) -> dict[str, bytes]:
    """Return what is published under ``out`` of a bucket, but for notes of the engine's own."""
    client, bucket = client_for(S3Access()), s3.removeprefix("s3://")
    keys = [found["Key"] for found in client.list_objects_v2(Bucket=bucket, Prefix="out/")["Contents"]]
    return {
        key.removeprefix("out/"): client.get_object(Bucket=bucket, Key=key)["Body"].read()
        for key in keys
        if "/.flowbutton" not in key
    }


def _runs_alike(
    here: PipelineRun, there: PipelineRun, s3: str, secret: str, given: Callable[[str], dict[str, object]], results: str
) -> None:
    """Run on local folders and on S3 with inputs there; both publish the same bytes, and a second run does nothing.

    ``results``: where outputs of the second go: ``here`` or ``there``.
    """
    options = ["--store", f"{s3}/work"] + (["--results", f"{s3}/out"] if results == "there" else [])
    for run in (here, there):
        run.folder.mkdir()
    here.start(given(str(here.data)))
    _upload(here.data, s3)
    there.start(given(f"{s3}/in"), options)
    assert (_published(s3) if results == "there" else there.published()) == here.published()
    assert here.published()
    again = there.start(given(f"{s3}/in"), options)
    assert "nothing to do" in again.stdout
    assert (f"outputs in {s3}/out" in again.stdout) == (results == "there")
    if results == "there":
        assert "all as they were" in there.call("verify", *options)
    _secret_is_nowhere(there.folder, secret)
    store = open_store(f"{s3}/work")
    assert not any(secret.encode() in store.get(key) for key in store.list(""))


def _genomics(place: str) -> dict[str, object]:
    return {"reads": f"{place}/samples.tsv", "reference": f"{place}/ref.fa"}


def _metabolomics(place: str) -> dict[str, object]:
    dataset, databases = f"{place}/Untreated_3_434_tiny.imzML", f"{place}/formulas.csv"
    return {"dataset": dataset, "databases": databases, "charge": 1, "decoy_sample_size": 2}


def _points(place: str) -> dict[str, object]:
    return {"points": f"{place}/snapped.laz", "resolution": 2.0}


def _rasters(place: str) -> dict[str, object]:
    image = f"{place}/landsat.tif"
    return {"red": f"{image}#3", "nir": f"{image}#4", "zones": f"{place}/zones.geojson", "window": 1024}


RUNS = {
    "genomics": (GenomicsRun, "genomics/human-na12878-chr22", _genomics),
    "metabolomics": (MetabolomicsRun, "metabolomics/untreated_tiny", _metabolomics),
    "points": (GeospatialRun, "geospatial/topography-snapped", _points),
    "rasters": (GeospatialRun, "geospatial/landsat-olinda", _rasters),
}


@pytest.mark.parametrize("name", [name for name in RUNS if name != "points"])  # that one goes through faults
def test_a_pipeline_on_s3(name: str, tmp_path: Path, shared: Path, s3: str, radosgw: dict[str, str]) -> None:
    kind, data, given = RUNS[name]
    here, there = (kind(tmp_path / place, shared / "data" / data) for place in ("here", "there"))
    results = "there" if name == "genomics" else "here"
    _runs_alike(here, there, s3, radosgw["AWS_SECRET_ACCESS_KEY"], given, results)


@pytest.mark.parametrize("name", ["points"])
def test_a_pipeline_on_s3_through_faults(
    name: str, tmp_path: Path, shared: Path, s3: str, radosgw: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections are cut, answers lost and shortened, requests refused and repeated: the bytes are the same."""
    kind, data, given = RUNS[name]
    here, there = (kind(tmp_path / place, shared / "data" / data) for place in ("here", "there"))
    kinds = ("refuse", "cut-request", "lost", "cut-answer", "truncate", "slowdown", "error", "twice")
    options = ("--rate", "0.05", "--seed", "11", "--kinds", *kinds)
    with faulty(shared, tmp_path / "faulty", radosgw["AWS_ENDPOINT_URL"], *options) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        _runs_alike(here, there, s3, radosgw["AWS_SECRET_ACCESS_KEY"], given, "there")
