"""Results become artifacts: encoded by type, small ones inline, others put under their digest.

Imports `flowbutton.model`, `stages`, `stores`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowbutton.model.canonical import digest_bytes
from flowbutton.model.composite import Composition
from flowbutton.model.errors import Bug
from flowbutton.model.records import INLINE_LIMIT, Artifact
from flowbutton.stages.codecs import Encoded, encode
from flowbutton.stages.define import is_named_tuple
from flowbutton.stores.objects import Objects


def store_outputs(value: object, outputs: Mapping[str, Any], objects: Objects) -> dict[str, Artifact]:
    """Store what a stage's function returned.

    Raises:
        Bug: the value does not have the outputs that the stage declares.
    """
    if set(outputs) == {""}:
        return {"": store_one(encode(value, outputs[""]), objects)}
    if not is_named_tuple(type(value)):
        raise Bug(
            f"the stage returned {type(value).__name__}",
            why=f"it declares the outputs {', '.join(outputs)}",
            hint="return the NamedTuple that the function's annotation names",
        )
    return {name: store_one(encode(getattr(value, name), kind), objects) for name, kind in outputs.items()}


def store_one(encoded: Encoded, objects: Objects) -> Artifact:
    """Store one encoded value; bundles are never inline, since they are read by range; nor is a composite's list."""
    data = encoded.data
    if encoded.size is not None and isinstance(data, bytes):
        parts = Composition.decode(data).spread(lambda own: objects.put(own)[0])
        return Artifact(encoded.kind, objects.put(parts.encode())[0], encoded.size, None, encoded.suffix)
    if isinstance(data, Path) and encoded.kind != "bundle" and data.stat().st_size <= INLINE_LIMIT:
        data = data.read_bytes()
    if isinstance(data, bytes) and len(data) <= INLINE_LIMIT:
        return Artifact(encoded.kind, digest_bytes(data), len(data), data, encoded.suffix)
    digest, size = objects.put(data, encoded.blocks)
    return Artifact(encoded.kind, digest, size, None, encoded.suffix)
