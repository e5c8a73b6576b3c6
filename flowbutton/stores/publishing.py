"""Publishing: outputs under their names, in a folder or in a bucket.

Here: what is promised, and where which URI goes. Not here: which results are outputs (`engine.publish`), the places
themselves (`stores.publishing_folder`, `stores.publishing_s3`). Imports `model`, `stores.objects`, `stores.uris`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from flowbutton.model.errors import Bug, OptionError
from flowbutton.model.records import Artifact
from flowbutton.stores.objects import Objects
from flowbutton.stores.uris import path_of, scheme_of


class Publisher(ABC):
    """Where outputs go.

    Holds: an output appears under its name whole or not at all, and one that is replaced is replaced at once, also
    when the writer is killed; what is there already with the same content is left as it is; what was published is an
    own copy, so changing it changes no result in the store; nothing is deleted.
    Does not hold: that several outputs appear at one moment. What fails while bytes are on their way leaves the outputs
    of an earlier run as they were; only a writer that ends between two names leaves some new and some old.
    """

    uri: str
    """The place, absolute: a path or a URI, as ``run.json`` holds it."""

    identity: str
    """The place without how it is reached: what its lease is known by."""

    @abstractmethod
    def address(self, name: str) -> str:
        """Return the path or URI of an output."""

    @abstractmethod
    def check(self, store: str, names: Sequence[str]) -> None:
        """Refuse a place where outputs can't be, before hours are spent on them. Nothing becomes visible.

        Args:
            store: The URI of the run's store.
            names: Outputs whose names are known already.

        Raises:
            OptionError: it is none, it overlaps with the store, or something is in the way.
        """

    @abstractmethod
    def check_access(self) -> None:
        """Refuse a place that may not be written to, before anything runs. Not asked where all is done.

        Raises:
            OptionError: it does not exist and can't be made, or may not be written to.
        """

    @abstractmethod
    def publish(self, found: Mapping[str, Artifact], objects: Objects) -> None:
        """Publish artifacts under their names.

        Raises:
            NoSpace: there is no room; what an earlier run published stands.
            NotInStore, CorruptObject: an artifact's bytes are not in the store as they were put.
        """

    @abstractmethod
    def read(self, name: str) -> Iterator[bytes] | None:
        """Yield what is published under a name, in blocks of `model.blocks.BLOCK` bytes; None if there is nothing."""


def publisher_for(results: str, pipeline: str) -> Publisher:
    """Return the publisher for ``--results``: a path, ``file:///folder`` or ``s3://bucket/prefix``. No request is sent.

    Raises:
        OptionError: outputs can't go there.
    """
    scheme = scheme_of(results)
    if scheme == "file":
        from flowbutton.stores.publishing_folder import FolderPublisher

        return FolderPublisher(path_of(results))
    if scheme == "s3":
        from flowbutton.stores.publishing_s3 import S3Publisher

        return S3Publisher(results, pipeline)
    raise OptionError(
        f"results can't go to '{scheme}:'",
        why="outputs are published into a folder, or into a bucket of S3",
        hint="give --results a path or s3://bucket/prefix, and copy what is published there",
    )


def inside(name: str) -> PurePosixPath:
    """Return an output's name as a path that stays inside.

    Raises:
        Bug: it would not.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise Bug(f"output name '{name}' leads out of the results", why="", hint="use a relative name")
    return path
