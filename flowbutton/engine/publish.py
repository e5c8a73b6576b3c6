"""Outputs: which results are published under which names, and what is told of them.

Not here: how they come there (`stores.publishing`). Imports `flowbutton.model`, `dag`, `engine`, `stores`.
"""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from flowbutton.dag.graph import OutputNode
from flowbutton.dag.outputs import SUFFIX
from flowbutton.engine.nodes import Node
from flowbutton.engine.tasks import Result
from flowbutton.model.composite import COMPOSITE
from flowbutton.model.errors import OptionError
from flowbutton.model.records import Artifact
from flowbutton.stores.objects import Objects
from flowbutton.stores.publishing import Publisher

_LONGEST = 200  # bytes of a key's value in a file name, of which a system takes 255


@dataclass(frozen=True, slots=True)
class Publication:
    """One file to publish: its name under the results folder, and the result whose output it is."""

    name: str
    result: Result
    output: str

    def name_of(self, artifact: Artifact) -> str:
        """Return the name, with the artifact's extension put in."""
        return self.name.replace(f"{{{SUFFIX}}}", artifact.suffix)


def publications(output: OutputNode, nodes: Mapping[str, Node]) -> Iterator[Publication]:
    """Yield the files of one output: one, or one per task where the name has key columns in braces.

    Raises:
        OptionError: two tasks would get one name, or a column in braces is not in the key.
    """
    producer = output.producers[0]
    node = nodes[producer.name]
    columns = [field for _, field, _, _ in string.Formatter().parse(output.name) if field and field != SUFFIX]
    taken: set[str] = set()
    for task, result in node.ordered():
        key = dict(node.keys[task])
        missing = [column for column in columns if column not in key]
        if missing:
            raise OptionError(
                f"output '{output.name}' names the column '{missing[0]}'",
                why=f"the key of '{producer}' has: {', '.join(key) or 'no columns'}",
                hint="use one of these in braces",
                line=output.line,
            )
        values = {column: str(key[column]) for column in columns}
        name = _named(output.name, values, _safe)
        if name in taken:
            name = _named(output.name, values, _escaped)
        if name in taken:
            raise OptionError(
                f"two results would be published as '{name}'",
                why=f"'{producer}' has several tasks",
                hint=f"put a key column in braces into the name: {', '.join(f'{{{column}}}' for column in key)}",
                line=output.line,
            )
        taken.add(name)
        yield Publication(name, result, producer.output or "")


def _named(name: str, values: Mapping[str, str], spelled: Callable[[str], str]) -> str:
    suffix = {SUFFIX: f"{{{SUFFIX}}}"}  # known when the artifact is
    return name.format(**suffix, **{column: spelled(value) for column, value in values.items()})


def _safe(text: str) -> str:
    """Make a key's value fit for a file name: of letters that every system takes, and not too long."""
    cleaned = "".join(char if char not in '/\\:*?"<>|' and char.isprintable() else "_" for char in text)
    cleaned = cleaned.encode()[:_LONGEST].decode(errors="ignore")
    return cleaned if cleaned.strip(".") else "_"


def _escaped(text: str) -> str:
    """Make a key's value fit for a file name, and unlike any other's: for two that are one name when made safe."""
    return quote(text, safe="").replace(".", "%2E").replace("_", "%5F")


def settled_names(outputs: Sequence[OutputNode]) -> list[str]:
    """Return the names that are known before anything runs: those with nothing in braces."""
    return [output.name for output in outputs if "{" not in output.name]


def publish(found: Mapping[str, Artifact], publisher: Publisher, objects: Objects) -> list[dict[str, object]]:
    """Publish artifacts under their names; return name, path or URI, digest and bytes of each.

    What a JSON result says of itself under ``headline`` is returned with it. Errors: as `Publisher.publish`.
    """
    publisher.publish(found, objects)
    return [_told(name, artifact, publisher) for name, artifact in found.items()]


def _told(name: str, artifact: Artifact, publisher: Publisher) -> dict[str, object]:
    told: dict[str, object] = {
        "name": name,
        "path": publisher.address(name),
        "digest": artifact.digest,
        "bytes": artifact.size,
    }
    if artifact.kind == COMPOSITE:
        told["kind"] = COMPOSITE  # its digest is that of its list, not of its bytes
    if artifact.kind == "json" and artifact.inline is not None:
        value = json.loads(artifact.inline)
        if isinstance(value, dict) and "headline" in value:
            told["headline"] = value["headline"]
    return told
