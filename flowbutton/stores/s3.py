"""A store in a bucket of S3, or of a server that speaks S3: one object per key.

Put if absent is one conditional PUT (``If-None-Match: *``) with a token of its own in the metadata, so that an answer
that was lost, or a 412 for one's own first try, is read back and understood. A server is asked once per store whether
it really keeps the first of several such writes (`S3Store.trust`); ``~store`` beside the keys says that it did.
Files above 16 MiB go up in parts, straight from disk; see `S3Store.put_if_absent` for what that costs.
Not here: how a bucket is asked (`stores.s3_bucket`), errors and repeats (`stores.s3_client`).
Imports `model`, `stores.layout`, `stores.s3_*`.
"""

from __future__ import annotations

import contextlib
import uuid
from bisect import bisect_right
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from os.path import commonprefix
from pathlib import Path

from flowbutton.model.errors import OptionError, Throttled
from flowbutton.model.store import Entry, Store
from flowbutton.stores.layout import check_key, check_prefix, check_range, is_segment, not_in_store
from flowbutton.stores.s3_bucket import Bucket
from flowbutton.stores.s3_client import Unanswered, explaining, repeated
from flowbutton.stores.s3_hot import Taken
from flowbutton.stores.s3_parts import LARGE, abort, size_of
from flowbutton.stores.s3_places import s3_store

_TRUSTED = "~store"
_RACERS = 8
_FEW = 50
"""Heads that cost about what a page of a listing does, in the client's CPU."""


