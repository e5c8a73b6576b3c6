"""What the S3 store costs beside plain boto3 with s3transfer and beside obstore, and what resuming on it costs.

All of it on the server that the AWS environment names, in one run; rounds alternate, medians are compared. Objects of
64 MiB and many of 4 KiB are put and got; then a pipeline of small tasks runs with its store in the bucket, and runs
again: the second run's requests are counted, by kind.

    python benchmarks/stores.py BUCKET [--rounds 3] [--small 1000] [--tasks 10000] [--json FILE]
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import obstore
from engine import PIPELINE
from obstore.store import S3Store as ObStore

from flowbutton.dag.pipeline import prepare, read_pipeline
from flowbutton.engine.run import run
from flowbutton.engine.settings import Settings
from flowbutton.stages.define import find_stage
from flowbutton.stores.opening import open_store
from flowbutton.stores.s3_client import client_for
from flowbutton.stores.s3_places import S3Access
from flowbutton.worker.context import partitioner_named

LARGE, SMALL = 64 * 1024**2, 4096


def measured(action: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of an action, by the clock and of this process's CPU."""
    wall, cpu = time.monotonic(), time.process_time()
    action()
    return time.monotonic() - wall, time.process_time() - cpu


def large(bucket: str, folder: Path) -> dict[str, tuple[float, float]]:
    """Put and get one object of 64 MiB by each client."""
    place, name = folder / "large", uuid.uuid4().hex
    place.write_bytes(os.urandom(LARGE))
    store, client, other = clients(bucket)
    sink = io.BytesIO()
    return {
        "large put, ours": measured(lambda: store.put(f"{name}-1", place)),
        "large put, boto3": measured(lambda: client.upload_file(str(place), bucket, f"b/{name}-2")),
        "large put, obstore": measured(lambda: obstore.put(other, f"b/{name}-3", place)),
        "large get, ours": measured(lambda: store.get(f"{name}-1")),
        "large get, boto3": measured(lambda: client.download_fileobj(bucket, f"b/{name}-2", sink)),
        "large get, obstore": measured(lambda: obstore.get(other, f"b/{name}-3").bytes()),
    }


def small(bucket: str, count: int) -> dict[str, tuple[float, float]]:
    """Put and get many objects of 4 KiB by each client, one after the other."""
    data, name = os.urandom(SMALL), uuid.uuid4().hex
    store, client, other = clients(bucket)

    def each(action: Callable[[str], object]) -> tuple[float, float]:
        return measured(lambda: [action(f"{name}-{number}") for number in range(count)])

    return {
        "small put, ours": each(lambda key: store.put(key, data)),
        "small put, boto3": each(lambda key: client.put_object(Bucket=bucket, Key=f"b/{key}", Body=data)),
        "small put, obstore": each(lambda key: obstore.put(other, f"c/{key}", data)),
        "small get, ours": each(store.get),
        "small get, boto3": each(lambda key: client.get_object(Bucket=bucket, Key=f"b/{key}")["Body"].read()),
        "small get, obstore": each(lambda key: obstore.get(other, f"c/{key}").bytes()),
    }


def clients(bucket: str) -> tuple[Any, Any, Any]:
    """Return our store, a plain client of boto3, and one of obstore."""
    http = {"allow_http": True}
    return open_store(f"s3://{bucket}/ours"), client_for(S3Access()), ObStore(bucket, client_options=http)


def resumed(bucket: str, folder: Path, tasks: int) -> dict[str, Any]:
    """Run small tasks with the store in the bucket, twice; return what each run took, and the second's requests."""
    pipeline = read_pipeline(folder / "tiny.yaml", PIPELINE)
    settings = Settings(store=f"s3://{bucket}/{uuid.uuid4().hex}", results=str(folder / "results"))
    asked: Counter[str] = Counter()
    client_for(S3Access()).meta.events.register("before-call.s3", lambda model, **_: asked.update([model.name]))
    for name in ("get", "put"):
        setattr(obstore, name, counted(getattr(obstore, name), asked))
    told: dict[str, Any] = {"tasks": 2 * tasks + 2, "stages": 4}
    for which in ("first", "second"):
        graph = prepare(
            pipeline,
            find_stage=find_stage,
            find_partitioner=partitioner_named,
            env=os.environ,
            cwd=folder,
            command_line={"count": str(tasks)},
        )
        asked.clear()
        wall, cpu = measured(lambda graph=graph: run(graph, settings, spec_text=PIPELINE))
        told[f"{which} run"] = {"s": round(wall, 2), "driver_cpu_s": round(cpu, 2), "driver_requests": dict(asked)}
    told["requests_per_stage"] = sum(asked.values()) / 4
    return told


def counted(call: Callable[..., Any], asked: Counter[str]) -> Callable[..., Any]:
    """Return a call of obstore that counts its requests."""

    def ask(*given: Any, **options: Any) -> Any:
        asked.update([f"obstore {call.__name__}"])
        return call(*given, **options)

    return ask


def main() -> None:
    """Measure all in turn, print a table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bucket")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--small", type=int, default=1000)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows: list[dict[str, tuple[float, float]]] = []
    with tempfile.TemporaryDirectory() as name:
        for _ in range(options.rounds):
            rows.append(large(options.bucket, Path(name)) | small(options.bucket, options.small))
        told: dict[str, Any] = {
            what: {
                "s": round(statistics.median(row[what][0] for row in rows), 3),
                "cpu_s": round(statistics.median(row[what][1] for row in rows), 3),
            }
            for what in (rows[0] if rows else ())
        }
        if options.tasks:
            told["resume"] = resumed(options.bucket, Path(name), options.tasks)
    print(json.dumps(told, indent=2))
    if options.json:
        options.json.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
