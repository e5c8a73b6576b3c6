"""The key layout of a run's store: which keys exist and what they are for.

Here: one function per kind of key, and the rule that keeps keys inside the prefix. Pure.
Not here: what the objects hold (`stores.objects`, `stores.packs`, `stores.records`, `stores.leases`).
No key is a folder of another (``a`` and ``a/b`` never both exist): a local folder could not hold both.
Imports `model.errors`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from flowbutton.model.errors import NotInStore

_SEGMENT = re.compile(r"[A-Za-z0-9._=-]+")
_KEY = re.compile(r"(?:(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._=-]+(?:/(?!\Z)|\Z))+")
_OBJECT = re.compile(r"(?:objects/[0-9a-f]{2}/)?([0-9a-f]{64})(?:\.blocks)?")
_BLOCKS = ".blocks"
_DURABLE = re.compile(r"(leases|manifests)/|records/[^/]+/segments/")


def is_segment(name: str) -> bool:
    """Return whether ``name`` can be a segment of a key."""
    return name not in (".", "..") and _SEGMENT.fullmatch(name) is not None


def check_key(key: str) -> str:
    """Return ``key`` if it may be used.

    Raises:
        ValueError: it is not a relative path of ``[A-Za-z0-9._=-]`` segments, or would leave the prefix.
    """
    if _KEY.fullmatch(key) is None:
        raise ValueError(f"{key!r} is not a key: segments of A-Z a-z 0-9 . _ = - joined by '/', none '.' or '..'")
    return key


def check_prefix(prefix: str) -> str:
    """Return ``prefix`` if a key can begin with it; its last segment may be cut anywhere.

    Raises:
        ValueError: no key can begin with it.
    """
    folder, slash, rest = prefix.rpartition("/")
    if slash:
        check_key(folder)
    if rest and not _SEGMENT.fullmatch(rest):
        raise ValueError(f"no key begins with {prefix!r}")
    return prefix


def check_range(start: int, stop: int | None) -> None:
    """Refuse what a slice would take to count from the end.

    Raises:
        ValueError: a bound is negative.
    """
    if start < 0 or (stop is not None and stop < 0):
        raise ValueError(f"a range of bytes is not negative, got [{start}, {stop})")


def not_in_store(key: str, uri: str) -> NotInStore:
    """Make the error for a key that has no object."""
    return NotInStore(
        "an object is not in the store",
        why="it was never put, or it was deleted since",
        hint="run again: what is missing is made again",
        key=key,
        store=uri,
    )


def is_durable(key: str) -> bool:
    """Return whether a put of ``key`` must survive a power cut.

    Leases, segments and manifests decide who drives and what counts as done. All else is found damaged by its digest
    and made again, so it needn't wait for the disk.
    """
    return _DURABLE.match(key) is not None


def object_key(digest: str) -> str:
    """Where the bytes with this digest lie."""
    return f"objects/{digest[:2]}/{digest}"


def digest_in(key: str) -> str | None:
    """Return the digest of the object that a key or digest names; None if it names none."""
    match = _OBJECT.fullmatch(key)
    return match and match[1]


def blocks_key(digest: str) -> str:
    """Where the block digests of a large object lie."""
    return object_key(digest) + _BLOCKS


def is_list(key: str) -> bool:
    """Return whether a key is one of `blocks_key`."""
    return key.endswith(_BLOCKS)


class Kind(StrEnum):
    """What the engine writes under keys that name no run and no lease."""

    OBJECT = "object"
    PACK = "pack"
    SEGMENT = "segment"
    SELECTION = "selection"
    MANIFEST = "manifest"
    PAST = "past"


_KEYS = {
    Kind.OBJECT: re.compile(r"objects/([0-9a-f]{2})/(?P<digest>\1[0-9a-f]{62})(\.blocks)?"),
    Kind.PACK: re.compile(r"records/(?P<digest>[0-9a-f]{64})/packs/(?P<name>[0-9a-f]{64}(-\d+)?)"),
    Kind.SEGMENT: re.compile(r"records/(?P<digest>[0-9a-f]{64})/segments/(?P<name>\d{8})"),
    Kind.SELECTION: re.compile(r"records/(?P<digest>[0-9a-f]{64})/selections/(?P<name>[0-9a-f]{64})"),
    Kind.MANIFEST: re.compile(r"manifests/(?P<digest>[0-9a-f]{64})/(?P<name>[0-9a-f]{64})"),
    Kind.PAST: re.compile(r"pasts/(?P<digest>[0-9a-f]+)"),
}


@dataclass(frozen=True, slots=True)
class Written:
    """A key that the engine wrote, taken apart: its kind, the digest of object or stage, the name there."""

    kind: Kind
    digest: str
    name: str


def written(key: str) -> Written | None:
    """Return what the engine wrote under a key; None for runs, leases, and what somebody else put there."""
    for kind, pattern in _KEYS.items():
        if (match := pattern.fullmatch(key)) is not None:
            parts = match.groupdict()
            return Written(kind, parts["digest"], parts.get("name", ""))
    return None


def packs_prefix(stage_digest: str) -> str:
    """Begins the keys of all packs of a stage."""
    return f"records/{stage_digest}/packs/"


def pack_key(stage_digest: str, name: str) -> str:
    """Where a batch's task records lie."""
    return packs_prefix(stage_digest) + name


def segments_prefix(stage_digest: str) -> str:
    """Begins the keys of all segments of a stage."""
    return f"records/{stage_digest}/segments/"


def segment_key(stage_digest: str, number: int) -> str:
    """Where the driver's ``number``-th commit of rows lies; the lowest number wins."""
    return f"{segments_prefix(stage_digest)}{number:08d}"


def selection_key(stage_digest: str, digest: str) -> str:
    """Where a list of rows in order lies, for a call's payload to name."""
    return f"records/{stage_digest}/selections/{digest}"


def manifests_prefix(stage_digest: str) -> str:
    """Begins the keys of all manifests of a stage."""
    return f"manifests/{stage_digest}/"


def manifest_key(stage_digest: str, set_digest: str) -> str:
    """Where the rows of a finished stage lie, by the digest of its set of fingerprints."""
    return manifests_prefix(stage_digest) + set_digest


def run_key(run_id: str, name: str) -> str:
    """Where a file of a run's folder lies: ``spec.yaml``, ``events/00000001.jsonl``."""
    return f"runs/{run_id}/{name}"


def lease_prefix(name: str) -> str:
    """Begins the keys of all epochs of a lease."""
    return f"leases/{name}/"


def lease_key(name: str, epoch: int) -> str:
    """Where one epoch of a lease lies; the highest holds."""
    return f"{lease_prefix(name)}{epoch:08d}"


def past_key(name: str) -> str:
    """Where it is kept how the stages of a pipeline were when they last finished, for plans to compare with."""
    return f"pasts/{name}"
