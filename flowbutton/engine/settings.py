"""Where and with what a run is to run: a value that can be made before the engine is needed.

Imports nothing of flowbutton.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowbutton.engine.journal import Listener


@dataclass(frozen=True, slots=True)
class Site:
    """Another executor for some stages. ``workers``: how many of its calls run at once; None is one per CPU."""

    executor: str
    stages: tuple[str, ...]
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """Where and with what to run; nothing here is in a fingerprint.

    ``intermediates``: a fast store for small objects, beside ``store``; what it loses is made again.
    ``elsewhere``: executors for single stages; all else, also indexes of sources, is by ``executor``.
    ``lease_ttl_s``: how long the driver may be silent before another one may take over, in seconds.
    ``wait_s``: how long to wait for another run of the same pipeline and results; 0 fails at once, None waits.
    ``results``: where outputs go: a path, or ``s3://bucket/prefix``.
    ``spec_file``: where the pipeline was read from, if it was; its folder is where `engine.repeat` looks for modules.
    """

    store: str = ".flowbutton"
    intermediates: str | None = None
    results: str = "results"
    executor: str = "processes"
    workers: int | None = None
    elsewhere: Sequence[Site] = ()
    wait_s: float | None = 0.0
    lease_ttl_s: float = 30.0
    listeners: Sequence[Listener] = ()
    spec_file: Path | None = None

    def executor_of(self, node: str) -> str:
        """Return the name of the executor by which a node of the graph runs."""
        return next((site.executor for site in self.elsewhere if node in site.stages), self.executor)
