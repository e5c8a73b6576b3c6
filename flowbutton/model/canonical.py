"""One encoding and one digest for everything that gets an identity.

Here: canonical JSON (sorted keys, no blanks, each value's kind kept apart) and sha256 over it.
Imports nothing of flowbutton.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]

# Made once: `json.dumps` makes an encoder for each call, which costs more than a small value.
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def canonical(value: Json) -> bytes:
    """Encode ``value`` so that equal values, and only those, give equal bytes.

    Mappings are sorted by key; ``1``, ``1.0``, ``True`` and ``"1"`` differ; a float is written by its
    shortest round-trip text. NaN and infinities are refused.

    Raises:
        TypeError: ``value`` holds something that is not JSON (a tuple counts as a list).
        ValueError: a float is not finite.
    """
    return _encode(value).encode()


def digest_bytes(data: bytes | bytearray | memoryview) -> str:
    """Return the sha256 of ``data`` as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def digest_json(kind: str, value: Json) -> str:
    """Return the digest of ``value`` tagged by its ``kind``, so that two kinds never share an identity."""
    return digest_bytes(kind.encode() + b"\0" + canonical(value))
