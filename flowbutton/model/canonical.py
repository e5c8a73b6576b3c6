"""One encoding and one digest for everything that gets an identity.

Here: canonical JSON (sorted keys, no blanks, each value's kind kept apart) and sha256 over it.
Imports nothing of flowbutton.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_in_c: Callable[..., Callable[[Json, int], Iterable[str]]] | None = getattr(json.encoder, "c_make_encoder", None)


def _encoding() -> Callable[[Json], str]:
    """Return how values are encoded: `JSONEncoder.encode`, which makes a C encoder for each call, with one for all."""
    if _in_c is None:
        return _ENCODER.encode
    text, one = json.encoder.encode_basestring, _ENCODER
    parts = _in_c(None, one.default, text, None, one.key_separator, one.item_separator, True, False, False)
    return lambda value: "".join(parts(value, 0))


_encode = _encoding()


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
