"""Leases: one driver at a time for a pipeline and its results, by epochs (DESIGN.md, 'The store').

Who takes over puts epoch + 1 if absent; only the owner rewrites its own epoch, counting. A lease is stale when its
counter did not move for the holder's ``ttl_s`` on the observer's monotonic clock, or when the holder was a process of
this host that is gone. A released epoch stays, marked: a number is never used twice.
A lease keeps drivers from working in vain; what keeps results right is that the first row wins (`stores.records`).
Imports `model`, `stores.layout`, `stores.packs`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from flowbutton.model.canonical import Json
from flowbutton.model.errors import CorruptObject, FlowbuttonError, Locked, NotInStore
from flowbutton.model.process import ProcessIdentity
from flowbutton.model.store import Store
from flowbutton.stores.layout import lease_key, lease_prefix
from flowbutton.stores.packs import seal, unseal

_LONGEST_PAUSE_S = 1.0

CLEANING = "clean"
"""The lease on a whole store: who cleans takes it and waits for all runs, and a run waits for who cleans."""

_BUSY = {CLEANING: "the store is being cleaned"}


LeaseOwner = ProcessIdentity
"""Who holds a lease."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What an epoch's object says: who, since when (for people), how long it may be silent, and its counter."""

    owner: LeaseOwner
    since: str
    ttl_s: float
    counter: int = 0
    released: bool = False

    def encode(self) -> bytes:
        """Return the sealed line."""
        owner: Json = [self.owner.host, self.owner.pid, self.owner.started]
        return seal([owner, self.since, self.ttl_s, self.counter, self.released])

    @classmethod
    def decode(cls, line: bytes, key: str) -> Claim:
        """Read what `encode` wrote. Raises `CorruptObject`."""
        (host, pid, started), since, ttl_s, counter, released = unseal(line, key)
        return cls(LeaseOwner(host, pid, started), since, ttl_s, counter, released)


class Lease:
    """A lease that is held, until somebody takes it over or it is released. One thread drives it."""

    def __init__(self, store: Store, name: str, epoch: int, claim: Claim) -> None:
        self._store, self._name, self._claim = store, name, claim
        self.epoch = epoch

    @property
    def ttl_s(self) -> float:
        """How long the owner may be silent, in seconds."""
        return self._claim.ttl_s

    def renew(self) -> None:
        """Show that the owner lives; to be called several times within ``ttl_s``.

        Raises:
            Locked: somebody took the lease over; stop.
        """
        epoch, claim = _latest(self._store, self._name)
        if epoch != self.epoch:
            raise _locked("the lease was taken over", self._name, claim)
        self._claim = replace(self._claim, counter=self._claim.counter + 1)
        self._store.put(lease_key(self._name, self.epoch), self._claim.encode())

    def release(self) -> None:
        """Let others have it at once; nothing happens if it was taken over. May be called twice."""
        if _latest(self._store, self._name)[0] == self.epoch:
            # Marked, not deleted: a number used again would let a late renewal overwrite another's claim.
            self._claim = replace(self._claim, released=True)
            self._store.put(lease_key(self._name, self.epoch), self._claim.encode())


def acquire(
    store: Store,
    name: str,
    *,
    owner: LeaseOwner,
    ttl_s: float,
    now: Callable[[], float],
    wait_s: float | None,
    pause: Callable[[float], None] = time.sleep,
) -> Lease:
    """Take the lease called ``name`` (a segment of a key).

    Args:
        ttl_s: How long this owner may be silent before others may take over, in seconds.
        now: A monotonic clock, in seconds.
        wait_s: How long to wait for another owner; 0 fails at once, None waits as long as it takes.
        pause: Waits between two looks.

    Raises:
        Locked: another owner holds it, and did so for ``wait_s``.
    """
    begun = now()
    while True:
        left_s = None if wait_s is None else max(0.0, wait_s - (now() - begun))
        epoch = await_free(store, name, observer=owner, now=now, wait_s=left_s, pause=pause)
        lease = _claim(store, name, epoch + 1, owner, ttl_s)
        if lease is not None:
            return lease


