"""Outputs: results under their names, each visible whole or not at all.

Published files are copies (by reflink where the file system can), never links into the store: an edited result must
not corrupt it. All are written beside their places first, then renamed. Imports `flowbutton.model`, `dag`, `engine`.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from flowbutton.dag.graph import OutputNode
from flowbutton.dag.outputs import SUFFIX
from flowbutton.engine.nodes import Node
from flowbutton.engine.tasks import Result
from flowbutton.model.errors import Bug, NoSpace, OptionError
from flowbutton.model.records import Artifact
from flowbutton.stores.objects import Objects

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # a Path has one slash where a URI has two


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
        kept = {SUFFIX: f"{{{SUFFIX}}}"}  # known when the artifact is
        name = output.name.format(**kept, **{column: _safe(str(key[column])) for column in columns})
        if name in taken:
            raise OptionError(
                f"two results would be published as '{name}'",
                why=f"'{producer}' has several tasks",
                hint=f"put a key column in braces into the name: {', '.join(f'{{{column}}}' for column in key)}",
                line=output.line,
            )
        taken.add(name)
        yield Publication(name, result, producer.output or "")


def _safe(text: str) -> str:
    """Make a key's value fit for a file name."""
    cleaned = "".join(char if char not in '/\\:*?"<>|' and char.isprintable() else "_" for char in text)
    return cleaned if cleaned.strip(".") else "_"


def check_folder(results: Path) -> None:
    """Refuse a results folder that can't be written to, before hours are spent on what would go there.

    Raises:
        OptionError: it is a URI or a file, or may not be written to.
    """
    if _URI.match(str(results)):
        raise OptionError(
            "results go into a folder of this machine, not to a URI",
            why="only the store, where intermediate results are kept, can be elsewhere",
            hint="give --results a path, and copy what is published there",
            file=str(results),
        )
    place = results
    while not place.exists():
        place = place.parent
    if not place.is_dir():
        what, why, hint = (
            "the results can't go into a file",
            f"'{place}' is one",
            "remove it, or choose another --results",
        )
    elif not os.access(place, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        what, why = "the results folder can't be written to", f"you may not write in '{place}'"
        hint = "change its permissions, or choose another --results"
    else:
        return
    raise OptionError(what, why=why, hint=hint, file=str(results))


def publish(found: Mapping[str, Artifact], results: Path, objects: Objects) -> list[dict[str, object]]:
    """Write artifacts under their names in ``results``; return name, path, digest and bytes of each.

    A file that an earlier run published and nobody touched since is left as it is. What a JSON result says of itself
    under ``headline`` is returned with it.

    Raises:
        NoSpace: the disk is full; nothing was renamed, the results of an earlier run stand.
    """
    staged: list[tuple[Path, Path]] = []
    results.mkdir(parents=True, exist_ok=True)
    known = _Published(results)
    try:
        for name, artifact in found.items():
            place = results / _inside(name)
            if not known.holds(name, artifact):
                place.parent.mkdir(parents=True, exist_ok=True)
                fresh = place.with_name(f".{place.name}.partial")
                staged.append((fresh, place))
                _write(artifact, fresh, objects)
        for fresh, place in staged:
            fresh.replace(place)
        known.note(found)
    except OSError as error:
        for fresh, _ in staged:
            fresh.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NoSpace(
                "no space left to publish the results",
                why=str(error),
                hint="make room or give another --results; finished tasks are kept",
                file=str(results),
            ) from error
        raise
    return [_told(name, artifact, results) for name, artifact in found.items()]


class _Published:
    """What was published into a folder, by name: digest, and the size and time that the file then had."""

    def __init__(self, results: Path) -> None:
        self._results, self._file = results, results / ".flowbutton-published.json"
        try:
            self._known: dict[str, list[object]] = json.loads(self._file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            self._known = {}

    def holds(self, name: str, artifact: Artifact) -> bool:
        """Return whether the file is there as it was published, with this content."""
        return self._known.get(name) == self._look(name, artifact)

    def note(self, found: Mapping[str, Artifact]) -> None:
        """Remember what is published now."""
        known = {name: self._look(name, artifact) for name, artifact in found.items()}
        if known != self._known:
            fresh = self._file.with_name(f"{self._file.name}.partial")
            fresh.write_text(json.dumps(known, indent=1) + "\n")
            fresh.replace(self._file)

    def _look(self, name: str, artifact: Artifact) -> list[object]:
        try:
            status = (self._results / name).stat()
        except FileNotFoundError:
            return [artifact.digest]
        return [artifact.digest, status.st_size, status.st_mtime_ns]


def _told(name: str, artifact: Artifact, results: Path) -> dict[str, object]:
    told: dict[str, object] = {
        "name": name,
        "path": str(results / name),
        "digest": artifact.digest,
        "bytes": artifact.size,
    }
    if artifact.kind == "json" and artifact.inline is not None:
        value = json.loads(artifact.inline)
        if isinstance(value, dict) and "headline" in value:
            told["headline"] = value["headline"]
    return told


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise Bug(f"output name '{name}' leads out of the results folder", why="", hint="use a relative name")
    return path


def _write(artifact: Artifact, place: Path, objects: Objects) -> None:
    with place.open("wb") as sink:
        if artifact.inline is not None:
            sink.write(artifact.inline)
        else:
            with (
                TemporaryDirectory(prefix=".fetched-", dir=place.parent) as folder,
                objects.fetch(artifact.digest, Path(folder)).open("rb") as source,
            ):
                _copy(source.fileno(), sink.fileno(), artifact.size)
        sink.flush()
        os.fsync(sink.fileno())


def _copy(source: int, sink: int, size: int) -> None:
    """Copy by copy_file_range(2), which shares blocks where the file system can; by plain copying elsewhere."""
    done = 0
    try:
        while done < size:
            step = os.copy_file_range(source, sink, size - done)
            if step == 0:
                break
            done += step
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
    if done < size:
        os.lseek(source, done, os.SEEK_SET)
        with os.fdopen(os.dup(source), "rb") as reader, os.fdopen(os.dup(sink), "wb") as writer:
            shutil.copyfileobj(reader, writer, 1024**2)
