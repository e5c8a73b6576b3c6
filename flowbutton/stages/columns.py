"""Named arrays and a small head as bytes: how tables go from stage to stage. Equal values give equal bytes.

Not here: what is in a table (the stage that writes it). Imports numpy.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flowbutton.model.canonical import Json, canonical

Array = npt.NDArray[Any]
_LENGTH = struct.Struct("<I")


def pack(arrays: Mapping[str, Array], head: Mapping[str, Json] | None = None) -> bytes:
    """Return arrays of numbers (any shape) and a head as bytes; the inverse of `unpack`."""
    columns = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    places: Json = [[name, array.dtype.str, list(array.shape)] for name, array in columns.items()]
    text = canonical({"head": dict(head or {}), "columns": places})
    return b"".join([_LENGTH.pack(len(text)), text, *(array.data for array in columns.values())])


def unpack(data: bytes) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read what `pack` wrote: the arrays (not writable) and the head."""
    (length,) = _LENGTH.unpack_from(data)
    at = _LENGTH.size + length
    told = json.loads(data[_LENGTH.size : at])
    arrays: dict[str, Array] = {}
    for name, kind, shape in told["columns"]:
        count = int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.frombuffer(data, kind, count, at).reshape(shape)
        at += arrays[name].nbytes
    return arrays, told["head"]


def write(path: Path, arrays: Mapping[str, Array], head: Mapping[str, Json] | None = None) -> Path:
    """Write a table to a file; return the path."""
    path.write_bytes(pack(arrays, head))
    return path


def read(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read what `write` wrote."""
    return unpack(path.read_bytes())
