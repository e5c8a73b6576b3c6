"""Artifacts and task records: what a task leaves behind.

Here: the values and their JSON. Not here: packs, segments and manifests (`stores.records`).
Imports `model.canonical`, `model.errors`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from flowbutton.model.canonical import Json, canonical, digest_bytes
from flowbutton.model.errors import CorruptObject

INLINE_LIMIT = 4096
"""Artifacts up to this many bytes live in the task record."""

RECORD_FORMAT = 2
"""How `TaskRecord.encode` writes; in the digest of a stage, so that records of another format are never found."""

ASIDE = "set aside"
"""The artifact that holds what a task set aside, a line of JSON per record; no output of a stage has such a name."""


KEPT = "kept objects"
"""The artifact that names the objects which an indexing task kept, a digest per line: its index refers to them."""


class Artifact(NamedTuple):
    """A named result of a task, known by its content's digest.

    ``kind`` names the codec that made the bytes (``file``, ``json``, ``bundle``, ...). ``inline`` holds the bytes when
    they are few, else they are the object ``digest``. ``suffix`` is the file's extension, where that matters to tools.
    """

    kind: str
    digest: str
    size: int
    inline: bytes | None = None
    suffix: str = ""

    def to_json(self) -> list[Json]:
        """Return the JSON form; the inverse of `from_json`."""
        inline = None if self.inline is None else base64.b64encode(self.inline).decode()
        return [self.kind, self.digest, self.size, inline, self.suffix]

    @classmethod
    def from_json(cls, value: Sequence[Any]) -> Artifact:
        """Read the JSON form."""
        kind, digest, size, inline, suffix = value
        return cls(kind, digest, size, None if inline is None else base64.b64decode(inline), suffix)


@dataclass(frozen=True, slots=True)
class LedgerCounts:
    """Records of one task: per input argument those consumed, then those made, filtered and set aside by reason."""

    consumed: Mapping[str, int] = field(default_factory=dict)
    out: int | None = None
    filtered: Mapping[str, int] = field(default_factory=dict)
    set_aside: Mapping[str, int] = field(default_factory=dict)
    apart: Mapping[str, int] = field(default_factory=dict)  # counted beside the balance: supplementary alignments
    samples: tuple[str, ...] = ()  # the first few records set aside, in words
    warnings: tuple[str, ...] = ()  # what people should know of the result

    def to_json(self) -> dict[str, Json]:
        """Return the JSON form, what says nothing left out; the inverse of `from_json`."""
        if self is NOTHING_COUNTED:
            return {}
        value: dict[str, Json] = {
            "consumed": dict(self.consumed),
            "filtered": dict(self.filtered),
            "set_aside": dict(self.set_aside),
            "apart": dict(self.apart),
            "samples": list(self.samples),
            "warnings": list(self.warnings),
        }
        if self.out is not None:
            value["out"] = self.out
        return {name: part for name, part in value.items() if part or name == "out"}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> LedgerCounts:
        """Read the JSON form."""
        texts = {name: tuple(value.get(name, ())) for name in ("samples", "warnings")}
        return cls(**{**value, **texts}) if value else NOTHING_COUNTED


NOTHING_COUNTED = LedgerCounts()


class Measures(NamedTuple):
    """What a task cost. Not part of any identity."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_rss_bytes: int = 0
    read_bytes: int = 0
    written_bytes: int = 0


class TaskRecord(NamedTuple):
    """The commit of one task: fingerprint, artifacts by output name, ledger counts, measures, the log's tail."""

    fingerprint: str
    artifacts: Mapping[str, Artifact]
    ledger: LedgerCounts
    measures: Measures
    log: str = ""

    @property
    def bytes_held(self) -> int:
        """About how much memory and pack it takes."""
        return sum(len(artifact.inline or b"") for artifact in self.artifacts.values()) + len(self.log) + 512

    def encode(self) -> bytes:
        """Return one line of JSON, closed by its own digest: a torn or altered record is found out by `decode`."""
        artifacts = {name: artifact.to_json() for name, artifact in self.artifacts.items()}
        body = canonical([self.fingerprint, artifacts, self.ledger.to_json(), self.measures, self.log])
        return body + b" " + digest_bytes(body).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes, *, key: str = "") -> TaskRecord:
        """Read what `encode` wrote.

        Raises:
            CorruptObject: the line's digest is not that of its body.
        """
        body, _, found = line.rstrip(b"\n").rpartition(b" ")
        if digest_bytes(body).encode() != found:
            raise CorruptObject(
                "a task record is damaged",
                why="its digest does not fit its text",
                hint="it counts as absent: the task runs again",
                key=key,
            )
        return cls.read(line)

    @classmethod
    def read(cls, line: bytes) -> TaskRecord:
        """Read a line that is known to be sound: its row names its digest."""
        return cls.read_many([line])[0]

    @classmethod
    def read_many(cls, lines: Sequence[bytes]) -> list[TaskRecord]:
        """Read the lines of records that are known to be sound."""
        return [cls._of(value) for value in _bodies(lines)]

    @classmethod
    def _of(cls, value: Sequence[Any]) -> TaskRecord:
        fingerprint, items, ledger, measures, log = value
        artifacts = {name: Artifact.from_json(item) for name, item in items.items()}
        return cls(fingerprint, artifacts, LedgerCounts.from_json(ledger), Measures(*measures), log)


def _bodies(lines: Sequence[bytes]) -> list[list[Any]]:
    """Return the JSON of records' lines, read at once: many small calls cost more than what they read."""
    text = b"".join([b"[", b",".join([line[: line.rindex(b" ")] for line in lines]), b"]"])
    found: list[list[Any]] = json.loads(text.decode())
    return found


class Row(NamedTuple):
    """Where a task record lies: what a segment or manifest says of one task. ``digest`` is that of its line."""

    fingerprint: str
    digest: str
    pack: str
    offset: int
    length: int