def await_free(
    store: Store,
    name: str,
    *,
    observer: LeaseOwner,
    now: Callable[[], float],
    wait_s: float | None,
    pause: Callable[[float], None] = time.sleep,
) -> int:
    """Wait until nobody holds the lease called ``name``; return its last epoch. Arguments and errors as `acquire`."""
    begun = now()
    seen, seen_at = (-1, -1), begun
    while True:
        epoch, claim = _latest(store, name)
        mark = (epoch, claim.counter if claim else -1)
        if mark != seen:
            seen, seen_at = mark, now()
        if claim is None or claim.released or claim.owner.is_gone(observer) or now() - seen_at >= claim.ttl_s:
            return epoch
        if wait_s is not None and now() - begun >= wait_s:
            raise _locked(_BUSY.get(name, "another run holds the same pipeline and results"), name, claim)
        pause(min(_LONGEST_PAUSE_S, claim.ttl_s / 5))


@contextmanager
def hold(
    store: Store,
    name: str,
    *,
    beside: Callable[[], Iterable[str]],
    ttl_s: float,
    wait_s: float | None,
    now: Callable[[], float] = time.monotonic,
) -> Iterator[Lease]:
    """Hold the lease called ``name`` while nobody holds those that ``beside`` names; release it in the end.

    One's own is taken first: of two that must not be at work together, each takes its own and then looks for the
    other's, so at least one of them sees the other. Arguments and errors as `acquire`.
    """
    owner = LeaseOwner.current()
    lease = acquire(store, name, owner=owner, ttl_s=ttl_s, now=now, wait_s=wait_s)
    renew = renewing(lease, now)

    def pause(delay_s: float) -> None:
        renew()
        time.sleep(delay_s)

    try:
        for other in beside():
            await_free(store, other, observer=owner, now=now, wait_s=wait_s, pause=pause)
        yield lease
    finally:
        lease.release()


def renewing(lease: Lease, now: Callable[[], float]) -> Callable[[], None]:
    """Return a function that renews the lease a few times within its life, whenever it is called."""
    last = now()

    def renew() -> None:
        nonlocal last
        if now() - last > lease.ttl_s / 5:
            lease.renew()
            last = now()

    return renew


def held_names(store: Store) -> list[str]:
    """Return the names of all leases that were ever taken."""
    return [*dict.fromkeys(key.split("/")[1] for key in store.list("leases/"))]


def _claim(store: Store, name: str, epoch: int, owner: LeaseOwner, ttl_s: float) -> Lease | None:
    claim = Claim(owner, datetime.now(UTC).isoformat(timespec="seconds"), ttl_s)
    if not store.put_if_absent(lease_key(name, epoch), claim.encode()):
        return None
    keys = [*store.list(lease_prefix(name))]
    # Who looked long ago may get a number that was held and cleared since; a higher one then stands.
    if keys[-1] != lease_key(name, epoch):
        return None
    lease = Lease(store, name, epoch, claim)
    try:
        for key in keys[:-1]:
            store.delete(key)
    except FlowbuttonError:
        lease.release()  # else others would wait for who never began
        raise
    return lease


def _latest(store: Store, name: str) -> tuple[int, Claim | None]:
    """Return the highest epoch and its claim: 0 and None if there is none; None if the claim is damaged."""
    keys = [*store.list(lease_prefix(name))]
    if not keys:
        return 0, None
    epoch = int(keys[-1].rpartition("/")[2])
    try:
        return epoch, Claim.decode(store.get(keys[-1]), keys[-1])
    except CorruptObject:
        return epoch, None
    except NotInStore:  # a holder clears lower epochs: a higher one stands by now
        return _latest(store, name)


def _locked(what: str, name: str, claim: Claim | None) -> Locked:
    holder = (
        f"process {claim.owner.pid} on {claim.owner.host.partition(' ')[0]} since {claim.since}" if claim else "unknown"
    )
    return Locked(
        what,
        why=f"it is held by {holder}",
        hint="wait for it with --on-conflict wait, which also takes over from a driver that is gone",
        lease=name,
    )
