"""Outputs in a bucket, under a prefix: each is one object, whole or not there.

Every published object has its digest as the token in its metadata: so it is known as ours, an equal one is left as it
is, and what somebody else put there is never replaced. Where the store is on the same server, outputs are copied from
it there, large ones in parts (`stores.s3_assembly`); all else goes up in parts, read by its digest.
Parts are sent first, and only then does one output after the other become visible. A note beside
them names the uploads that are on their way; where a publishing was killed, the next one ends them.
Not here: copying and sending parts (`stores.s3_parts`), errors and repeats (`stores.s3_client`).
"""

from __future__ import annotations

import json
import mimetypes
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from flowbutton.model.blocks import BLOCK
from flowbutton.model.composite import COMPOSITE, Composition, Span
from flowbutton.model.errors import OptionError
from flowbutton.model.records import Artifact
from flowbutton.stores.artifacts import Artifacts
from flowbutton.stores.intermediates import Intermediates, durable_part
from flowbutton.stores.layout import object_key
from flowbutton.stores.objects import Objects, corrupt
from flowbutton.stores.publishing import Publisher, inside
from flowbutton.stores.s3 import S3Store
from flowbutton.stores.s3_assembly import assembled_parts, assembly
from flowbutton.stores.s3_bucket import Bucket
from flowbutton.stores.s3_client import explaining, repeated
from flowbutton.stores.s3_hot import TOKEN, Head
from flowbutton.stores.s3_parts import abort, begin, complete, sent_parts
from flowbutton.stores.s3_places import S3Place, s3_store
from flowbutton.stores.uris import scheme_of

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes: above which an object goes in parts, and of a part; for sending, and for copying on the server."""

    send: int = 16 * 1024**2
    copy: int = 256 * 1024**2


@dataclass(frozen=True, slots=True)
class _Output:
    """One output on its way: the call that names it, and where its bytes are."""

    call: Mapping[str, Any]
    artifact: Artifact
    composition: Composition
    source: Callable[[str], Mapping[str, str]] | None  # where an object lies, if all are on the same server

    @property
    def is_copied(self) -> bool:
        """Whether one call copies it whole: it is an object of the store."""
        return self.source is not None and self.artifact.kind != COMPOSITE

    def is_large(self, sizes: Sizes) -> bool:
        return self.artifact.inline is None and self.artifact.size > (sizes.copy if self.is_copied else sizes.send)


class S3Publisher(Publisher):
    """Objects under a prefix of a bucket; ``pipeline`` names the notes beside them.

    Holds more than `Publisher` promises: what flowbutton did not put there is not replaced. The note
    ``.flowbutton-published-<pipeline>.json`` is put last, so it names outputs that are all there.
    Does not hold: that the bytes of a copy on the server were looked at; only their number is, and `verify` reads them.
    """

    def __init__(self, uri: str, pipeline: str, sizes: Sizes = Sizes()) -> None:
        self.uri, self._place, self._sizes = uri, s3_store(uri), sizes
        place = self._place
        self.identity = f"s3://{place.bucket}/{place.key}" + (place.access.endpoint_url or "")
        self._note, self._uploads = (f".flowbutton-{what}-{pipeline}.json" for what in ("published", "uploads"))
        self._reading = threading.Lock()

    def address(self, name: str) -> str:
        """Return the URI of an output."""
        return f"{self._place.authority}{self._key(name)}"

    def check(self, store: str, names: Sequence[str]) -> None:
        """Refuse a prefix in the store's, and objects that are in the way."""
        self._apart_from(durable_part(store))
        with self._told(""):
            self._heads(names)

    def check_access(self) -> None:
        """Refuse a bucket that can't be written to."""
        with self._told(""):
            # Begun and ended: whoever may not do this may not put an object either, and nothing becomes visible.
            call = self._call(self._note)
            abort(self._bucket.client, call, begin(self._bucket.client, call))

    def publish(self, found: Mapping[str, Artifact], objects: Objects) -> None:
        """Send or copy parts, then make one output after the other visible, and the note of them all last."""
        with self._told(""):
            self._end_uploads()
            heads = self._heads(list(found))
            fresh = [name for name, artifact in found.items() if not _is_same(heads[name], artifact)]
            self._put_all([self._output(name, found[name], objects) for name in fresh], objects)
            note = json.dumps({name: [item.digest, item.size] for name, item in found.items()}, indent=1) + "\n"
            if self._bucket.get(self._key(self._note)) != note.encode():
                self._bucket.put(self._key(self._note), note.encode(), self._note)

    def read(self, name: str) -> Iterator[bytes] | None:
        """Yield an object's bytes; None if there is none."""
        with self._told(name):
            head = self._bucket.head(self._key(name))
        return None if head is None else self._blocks(name, head.size)

    def _blocks(self, name: str, size: int) -> Iterator[bytes]:
        for start in range(0, size, BLOCK):
            with self._told(name):
                data = self._bucket.get(self._key(name), start, min(start + BLOCK, size))
            yield data or b""

    def _apart_from(self, store: str) -> None:
        if scheme_of(store) != "s3":
            return
        here, there = self._place, s3_store(store)
        same_bucket = (here.bucket, here.access.endpoint_url) == (there.bucket, there.access.endpoint_url)
        if same_bucket and (here.key.startswith(there.key) or there.key.startswith(here.key)):
            raise OptionError(
                "results and store overlap",
                why=f"results go to s3://{here.bucket}/{here.key}, and the store is s3://{there.bucket}/{there.key}",
                hint="give each a prefix of its own, side by side",
                uri=self.uri,
            )

    def _heads(self, names: Sequence[str]) -> dict[str, Head | None]:
        """Return the heads of outputs that are there.

        Raises:
            OptionError: one of them is not ours.
        """
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = [*pool.map(lambda name: self._bucket.head(self._key(name)), names)]
        for name, head in zip(names, found, strict=True):
            if head is not None and head.token is None:
                raise OptionError(
                    f"'{name}' is in the way",
                    why="an object has this name that flowbutton did not publish, and it is not replaced",
                    hint=f"move it away (aws s3 mv {self.address(name)} …), or choose another --results",
                    file=self.address(name),
                )
        return dict(zip(names, found, strict=True))

    def _output(self, name: str, artifact: Artifact, objects: Objects) -> _Output:
        call = self._call(name)
        call["Metadata"] = {TOKEN: artifact.digest}
        call["ContentType"] = mimetypes.guess_type(name)[0] or "application/octet-stream"
        composition = Artifacts(objects).composition(artifact)
        return _Output(call, artifact, composition, self._source(composition, artifact, objects))

    def _source(
        self, composition: Composition, artifact: Artifact, objects: Objects
    ) -> Callable[[str], Mapping[str, str]] | None:
        """Return what tells where objects lie, for copies on the server; None where they can't be reached there."""
        store = objects.store.durable if isinstance(objects.store, Intermediates) else objects.store
        if not isinstance(store, S3Store) or _reach(store.place) != _reach(self._place):
            return None
        ends: dict[str, int] = {}
        for part in composition.parts:
            if isinstance(part, Span):
                ends[part.digest] = max(part.stop, ends.get(part.digest, 0))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            sizes = [*pool.map(lambda digest: store.head(object_key(digest)), ends)]
        if not ends or None in sizes:  # in the record, in the faster store, or gone: reading it tells
            return None
        for (digest, end), size in zip(ends.items(), sizes, strict=True):
            if size is not None and (size < end or (artifact.kind != COMPOSITE and size != end)):
                raise corrupt(object_key(digest), f"{end} bytes", f"{size} bytes")
        place = store.place
        return lambda digest: {"Bucket": place.bucket, "Key": place.key + object_key(digest)}

    def _put_all(self, outputs: Sequence[_Output], objects: Objects) -> None:
        large = [output for output in outputs if output.is_large(self._sizes)]
        begun: list[tuple[_Output, str]] = []
        keys = json.dumps({"keys": [output.call["Key"] for output in large], "writer": uuid.uuid4().hex}).encode()
        try:
            if large:  # named first: an upload that nobody knows of would hold its parts for ever
                self._bucket.put(self._key(self._uploads), keys, self._uploads)
            for output in large:
                begun.append((output, begin(self._bucket.client, output.call)))
            shown = [self._sent(output, upload_id, objects) for output, upload_id in begun]
            shown += [self._whole(output, objects) for output in outputs if output not in large]
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                for done in [pool.submit(show) for show in shown]:
                    done.result()
        except BaseException:
            with suppress(Exception):  # the first error is the one to tell; the next publishing tries again
                for output, upload_id in begun:
                    abort(self._bucket.client, self._bucket.call(output.call["Key"]), upload_id)
                self._forget_uploads(keys)
            raise
        if large:
            self._forget_uploads(keys)

    def _forget_uploads(self, keys: bytes) -> None:
        """Remove the list of uploads unless it is another's: who stood still may wake up behind its successor."""
        if self._bucket.get(self._key(self._uploads)) == keys:
            self._delete(self._uploads)

    def _sent(self, output: _Output, upload_id: str, objects: Objects) -> Callable[[], None]:
        """Bring the parts of a large output there; return what makes it visible."""
        plain, key, digest = self._bucket.call(output.call["Key"]), output.call["Key"], output.artifact.digest
        client, size = self._bucket.client, output.artifact.size
        read = self._reader(output.artifact, objects)
        if output.source is not None:
            steps = assembly(output.composition, self._sizes.copy)
            parts = assembled_parts(client, plain, upload_id, steps, output.source, read)
        else:
            parts = sent_parts(client, plain, upload_id, read, size, self._sizes.send)
        return lambda: complete(client, plain, upload_id, parts, lambda: self._bucket.is_mine(key, digest) is True)

    def _whole(self, output: _Output, objects: Objects) -> Callable[[], None]:
        if output.source is not None and output.is_copied:
            source = output.source(output.artifact.digest)
            copy = {**output.call, "CopySource": source, "MetadataDirective": "REPLACE"}
            return lambda: repeated(lambda: self._bucket.client.copy_object(**copy)) and None
        read = self._reader(output.artifact, objects)
        return lambda: self._put(output.call, read(0, output.artifact.size))

    def _reader(self, artifact: Artifact, objects: Objects) -> Callable[[int, int], bytes]:
        """Return what reads a range of an artifact, checked, for several threads."""
        artifacts = Artifacts(objects)

        def read(start: int, stop: int) -> bytes:
            with self._reading:
                return artifacts.read(artifact, start, stop)

        return read

    def _end_uploads(self) -> None:
        """Free the parts that a publishing left which was killed; what it had made visible stays."""
        text = self._bucket.get(self._key(self._uploads))
        if text is not None:
            for key in json.loads(text)["keys"]:
                found = partial(self._bucket.client.list_multipart_uploads, **self._bucket.call(), Prefix=key)
                for upload in repeated(found).get("Uploads", []):
                    if upload["Key"] == key:
                        abort(self._bucket.client, self._bucket.call(key), upload["UploadId"])
            self._delete(self._uploads)

    def _put(self, call: Mapping[str, Any], data: bytes) -> None:
        repeated(lambda: self._bucket.client.put_object(**call, Body=data))

    def _delete(self, name: str) -> None:
        repeated(lambda: self._bucket.client.delete_object(**self._call(name)))

    def _call(self, name: str) -> dict[str, Any]:
        return self._bucket.call(self._key(name))

    def _key(self, name: str) -> str:
        return self._place.key + str(inside(name)) if name else self._place.key

    @cached_property
    def _bucket(self) -> Bucket:
        return Bucket(self._place)

    def _told(self, name: str) -> AbstractContextManager[None]:
        return explaining(self._place, self._key(name))


def _is_same(head: Head | None, artifact: Artifact) -> bool:
    """Return whether what has this head was published from this artifact."""
    return head is not None and (head.token, head.size) == (artifact.digest, artifact.size)


def _reach(place: S3Place) -> tuple[object, ...]:
    return place.access.profile, place.access.anonymous, place.access.endpoint_url
