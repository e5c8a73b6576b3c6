"""Outputs in a folder of this machine.

Published files are copies (by reflink where the file system can), never links into the store: an edited result must
not corrupt it. All are written beside their places first, then renamed (`stores.staging`).
Imports `flowbutton.model`, `stores`.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from flowbutton.model.blocks import BLOCK
from flowbutton.model.errors import NoSpace, OptionError
from flowbutton.model.records import Artifact
from flowbutton.stores.artifacts import Artifacts
from flowbutton.stores.objects import Objects
from flowbutton.stores.publishing import Publisher, inside
from flowbutton.stores.staging import Staged, staged

_NOTE = ".flowbutton-published.json"


class FolderPublisher(Publisher):
    """Files under a folder.

    Holds more than `Publisher` promises: where the disk is full, no file of an earlier run was replaced.
    Does not hold: that a file which somebody else put under an output's name stays.
    """

    def __init__(self, folder: Path) -> None:
        self._given, self.folder = folder, folder.resolve()
        self.uri = self.identity = str(self.folder)

    def address(self, name: str) -> str:
        """Return the path of an output, as the folder was given."""
        return str(self._given / name)

    def check(self, store: str, names: Sequence[str]) -> None:
        """Refuse a folder that is a file, and folders that have outputs' names."""
        del store
        place = self._nearest()
        if not place.is_dir():
            raise OptionError(
                "the results can't go into a file",
                why=f"'{place}' is a file",
                hint="remove it, or choose another --results",
                file=str(self._given),
            )
        self._free(names)

    def check_access(self) -> None:
        """Refuse a folder that may not be written to."""
        place = self._nearest()
        if not os.access(place, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            raise OptionError(
                "the results folder can't be written to",
                why=f"you may not write in '{place}'",
                hint="change its permissions, or choose another --results",
                file=str(self._given),
            )

    def _nearest(self) -> Path:
        """Return the folder, or the nearest one above it that exists."""
        place = self._given
        while not place.exists():
            place = place.parent
        return place

    def publish(self, found: Mapping[str, Artifact], objects: Objects) -> None:
        """Write beside the places, then rename.

        Raises:
            NoSpace: the disk is full; nothing was renamed, the results of an earlier run stand.
            OptionError: a folder may not be written to, or something is in the way; nothing was renamed.
        """
        results, artifacts = self.folder, Artifacts(objects)
        places = {name: results / inside(name) for name in found}
        try:
            results.mkdir(parents=True, exist_ok=True)
            known = _Published(results)
            self._free([*found])
            with staged(results, [*places.values(), known.file]) as work:
                for name, artifact in found.items():
                    if not known.holds(name, artifact):
                        _write(artifact, work.at(places[name]), artifacts)
                work.name_all()
                known.note(found, work)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise NoSpace(
                    "no space left to publish the results",
                    why=str(error),
                    hint="make room or give another --results; finished tasks are kept",
                    file=str(self._given),
                ) from error
            if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise OptionError(
                    "the results can't be written",
                    why=error.strerror or "",
                    hint="change its permissions, or choose another --results",
                    file=str(error.filename or self._given),
                ) from error
            raise

    def _free(self, names: Sequence[str]) -> None:
        """Raise `OptionError` where a folder has an output's name, or a file that of its folder."""
        places = {self.folder / inside(name) for name in names}
        above = {one for place in places for one in place.parents if one.is_relative_to(self.folder)}
        folders, files = (one for one in places if one.is_dir()), (one for one in above if one.is_file())
        for why, found in (
            ("a folder is where an output shall be", folders),
            ("a file is where a folder of outputs shall be", files),
        ):
            blocking = min(found, default=None)
            if blocking is not None:
                raise OptionError(
                    f"'{blocking.relative_to(self.folder)}' is in the way",
                    why=why,
                    hint="move it away, or choose another --results",
                    file=str(blocking),
                )

    def read(self, name: str) -> Iterator[bytes] | None:
        """Yield a file's bytes; None if there is none."""
        place = self.folder / inside(name)
        return _blocks(place) if place.is_file() else None


def _blocks(place: Path) -> Iterator[bytes]:
    with place.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


class _Published:
    """What was published into a folder, by name: digest, and the size and time that the file then had."""

    def __init__(self, results: Path) -> None:
        self._results, self.file = results, results / _NOTE
        try:
            self._known: dict[str, list[object]] = json.loads(self.file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            self._known = {}

    def holds(self, name: str, artifact: Artifact) -> bool:
        """Return whether the file is there as it was published, with this content."""
        return self._known.get(name) == self._look(name, artifact)

    def note(self, found: Mapping[str, Artifact], work: Staged) -> None:
        """Remember what is published now."""
        known = {name: self._look(name, artifact) for name, artifact in found.items()}
        if known != self._known:
            work.at(self.file).write_text(json.dumps(known, indent=1) + "\n")
            work.name_all()

    def _look(self, name: str, artifact: Artifact) -> list[object]:
        try:
            status = (self._results / name).stat()
        except FileNotFoundError:
            return [artifact.digest]
        return [artifact.digest, status.st_size, status.st_mtime_ns]


def _write(artifact: Artifact, place: Path, artifacts: Artifacts) -> None:
    with place.open("wb") as sink:
        artifacts.write(artifact, sink)
        sink.flush()
        os.fsync(sink.fileno())
