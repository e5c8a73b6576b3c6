"""The peers of `engine.py`: other engines that do the same tasks, each as it is meant to be used on one machine.

N tasks read a number from a file and write one, N tasks do the same with those files, one task reads all of these. A
peer that is not installed raises `ImportError`, and is left out. All but `pool` are optional:

    python -m pip install joblib "dask[distributed]" luigi parsl

None of them remembers what is done by its content; Luigi looks for the files. Imports the peers inside functions.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

Peer = Callable[[Path, int, int], int]
"""``peer(folder, tasks, workers)`` does all tasks and returns the sum of what the last ones wrote."""


def step(folder: Path, source: str, name: str, number: int, *_: object) -> int:
    """Read a file, write one: a temporary file and a rename, so that nobody sees half of it."""
    value = int((folder / f"{source}-{number}").read_text())
    fresh = folder / f"{name}-{number}.tmp"
    fresh.write_text(f"{2 * value:0200d}")
    fresh.replace(folder / f"{name}-{number}")
    return value


def total(folder: Path, count: int, *_: object) -> int:
    """Read what the last tasks wrote, and add it up."""
    return sum(int((folder / f"text-{n}").read_text()) for n in range(count))


def pool(folder: Path, count: int, workers: int, *, chunk: int) -> int:
    """Do it with the standard library's bare pool, which knows nothing of what depends on what."""
    with ProcessPoolExecutor(workers) as executor:
        for source, name in (("in", "double"), ("double", "text")):
            list(executor.map(partial(step, folder, source, name), range(count), chunksize=chunk))
    return total(folder, count)


def joblib(folder: Path, count: int, workers: int) -> int:
    """Do it with joblib's pool of processes (loky), which chooses its batches by itself."""
    from joblib import Parallel, delayed

    with Parallel(n_jobs=workers) as parallel:
        for source, name in (("in", "double"), ("double", "text")):
            parallel(delayed(step)(folder, source, name, n) for n in range(count))
    return total(folder, count)


def dask(folder: Path, count: int, workers: int) -> int:
    """Do it with Dask's distributed scheduler: one graph of futures."""
    from dask.distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=50) as cluster,
        Client(cluster) as client,
    ):
        numbers = range(count)
        doubles = client.map(partial(step, folder, "in", "double"), numbers)
        texts = client.map(partial(step, folder, "double", "text"), numbers, doubles)
        found: int = client.submit(total, folder, count, texts).result()
    return found


def luigi(folder: Path, count: int, workers: int) -> int:
    """Do it with Luigi: a task per file, done when its file is there."""
    import luigi as engine

    class Step(engine.Task):
        source, name, number = engine.Parameter(), engine.Parameter(), engine.IntParameter()

        def requires(self) -> list[engine.Task]:
            return [] if self.source == "in" else [Step("in", self.source, self.number)]

        def output(self) -> engine.LocalTarget:
            return engine.LocalTarget(str(folder / f"{self.name}-{self.number}"))

        def run(self) -> None:
            step(folder, self.source, self.name, self.number)

    class All(engine.WrapperTask):
        def requires(self) -> list[engine.Task]:
            return [Step("double", "text", n) for n in range(count)]

    if not engine.build([All()], workers=workers, local_scheduler=True, log_level="CRITICAL"):
        raise RuntimeError("luigi did not finish")
    return total(folder, count)


def parsl(folder: Path, count: int, workers: int) -> int:
    """Do it with Parsl's high-throughput executor on this machine: apps, and futures between them."""
    import parsl as engine
    from parsl.config import Config
    from parsl.executors import HighThroughputExecutor
    from parsl.providers import LocalProvider

    # It starts a script of its own by name, which lies beside this Python, also where no venv is activated.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    executor = HighThroughputExecutor(
        address="127.0.0.1",
        max_workers_per_node=workers,
        provider=LocalProvider(init_blocks=1, max_blocks=1),
    )
    with engine.load(Config(executors=[executor], run_dir=str(folder / "runinfo"), strategy="none")):
        one, every = engine.python_app(step), engine.python_app(total)
        doubles = [one(folder, "in", "double", n) for n in range(count)]
        texts = [one(folder, "double", "text", n, double) for n, double in enumerate(doubles)]
        found: int = every(folder, count, *texts).result()
    return found


OPTIONAL: Mapping[str, Peer] = {"joblib": joblib, "distributed": dask, "luigi": luigi, "parsl": parsl}


def seconds(peer: Peer, folder: Path, count: int, workers: int) -> float:
    """Return how long a peer takes, started and stopped; the files that its first tasks read are made before."""
    folder.mkdir()
    for number in range(count):
        (folder / f"in-{number}").write_text(str(number))
    start = time.monotonic()
    found = peer(folder, count, workers)
    took = time.monotonic() - start
    assert found == 4 * sum(range(count)), found
    return took
