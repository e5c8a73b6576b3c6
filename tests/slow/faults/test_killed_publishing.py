"""Drivers that are killed while they publish into a bucket: nothing half is visible, and running again ends it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from bench import WHOLE, Bench, bench_with_files
from driver import start

from flowbutton.stores.objects import blocks_of
from flowbutton.stores.s3_client import client_for
from flowbutton.stores.s3_places import S3Access

pytestmark = pytest.mark.slow

FILLED = WHOLE.replace(
    """outputs:
""",
    """  fill: {uses: "troubled:fill", for_each: {file: files}, with: {size: 17000000}}
outputs:
  "filled/{ordinal}.bin": fill
""",
)
ASSEMBLED = WHOLE.replace(
    """outputs:
""",
    """  fill: {uses: "troubled:fill", for_each: {file: files}, with: {size: 17000000}}
  whole: {uses: "letters:assemble", gather: {parts: fill}}
outputs:
  whole.txt: whole
""",
)
NOTE = "out/.flowbutton-published-letters.json"
KILLS = {"here": (-3, -6), "there": (4,)}
"""Of the driver's writes: an upload begun and ended to see whether it may; one begun, its two parts, four outputs.
In the bucket four outputs follow at once."""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return bench_with_files(tmp_path, monkeypatch, files=1)


def published(s3: str) -> dict[str, str]:
    """Return the digests of what is visible, each but a composite's held against what it says of itself."""
    client, bucket, found = client_for(S3Access()), s3.removeprefix("s3://"), {}
    for entry in client.list_objects_v2(Bucket=bucket, Prefix="out/").get("Contents", []):
        answer = client.get_object(Bucket=bucket, Key=entry["Key"])
        data, token = answer["Body"].read(), answer["Metadata"]["flowbutton-token"]
        if ".flowbutton" not in entry["Key"]:
            found[entry["Key"]] = token
            whole = entry["Key"] == "out/whole.txt" or blocks_of(data).digest == token
            assert whole, f"{entry['Key']} is half an object"
    return found


def noted(s3: str) -> Mapping[str, str]:
    """Return the digests that the note tells, none if there is none."""
    client, bucket = client_for(S3Access()), s3.removeprefix("s3://")
    if not client.list_objects_v2(Bucket=bucket, Prefix=NOTE).get("Contents"):
        return {}
    note = json.loads(client.get_object(Bucket=bucket, Key=NOTE)["Body"].read())
    return {f"out/{name}": digest for name, (digest, _) in note.items()}


@pytest.mark.parametrize("where", KILLS)
def test_killed_while_publishing(bench: Bench, s3: str, where: str) -> None:
    """Whether parts are sent from a local store, or copied from one in the bucket."""
    store = str(bench.folder / ".flowbutton") if where == "here" else f"{s3}/work"
    options = {"store": store, "results": f"{s3}/out", "executor": "serial"}
    for kill in KILLS[where]:
        assert start(bench, FILLED, **options, die_publishing=kill).wait() == -9
        assert noted(s3).items() <= published(s3).items(), "the note is put last"
    assert start(bench, FILLED, **options).wait() == 0
    assert noted(s3) == published(s3)
    assert len(noted(s3)) == 4
    assert uploads(s3) == [], "what was on its way is freed"


@pytest.mark.parametrize("kill", [-7, -10])
def test_killed_while_a_composite_is_put_together(bench: Bench, s3: str, kill: int) -> None:
    """After the first of its parts, and after the last: it is not visible yet."""
    bench.file("f2.txt", "abc2 hello world\n")
    options = {"store": f"{s3}/work", "results": f"{s3}/out", "executor": "serial"}
    assert start(bench, ASSEMBLED, **options, die_publishing=kill).wait() == -9
    assert published(s3) == {}
    assert uploads(s3) == ["out/whole.txt"]
    assert start(bench, ASSEMBLED, **options).wait() == 0
    assert noted(s3).items() <= published(s3).items()
    assert uploads(s3) == []
    client, bucket = client_for(S3Access()), s3.removeprefix("s3://")
    data = client.get_object(Bucket=bucket, Key="out/whole.txt")["Body"].read()
    parts = [(text * 1_000_001)[:17_000_000][:-1] for text in (b"abc1 hello world\n", b"abc2 hello world\n")]
    assert data == b"<" + b"".join(parts) + b">"


def uploads(s3: str) -> list[str]:
    """Return the keys of uploads that are on their way."""
    answer = client_for(S3Access()).list_multipart_uploads(Bucket=s3.removeprefix("s3://"), Prefix="out/")
    return [upload["Key"] for upload in answer.get("Uploads", [])]
