"""Sources in S3: read in place by range, from a real server."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from bench import Bench
from servers import WebServer, serving

from flowbutton.engine.run import Status
from flowbutton.model.errors import BadInput, ChangedInput, MissingInput, OptionError
from flowbutton.model.pieces import Source
from flowbutton.partitioners.files import check_unchanged, find_files
from flowbutton.stores.access import StoreAccess
from flowbutton.stores.memory import MemoryStore
from flowbutton.stores.s3_bucket import Bucket
from flowbutton.stores.s3_client import client_for
from flowbutton.stores.s3_places import S3Access, S3Place

pytestmark = pytest.mark.slow

READS = """
flowbutton: 1
name: reads
params: {reads: {type: uri}}
sources:
  reads: {partitioner: fastq, from: "${params.reads}", with: {size: 2KiB}}
stages:
  quality: {uses: genomics.read_quality, for_each: {reads: reads}}
outputs: {"{ordinal}{suffix}": quality}
"""


def put(s3: str, **objects: bytes) -> None:
    for key, data in objects.items():
        client_for(S3Access()).put_object(Bucket=s3.removeprefix("s3://"), Key=key.replace("__", "/"), Body=data)


@pytest.fixture
def access(tmp_path: Path) -> StoreAccess:
    return StoreAccess(MemoryStore.open(f"memory://{tmp_path.name}"), tmp_path / "cache")


def test_ranges_are_read_and_counted(s3: str, access: StoreAccess) -> None:
    put(s3, a=b"0123456789")
    uri = f"{s3}/a"
    assert access.head(uri).size == 10
    assert [access.read(uri), access.read(uri, 3, 5), access.read(uri, 8, 99)] == [b"0123456789", b"34", b"89"]
    assert [access.read(uri, 10, 12), access.read(uri, 4, 4), access.read(uri, 50)] == [b"", b"", b""]
    assert access.read_bytes == 14


def test_what_is_put_anew_is_another_content(s3: str, access: StoreAccess) -> None:
    put(s3, a=b"one")
    before = access.head(f"{s3}/a")
    check_unchanged(before.uri, before.identity, access)
    put(s3, a=b"two")
    with pytest.raises(ChangedInput):
        check_unchanged(before.uri, before.identity, access)


def test_globs_stay_within_a_folder_unless_told(s3: str, access: StoreAccess) -> None:
    put(s3, run__a_1=b"", run__b_1=b"", run__deep__a_1=b"", run__a_2=b"", other__a_1=b"")
    assert access.glob(f"{s3}/run/*_1") == [f"{s3}/run/a_1", f"{s3}/run/b_1"]
    assert access.glob(f"{s3}/run/[!b]_?") == [f"{s3}/run/a_1", f"{s3}/run/a_2"]
    assert access.glob(f"{s3}/**/a_1") == [f"{s3}/other/a_1", f"{s3}/run/a_1", f"{s3}/run/deep/a_1"]
    found = find_files(Source("reads", f"{s3}/run/b_1,{s3}/run/a_?", {}), access)
    assert [info.uri for info in found] == [f"{s3}/run/{name}" for name in ("b_1", "a_1", "a_2")]


def test_a_file_for_libraries_is_copied_once_for_each_content(s3: str, access: StoreAccess) -> None:
    put(s3, **{"ref.fa": b">a\nACGT\n"})
    uri = f"{s3}/ref.fa"
    place = access.fetch(uri)
    assert (place.read_bytes(), place.suffix) == (b">a\nACGT\n", ".fa")
    read = access.read_bytes
    assert access.fetch(uri) == place
    assert access.read_bytes == read
    put(s3, **{"ref.fa": b">a\nTTTT\n"})
    assert access.fetch(uri).read_bytes() == b">a\nTTTT\n"
    assert sorted(path.name for path in place.parent.iterdir() if not path.is_file()) == []


def test_what_is_not_there_is_told(s3: str, access: StoreAccess) -> None:
    with pytest.raises(MissingInput, match=r"'no.fq' does not exist"):
        access.head(f"{s3}/a/no.fq")
    with pytest.raises(MissingInput, match=r"'no.fq' does not exist"):
        access.read(f"{s3}/no.fq", 0, 5)
    for call in (access.glob, access.head, access.read, access.fetch):
        with pytest.raises(OptionError, match="the bucket does not exist"):
            call("s3://there-is-no-such-bucket/a*")
    with pytest.raises(BadInput, match="can't be read"):
        access.head("gopher://a/b")


def test_a_file_replaced_between_its_index_and_its_reading_ends_the_run(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new file has the size and the lines of the old one: only its ETag tells."""
    monkeypatch.chdir(tmp_path)
    text = b"".join(b"@r%d\n%s\n+\n%s\n" % (n, b"ACGT" * 20, b"I" * 80) for n in range(40))
    put(s3, **{"r.fq": text})

    def replace(kind: str, fields: dict[str, Any]) -> None:
        if kind == "done" and fields["stage"] == "reads":
            put(s3, **{"r.fq": text.replace(b"ACGT", b"TGCA")})

    report = Bench(tmp_path).run(READS, settings={"listeners": [replace]}, reads=f"{s3}/r.fq")
    assert report.status is Status.FAILED
    assert "changed" in report.failures[0].error.what
    assert not (tmp_path / "results").exists()
    again = Bench(tmp_path).run(READS, reads=f"{s3}/r.fq")
    assert again.status is Status.DONE


@pytest.mark.parametrize("size", [1000, 3 << 20], ids=["small", "large"])  # asked for by obstore, and by boto3
def test_a_server_without_ranges_is_refused_and_never_taken_at_its_word(size: int, tmp_path: Path) -> None:
    data = random.Random(size).randbytes(size)
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab/a.bin").write_bytes(data)
    with serving(WebServer(tmp_path, ranges=False)) as web:
        access = S3Access(endpoint_url=web.url, region="us-east-1", anonymous=True)
        bucket = Bucket(S3Place("s3://lab/", "lab", "", access))
        assert bucket.get("a.bin") == bucket.get("a.bin", 0, size + 9) == data
        for start, stop in ((0, 9), (5, 9), (5, None), (size - 1, size)):
            with pytest.raises(OptionError, match="the server gives no ranges"):
                bucket.get("a.bin", start, stop)
