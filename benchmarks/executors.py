"""What a call costs: `ProcessExecutor` against the standard library's `ProcessPoolExecutor`, in one run.

Both run the same tiny function on the same payloads with as many processes, all calls submitted at once; rounds
alternate, medians are compared. "driver" is the processor time of the driving process, all its threads.

    python benchmarks/executors.py [--calls 5000] [--rounds 5] [--slots 2] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

from flowbutton.executors.processes import ProcessExecutor
from flowbutton.model.executor import Call, Emit, Returned


@dataclass(frozen=True, slots=True)
class Cost:
    """One round. Times per call are in microseconds."""

    start_ms: float
    wall_us: float
    driver_us: float


def answer(payload: bytes) -> bytes:
    """The work: none."""
    return payload


def work(payload: bytes, _: Emit) -> bytes:
    """The same, as an executor wants it."""
    return answer(payload)


def ours(payloads: list[bytes], slots: int) -> Cost:
    """Time `ProcessExecutor`."""
    executor = ProcessExecutor(work, slots=slots)

    def run(first_id: int, payloads: list[bytes]) -> None:
        executor.submit([Call(id, payload, 0, 60.0) for id, payload in enumerate(payloads, first_id)])
        returned = 0
        while returned < len(payloads):
            returned += sum(isinstance(event, Returned) for event in executor.events(60.0))

    try:
        return measure(lambda: run(0, payloads[:1]), lambda: run(1, payloads), len(payloads))
    finally:
        executor.close()


def standard(payloads: list[bytes], slots: int) -> Cost:
    """Time `ProcessPoolExecutor`, a future per call, as an engine would use it."""
    with ProcessPoolExecutor(slots) as pool:

        def run(payloads: list[bytes]) -> None:
            for future in as_completed([pool.submit(answer, payload) for payload in payloads]):
                future.result()

        return measure(lambda: run(payloads[:1]), lambda: run(payloads), len(payloads))


def measure(first: Callable[[], None], many: Callable[[], None], calls: int) -> Cost:
    """Time the first call, which starts the processes, apart from the many that follow."""
    begin = time.perf_counter()
    first()
    start_s = time.perf_counter() - begin
    begin, driver = time.perf_counter(), time.process_time()
    many()
    wall_s, driver_s = time.perf_counter() - begin, time.process_time() - driver
    return Cost(start_s * 1e3, wall_s / calls * 1e6, driver_s / calls * 1e6)


def median(costs: list[Cost]) -> dict[str, float]:
    """The median of each measure."""
    return {name: statistics.median(asdict(cost)[name] for cost in costs) for name in asdict(costs[0])}


def main() -> None:
    """Run the rounds, print a table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--payload-bytes", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    payloads = [b"x" * options.payload_bytes] * options.calls
    rounds = [(ours(payloads, options.slots), standard(payloads, options.slots)) for _ in range(options.rounds)]
    mine, theirs = median([a for a, _ in rounds]), median([b for _, b in rounds])
    ratios = {name: mine[name] / theirs[name] for name in mine}
    print(f"{'':10} {'ProcessExecutor':>16} {'standard pool':>14} {'ratio':>6}")
    for name in mine:
        print(f"{name:10} {mine[name]:16.1f} {theirs[name]:14.1f} {ratios[name]:6.2f}")
    result = {"calls": options.calls, "rounds": options.rounds, "slots": options.slots}
    result |= {"flowbutton": mine, "standard": theirs, "ratio": ratios}
    text = json.dumps(result, indent=1)
    if options.json:
        options.json.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
