"""The bytes of artifacts, wherever they lie: in the task record, in an object, or in ranges of several.

Here: reading by range, writing into a file, and which objects an artifact needs. Every byte is checked once, as
`stores.objects` does it. Imports `model`, `stores.objects`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from flowbutton.model.blocks import BLOCK
from flowbutton.model.composite import COMPOSITE, Composition, Part, Span
from flowbutton.model.records import KEPT, Artifact, TaskRecord
from flowbutton.stores.copying import copy_bytes
from flowbutton.stores.layout import check_range
from flowbutton.stores.objects import Objects

_REMEMBERED = 16


class Artifacts:
    """Reads the artifacts of one store. Errors: as `Objects`; they name the object, which may be a part."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._list = lru_cache(_REMEMBERED)(lambda digest: Composition.decode(objects.get(digest)))

    def composition(self, artifact: Artifact) -> Composition:
        """Return what an artifact is made of: one part, or those of a composite."""
        if artifact.inline is not None:
            return Composition.of([artifact.inline])
        if artifact.kind == COMPOSITE:
            return self._list(artifact.digest)
        return Composition.of([Span(artifact.digest, 0, artifact.size)])

    def read(self, artifact: Artifact, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes ``[start, stop)``, to the end when ``stop`` is None or beyond it."""
        check_range(start, stop)
        if artifact.inline is not None:
            return artifact.inline[start:stop]
        if artifact.kind != COMPOSITE:
            return self._objects.get(artifact.digest, start, stop)
        cut = self._list(artifact.digest).cut(start, artifact.size if stop is None else stop)
        return b"".join(map(self._bytes_of, cut))

    def write(self, artifact: Artifact, file: BinaryIO) -> None:
        """Write an artifact into a file. Memory: one block; blocks are shared where the file system can."""
        for part in self.composition(artifact).parts:
            if isinstance(part, bytes):
                file.write(part)
            else:
                self._write_span(part, file)

    def fetch(self, artifact: Artifact, cache: Path | None) -> Path:
        """Return a local file with an artifact's bytes, in ``cache`` where it has to be made; never write to it."""
        if artifact.inline is None and artifact.kind != COMPOSITE:
            return self._objects.fetch(artifact.digest, cache, artifact.suffix)
        if cache is None:
            raise ValueError(f"artifact {artifact.digest[:12]}… needs a cache folder to become a file")
        place = cache / f"{artifact.digest}{artifact.suffix}"
        if not place.exists():  # named when whole: a full disk may cut it short
            cache.mkdir(parents=True, exist_ok=True)
            fresh = place.with_name(f"~{place.name}")
            with fresh.open("wb") as file:
                self.write(artifact, file)
            fresh.replace(place)
        return place

    def _bytes_of(self, part: Part) -> bytes:
        return part if isinstance(part, bytes) else self._objects.get(*part)

    def _write_span(self, span: Span, file: BinaryIO) -> None:
        place = self._objects.local_file(span.digest)
        if place is None:
            for start in range(span.start, span.stop, BLOCK):
                file.write(self._objects.get(span.digest, start, min(start + BLOCK, span.stop)))
            return
        file.flush()
        with place.open("rb") as source:
            copy_bytes(source.fileno(), file.fileno(), span.start, span.stop)


def needed_objects(record: TaskRecord, objects: Objects) -> Iterator[str]:
    """Yield the digests of all objects that the artifacts of a task record need.

    Raises:
        CorruptObject, NotInStore: a list of them is damaged or gone; its own digest was yielded before.
    """
    for item in record.artifacts.values():
        if item.inline is None:
            yield item.digest
    artifacts = Artifacts(objects)
    for name, item in record.artifacts.items():
        if name == KEPT:
            yield from artifacts.read(item).decode().split()
        elif item.kind == COMPOSITE:
            yield from artifacts.composition(item).digests
