"""Small reads and writes of S3 by obstore: a seventh of boto3's CPU (docs/decisions/0017), and no boto3 to import.

Each call is tried once. Whatever is not a whole, certain answer is `Unsure`, and the caller asks again by boto3, which
repeats, waits, and says what is wrong (`stores.s3_client`): no promise of the store rests on obstore's own repeats and
errors. A server on which that happens three times running is left to boto3 for a while.
Not here: what is asked of boto3 then (`stores.s3_bucket`). Imports `stores.s3_account`, `stores.s3_client`.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from flowbutton.stores.s3_account import Account, account_of
from flowbutton.stores.s3_client import CONNECT_S, once
from flowbutton.stores.s3_places import S3Access, S3Place

T = TypeVar("T")

SMALL = 1024**2
"""Bytes up to which obstore costs less than boto3: reading more takes it twice boto3's CPU."""
ANSWER_S = 20
"""Seconds that a call may take in all; then boto3 is asked, with its own limits."""
TOKEN, SIZE = "flowbutton-token", "flowbutton-size"
"""Metadata of what is put: whose put it was, and how many bytes, so that a whole get needs no range to be checked."""
_IN_A_ROW, _REST_S = 3, 30.0
_PLAIN = re.compile(r"(?:(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._=~-]+(?:/(?!\Z)|\Z))+")
"""Keys that obstore takes as they are: it reads others as paths, and may tidy or escape them."""
_CODE = re.compile(r"<Code>(\w+)</Code>")

_forked = False


def _after_fork() -> None:
    global _forked
    _forked = "obstore" in sys.modules  # its threads are the parent's, and calls would wait for them for ever


os.register_at_fork(after_in_child=_after_fork)


class Unsure(Exception):
    """There is no whole answer, or it is not known what happened: boto3 has to be asked."""


class Taken(Exception):
    """The server says that there is an object already."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a server says of an object: its size in bytes, its ETag without quotes, and the token of who put it."""

    size: int
    etag: str
    token: str | None


class Hot:
    """obstore's client of one bucket; any number of threads.

    Holds: what is returned is what the server answered, whole; everything else is `Unsure`.
    Does not hold: that bytes are the right ones; `stores.objects` checks digests, as with boto3.
    """

    def __init__(self, store: Any) -> None:
        import obstore

        self._obstore, self._store = obstore, store
        self._failed, self._resting_until_s = 0, 0.0

    def head(self, name: str) -> Head | None:
        """Return the head of an object, None if there is none."""
        try:
            found = self._ask(name, lambda: self._obstore.get(self._store, name, options={"head": True}))
        except FileNotFoundError:
            return None
        return Head(found.meta["size"], (found.meta["e_tag"] or "").strip('"'), found.attributes.get(TOKEN))

    def get(self, name: str, start: int, stop: int | None) -> bytes | None:
        """Return bytes ``[start, stop)``, fewer where the object ends before; None if there is no object."""
        if stop is not None and stop - start > SMALL:
            raise Unsure
        try:
            if start == 0 and stop is None:
                return self._ask(name, lambda: self._read_all(name))
            return self._ask(name, lambda: self._read(name, start, stop))
        except FileNotFoundError as error:
            if _code(error) != "NoSuchKey":
                raise Unsure from error  # there may be no such bucket
            return None

    def _read_all(self, name: str) -> bytes:
        """Read without a range, which takes Ceph a look into its disks less; the metadata tell the size then."""
        found = self._obstore.get(self._store, name)
        said = found.attributes.get(SIZE)
        return self._read(name, 0, None) if said is None else _whole(found, int(said))

    def _read(self, name: str, start: int, stop: int | None) -> bytes:
        from obstore.exceptions import BaseError

        span: Any = {"offset": start} if stop is None else (start, stop)
        try:
            found = self._obstore.get(self._store, name, options={"range": span})
            low, high = found.range  # as the server says in Content-Range
            return _whole(found, high - low)
        except BaseError as error:
            if _code(error) == "InvalidRange":
                return b""
            raise

    def put(self, name: str, data: bytes, token: str, *, first: bool) -> None:
        """Put bytes with a token in their metadata; with ``first`` only where there is nothing.

        Raises:
            Taken: there is something, perhaps by this very call.
        """
        from obstore.exceptions import AlreadyExistsError

        def send() -> bool:
            try:
                mode: Any = "create" if first else "overwrite"
                self._obstore.put(
                    self._store, name, data, attributes=signs(token, len(data)), mode=mode, use_multipart=False
                )
            except AlreadyExistsError:
                return False
            except FileNotFoundError as error:
                raise Unsure from error  # there is no such bucket
            return True

        if not self._ask(name, send):
            raise Taken

    def _ask(self, name: str, call: Callable[[], T]) -> T:
        if time.monotonic() < self._resting_until_s or not is_plain(name):
            raise Unsure
        try:
            answer = call()
        except (Unsure, FileNotFoundError):
            raise
        except Exception as error:
            self._failed += 1
            if self._failed >= _IN_A_ROW:
                self._failed, self._resting_until_s = 0, time.monotonic() + _REST_S
            raise Unsure from error
        self._failed = 0
        return answer


def _whole(found: Any, size: int) -> bytes:
    """Return the bytes of an answer. A proxy that cuts a body may mend its length, but nothing else that tells it."""
    data = bytes(found.bytes()) if size <= SMALL else b""
    if len(data) != size:
        raise Unsure
    return data


def signs(token: str, size: int) -> dict[str, str]:
    """Return the metadata of what is put."""
    return {TOKEN: token, SIZE: str(size)}


def is_plain(name: str) -> bool:
    """Return whether obstore takes a key as it is."""
    return _PLAIN.fullmatch(name) is not None


def hot_for(place: S3Place) -> Hot | None:
    """Return this process's client of a bucket; None where boto3 has to do: no obstore, a forked child, an account
    that only boto3 can use.

    Raises:
        MissingExtra, OptionError: as `client_for`.
    """
    if _forked:
        return None
    made: Hot | None = once(("obstore", place.access, place.bucket), lambda: _make(place))
    return made


def _make(place: S3Place) -> Hot | None:
    try:
        from obstore.exceptions import BaseError
        from obstore.store import S3Store
    except ModuleNotFoundError:
        return None
    account = account_of(place.access)
    if account is None:
        return None
    try:
        return Hot(S3Store(place.bucket, **options(place.access, account, place.bucket)))
    except (BaseError, ValueError, TypeError):
        return None  # what it can't take is boto3's to explain


def options(access: S3Access, account: Account, bucket: str) -> dict[str, Any]:
    """Return obstore's options; all that it would else read from the environment by itself is said."""
    endpoint, hosted = account.endpoint_of(bucket)
    client: dict[str, Any] = {
        "allow_http": True,
        "connect_timeout": timedelta(seconds=CONNECT_S),
        "timeout": timedelta(seconds=ANSWER_S),
    }
    if account.authorities is not None:
        client["root_certificate"] = account.authorities
    config = {
        "endpoint": endpoint,
        "aws_endpoint_url_s3": endpoint,
        "region": account.region,
        "virtual_hosted_style_request": hosted,
        "skip_signature": account.credentials is None,
        "request_payer": access.requester_pays,
        "conditional_put": "etag",
        "unsigned_payload": False,
    }
    signed = {} if account.credentials is None else {"credential_provider": account.credentials}
    return {"config": config, "client_options": client, "retry_config": {"max_retries": 0}, **signed}


def _code(error: Exception) -> str:
    found = _CODE.search(str(error))
    return found[1] if found else ""