class S3Store(Store):
    """Objects in a bucket under a prefix; any number of processes and hosts.

    Holds more than `Store` promises: an answer shorter than the range it names is asked for again, never handed out.
    Does not hold: a damage that keeps all lengths is not seen here, but by the digests of `stores.objects`.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.place = self._place = s3_store(uri)
        self._bucket = Bucket(self._place)
        self._trusted = not self._place.conditional

    @classmethod
    def open(cls, uri: str) -> S3Store:
        """Open ``s3://bucket/prefix``; no request is sent before the first call."""
        return cls(uri)

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes ``[start, stop)``."""
        check_range(start, stop)
        name = self._name(key)
        if stop is not None and start >= stop:
            if self.head(key) is None:
                raise not_in_store(key, self.uri)
            return b""
        with self._told(key):
            data = self._bucket.get(name, start, stop)
        if data is None:
            raise not_in_store(key, self.uri)
        return data

    def put(self, key: str, data: bytes | Path) -> None:
        """Put, replacing what is there; a large file in parts."""
        name = self._name(key)
        with self._told(key):
            self._bucket.put(name, data, _token())

    def put_if_absent(self, key: str, data: bytes | Path) -> bool:
        """Put unless there is something; say whether this call did.

        A file above 16 MiB goes up in parts, and only the last call, which makes it visible, is conditional. Amazon
        honours that; Ceph ignores it: of two who put one large key there at the same moment both may hear True, and
        one's bytes stay. Only objects named by their content are that large, so the bytes are the same.
        """
        name = self._name(key)
        self.trust()
        if size_of(data) > LARGE // 2 and self.head(key) is not None:
            return False  # not worth sending
        with self._told(key):
            if not self._place.conditional:
                if self._bucket.head(name) is not None:
                    return False
                self._bucket.put(name, data, _token())
                return True
            return self._put_once(name, data)

    def head(self, key: str) -> int | None:
        """Return the size in bytes."""
        name = self._name(key)
        with self._told(key):
            found = self._bucket.head(name)
        return None if found is None else found.size

    def present(self, keys: Collection[str]) -> set[str]:
        """Return those of ``keys`` that have an object: many by listing them, while a page tells of enough of them."""
        wanted = sorted(map(check_key, keys))
        found: set[str] = set()
        if len(wanted) > _FEW:
            left = 1000 * (2 + len(wanted) // _FEW)  # entries; a page costs what so many heads do
            for entry in self.entries(commonprefix(wanted)):  # noqa: RUF071  Letters are meant, not folders.
                found.add(entry.key)
                left -= 1
                if left == 0:
                    wanted = wanted[bisect_right(wanted, entry.key) :]
                    break
            else:
                return found.intersection(keys)
        return found.intersection(keys) | super().present(wanted)

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Yield entries; a page of 1,000 is asked for when it is needed."""
        return self._entries(check_prefix(prefix))

    def delete(self, key: str) -> None:
        """Delete if it is there."""
        name = self._name(key)
        with self._told(key):
            self._remove(name)

    def local_path(self, key: str) -> Path | None:
        """Return None: a bucket has no files."""
        check_key(key)
        return None

    def leftovers(self) -> Iterator[Entry]:
        """Yield the uploads in parts that nobody ended; those of writers at work are among them, and are young."""
        marks: dict[str, str] = {}
        while True:
            with self._told(""):
                more = {**self._bucket.call(), "Prefix": self._place.key, **marks}
                page = repeated(partial(self._bucket.client.list_multipart_uploads, **more))
            for found in page.get("Uploads", []):
                name = f"{found['UploadId']} {found['Key'][len(self._place.key) :]}"
                yield Entry(name, 0, found["Initiated"].timestamp())
            if not page.get("IsTruncated"):
                return
            marks = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    def drop_leftover(self, name: str) -> None:
        """Abort an upload in parts: its parts are freed."""
        upload_id, _, key = name.partition(" ")
        with self._told(key):
            abort(self._bucket.client, self._bucket.call(self._place.key + key), upload_id)

    def trust(self) -> None:
        """Make sure, once per store, that the server keeps the first of several conditional writes.

        Raises:
            OptionError: it does not; the hint names what is left.
        """
        if self._trusted:
            return
        with self._told(_TRUSTED):
            if self._bucket.head(self._place.key + _TRUSTED) is None:
                self._probe()
                self._bucket.put(self._place.key + _TRUSTED, b'{"conditional":true}\n', _token())
        self._trusted = True

    def _probe(self) -> None:
        name = f"{self._place.key}~probe-{uuid.uuid4().hex}"
        try:
            with ThreadPoolExecutor(_RACERS) as pool:
                won = [*pool.map(lambda number: self._put_once(name, b"%d" % number * 4096), range(_RACERS))]
            kept = self._bucket.get(name)
            late = self._put_once(name, b"late")
        except BaseException:
            with contextlib.suppress(Exception):  # the first error is the one to tell
                self._remove(name)
            raise
        self._remove(name)  # who may not delete hears it now, not when a run has ended that no other can follow
        if sum(won) != 1 or late or kept != b"%d" % won.index(True) * 4096:
            raise OptionError(
                "this S3 server does not keep conditional writes",
                why=f"of {_RACERS} writers of one key {sum(won)} were told that they were first",
                hint="two drivers could lose results there: use another server (on Ceph a bucket without versions) or, "
                "if only ever one driver uses this store, add ?conditional=no to its URI",
                bucket=self._place.bucket,
            )

    def _remove(self, name: str) -> None:
        repeated(lambda: self._bucket.client.delete_object(**self._bucket.call(name)))

    def _put_once(self, name: str, data: bytes | Path) -> bool:
        token = _token()
        for _ in range(3):
            try:
                self._bucket.put(name, data, token, first=True)
            except Unanswered as error:
                mine = self._bucket.is_mine(name, token)
                if mine is None:
                    raise Throttled(
                        "it is not known whether an object was put",
                        why=str(error),
                        hint="run again: what was put is found, what was not is made again",
                        key=name,
                    ) from error
                return mine
            except Taken:
                mine = self._bucket.is_mine(name, token)
                if mine is not None:
                    return mine
                # 409, or deleted since: nobody has it, and nothing was written
            else:
                return True
        raise Throttled("S3 can't decide who puts an object first", why="409, three times", hint="run again", key=name)

    def _entries(self, prefix: str) -> Iterator[Entry]:
        start = len(self._place.key)
        more: dict[str, str] = {}
        while True:
            with self._told(prefix):
                call = {**self._bucket.call(), "Prefix": self._place.key + prefix, **more}
                page = repeated(partial(self._bucket.client.list_objects_v2, **call))
            for found in page.get("Contents", []):
                key = found["Key"][start:]
                if all(map(is_segment, key.split("/"))):
                    yield Entry(key, found["Size"], found["LastModified"].timestamp())
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def _name(self, key: str) -> str:
        return self._place.key + check_key(key)

    def _told(self, key: str) -> AbstractContextManager[None]:
        return explaining(self._place, key)


def _token() -> str:
    return uuid.uuid4().hex
