"""Bytes by blocks of 8 MiB: each block's digest, and that of the whole, so that a range can be checked alone.

Here: the list of digests, and how it is made while bytes are written. Not here: objects of a store (`stores.objects`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from flowbutton.model.canonical import canonical, digest_bytes

BLOCK = 8 * 1024**2
BLOCKS_TAG = b"blocks\0"


@dataclass(frozen=True, slots=True)
class Blocks:
    """The size of some bytes and the digest of each block; at least one block, also for no bytes."""

    size: int
    digests: tuple[str, ...]

    def encode(self) -> bytes:
        """Return the canonical list."""
        return canonical({"block": BLOCK, "size": self.size, "sha256": list(self.digests)})

    @classmethod
    def decode(cls, text: bytes) -> Blocks:
        """Read what `encode` wrote."""
        value = json.loads(text)
        return cls(value["size"], tuple(value["sha256"]))

    @property
    def digest(self) -> str:
        """The digest of the whole: a single block's own, else that of the list."""
        return self.digests[0] if len(self.digests) == 1 else digest_bytes(BLOCKS_TAG + self.encode())


class BlocksWritten:
    """Digests bytes that come one after the other, in parts of any size."""

    def __init__(self) -> None:
        self._size = 0
        self._digests: list[str] = []
        self._open = hashlib.sha256()

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        view = memoryview(data)
        while view:
            if self._size and self._size % BLOCK == 0:
                self._digests.append(self._open.hexdigest())
                self._open = hashlib.sha256()
            some = view[: BLOCK - self._size % BLOCK]
            self._open.update(some)
            self._size += len(some)
            view = view[len(some) :]

    def blocks(self) -> Blocks:
        """Return the blocks of all bytes so far."""
        return Blocks(self._size, (*self._digests, self._open.hexdigest()))
