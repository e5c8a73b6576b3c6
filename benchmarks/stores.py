"""What the S3 store costs beside plain boto3 with s3transfer and beside obstore, and what resuming on it costs.

All of it on the server that the AWS environment names, in one run. Objects of 64 MiB are put and got by the three in a
new order each round, and so is each of many of 4 KiB; the median of the rounds counts. Then a pipeline of small tasks
runs with its store in the bucket, and runs again: the second run's requests are counted, by kind.

    python benchmarks/stores.py BUCKET [--rounds 3] [--small 1000] [--tasks 10000] [--json FILE]
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import statistics
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import obstore
from engine import PIPELINE
from obstore.store import S3Store as ObStore

from flowbutton.dag.pipeline import prepare, read_pipeline
from flowbutton.engine.run import run
from flowbutton.engine.settings import Settings
from flowbutton.model.registry import partitioner_named
from flowbutton.stages.define import find_stage
from flowbutton.stores.opening import open_store
from flowbutton.stores.s3_client import client_for
from flowbutton.stores.s3_places import S3Access

LARGE, SMALL = 64 * 1024**2, 4096


Action = Callable[[], object]


def measured(action: Action) -> tuple[float, float]:
    """Return the seconds of an action, by the clock and of this process's CPU."""
    wall, cpu = time.monotonic(), time.process_time()
    action()
    return time.monotonic() - wall, time.process_time() - cpu


def shuffled(actions: dict[str, Action]) -> dict[str, tuple[float, float]]:
    """Measure actions in a random order: what the server still has to do for one is not always the same one's."""
    return {what: measured(actions[what]) for what in random.sample(sorted(actions), len(actions))}


def large(bucket: str, folder: Path) -> dict[str, tuple[float, float]]:
    """Put and get one object of 64 MiB by each client."""
    place, name = folder / "large", uuid.uuid4().hex
    place.write_bytes(os.urandom(LARGE))
    store, client, other = clients(bucket)
    store.trust()
    put = shuffled(
        {
            "large put, ours": lambda: store.put(f"{name}-1", place),
            "large put, boto3": lambda: client.upload_file(str(place), bucket, f"b/{name}-2"),
            "large put, obstore": lambda: obstore.put(other, f"c/{name}-3", place),
        }
    )
    got = shuffled(
        {
            "large get, ours": lambda: store.get(f"{name}-1"),
            "large get, boto3": lambda: client.download_fileobj(bucket, f"b/{name}-2", io.BytesIO()),
            "large get, obstore": lambda: obstore.get(other, f"c/{name}-3").bytes(),
        }
    )
    for key in (f"ours/{name}-1", f"b/{name}-2", f"c/{name}-3"):
        client.delete_object(Bucket=bucket, Key=key)
    return put | got


def small(bucket: str, count: int) -> dict[str, tuple[float, float]]:
    """Put and get many objects of 4 KiB by each client; sums over all."""
    data, name = os.urandom(SMALL), uuid.uuid4().hex
    store, client, other = clients(bucket)
    each: dict[str, Callable[[str], object]] = {
        "small put, ours": lambda key: store.put(key, data),
        "small put, boto3": lambda key: client.put_object(Bucket=bucket, Key=f"b/{key}", Body=data),
        "small put, obstore": lambda key: obstore.put(other, f"c/{key}", data),
        "small get, ours": store.get,
        "small get, boto3": lambda key: client.get_object(Bucket=bucket, Key=f"b/{key}")["Body"].read(),
        "small get, obstore": lambda key: obstore.get(other, f"c/{key}").bytes(),
    }
    summed = dict.fromkeys(each, (0.0, 0.0))
    for kind in ("small put", "small get"):
        for number in range(count):
            key = f"{name}-{number}"
            ways = {what: partial(way, key) for what, way in each.items() if what.startswith(kind)}
            for what, (wall, cpu) in shuffled(ways).items():
                summed[what] = summed[what][0] + wall, summed[what][1] + cpu
    return summed


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
