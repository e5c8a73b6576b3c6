"""A store in the memory of a Redis, Valkey or other server that speaks RESP: for small, hot intermediates.

``redis://[user@]host[:port][/db][?ttl=7d&prefix=name&limit=1MiB]``, ``rediss://`` by TLS. What is put lives for ``ttl``
after it was last put, read or looked for; a server may also drop it sooner, so this is no place for records: see
`stores.intermediates`, which keeps those elsewhere. The password is taken from ``REDISCLI_AUTH``, as redis-cli does,
never from the URI.

A value is 24 bytes of its own (time of the put in seconds as a little-endian double, a token of its writer), then the
bytes. Imports `model`, `stores.layout`; redis inside functions.
"""

from __future__ import annotations

import os
import re
import struct
import sys
import threading
import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from flowbutton.model.errors import FlowbuttonError, NoSpace, OptionError, Throttled
from flowbutton.model.extras import missing_extra
from flowbutton.model.store import Entry, Store
from flowbutton.model.units import parse_bytes, parse_duration
from flowbutton.stores.layout import check_key, check_prefix, check_range, is_segment, not_in_store

_HEAD = struct.Struct("<d16s")
_LARGEST = 512 * 1024**2 - _HEAD.size
_IS_FULL = "the memory of the Redis server is full"
_GLOB = re.compile(r"([*?\[\]\\])")
_CONNECT_S, _ANSWER_S, _TRIES = 5, 20, 6
_FULL = 0.9
"""The part of its memory from which on a server that drops values counts as full."""

_SHARE = 16
"""Writers that are thought to fill a server together: each asks again after this part of what was free."""

_clients: dict[str, Any] = {}
_allowed: dict[str, int] = {}
"""Bytes that this process may put, by server that drops values, before it asks for its memory again."""
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class RedisPlace:
    """A server with a database, how its keys begin, how long values live, and how large those for it may be."""

    url: str
    prefix: str
    ttl_s: int
    limit: int


def free_bytes(memory: Mapping[str, Any]) -> int | None:
    """Return how much may be put before a server drops what it holds; None if it never does. Pure.

    ``memory``: what ``INFO memory`` tells. One that tells nothing is taken for one that drops nothing.
    """
    most = int(memory.get("maxmemory", 0))
    if not most or memory.get("maxmemory_policy", "noeviction") == "noeviction":
        return None
    return max(int(most * _FULL) - int(memory.get("used_memory", 0)), 0)


def redis_place(uri: str) -> RedisPlace:
    """Take apart a store's URI. Pure.

    Raises:
        OptionError: it holds a password, names no server, or has an option that there is not.
    """
    parts = urlsplit(uri)
    shown = re.sub(r"//.*@", "//…@", uri.partition("?")[0])
    if parts.password is not None:
        hint = "leave it out of the URI, and run: export REDISCLI_AUTH=…"
        raise OptionError("a Redis URI holds a password", why="it would be kept with the run", hint=hint, uri=shown)
    if not parts.hostname or not re.fullmatch(r"/?\d*", parts.path):
        raise OptionError("a Redis URI names no server", why="", hint="write redis://host:6379/0?ttl=7d", uri=shown)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = options.keys() - {"ttl", "prefix", "limit"}
    if unknown:
        hint = "there are ttl, prefix and limit"
        raise OptionError(f"the Redis store has no option '{min(unknown)}'", why="", hint=hint, uri=shown)
    prefix = options.get("prefix", "flowbutton")
    try:
        ttl_s, limit = int(parse_duration(options.get("ttl", "7d"))), parse_bytes(options.get("limit", "1MiB"))
        if ttl_s < 1 or not is_segment(prefix):
            raise ValueError("ttl is at least 1s, and prefix is made of letters, digits, '.', '_', '=' and '-'")
    except ValueError as error:
        hint = "write redis://host:6379/0?ttl=7d&limit=1MiB"
        raise OptionError("a Redis URI can't be used", why=str(error), hint=hint, uri=shown) from error
    url = urlunsplit((parts.scheme, parts.netloc, parts.path or "/0", "", ""))
    return RedisPlace(url, f"{prefix}:", ttl_s, limit)


class RedisStore(Store):
    """Objects in a server's memory; any number of processes and hosts.

    Holds what `Store` promises while the server keeps what it was given. Does not hold: that it does. A value's time
    may be over, or the server be started anew. One that drops values when its memory is full counts as full before
    that, since what it drops might be what this run put last; others that write there can still make it drop them.
    """

    def __init__(self, uri: str) -> None:
        self.uri, self.place = uri, redis_place(uri)

    @classmethod
    def open(cls, uri: str) -> RedisStore:
        """Open ``redis://host:port/db``; nothing is sent before the first call."""
        return cls(uri)

    def check(self) -> None:
        """Ask whether there is a server that lets us in.

        Raises:
            Throttled: it can't be reached.
            OptionError: it asks for another password or user.
        """
        with self._told("") as client:
            client.ping()

    def get(self, key: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes ``[start, stop)``. What is read lives on for the whole ttl."""
        check_range(start, stop)
        name = self._name(key)
        last = -1 if stop is None else _HEAD.size + stop - 1
        with self._told(key) as client:
            pipeline = client.pipeline(transaction=False).expire(name, self.place.ttl_s)
            there, data = pipeline.getrange(name, _HEAD.size + start, last).execute()
        if not there:
            raise not_in_store(key, self.uri)
        return bytes(data) if stop is None or stop > start else b""

    def put(self, key: str, data: bytes | Path) -> None:
        """Put, replacing what is there."""
        name, value = self._name(key), self._value(key, data)[0]
        with self._told(key) as client:
            self._claim(client, len(value), key)
            client.set(name, value, ex=self.place.ttl_s)

    def put_if_absent(self, key: str, data: bytes | Path) -> bool:
        """Put unless there is something; say whether this call did. What is there lives on for the whole ttl."""
        name = self._name(key)
        value, token = self._value(key, data)
        with self._told(key) as client:
            self._claim(client, len(value), key)
            if client.set(name, value, ex=self.place.ttl_s, nx=True):
                return True
            # The client repeats what got no answer: then it may be its own first try that stands there.
            mine = client.getrange(name, _HEAD.size - len(token), _HEAD.size - 1) == token
            client.expire(name, self.place.ttl_s)
        return bool(mine)

    def head(self, key: str) -> int | None:
        """Return the size in bytes. What is looked for lives on for the whole ttl."""
        name = self._name(key)
        with self._told(key) as client:
            there, length = client.pipeline(transaction=False).expire(name, self.place.ttl_s).strlen(name).execute()
        return int(length) - _HEAD.size if there else None

    def present(self, keys: Collection[str]) -> set[str]:
        """Return those of ``keys`` that have an object; these live on for the whole ttl."""
        there: set[str] = set()
        names = [*keys]
        for begin in range(0, len(names), 1000):
            some = names[begin : begin + 1000]
            with self._told(some[0]) as client:
                pipeline = client.pipeline(transaction=False)
                for key in some:
                    pipeline.expire(self._name(key), self.place.ttl_s)
                there.update(key for key, known in zip(some, pipeline.execute(), strict=True) if known)
        return there

    def list(self, prefix: str) -> Iterator[str]:
        """Yield keys, sorted by code point."""
        return iter(self._keys(check_prefix(prefix)))

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Yield entries; of each the server is asked for size and time."""
        for key in self._keys(check_prefix(prefix)):
            name = self._name(key)
            with self._told(key) as client:
                length, head = (
                    client.pipeline(transaction=False).strlen(name).getrange(name, 0, _HEAD.size - 1).execute()
                )
            if len(head) == _HEAD.size:
                yield Entry(key, int(length) - _HEAD.size, _HEAD.unpack(head)[0])

    def delete(self, key: str) -> None:
        """Delete if it is there."""
        name = self._name(key)
        with self._told(key) as client:
            client.delete(name)

    def local_path(self, key: str) -> Path | None:
        """Return None: memory has no files."""
        check_key(key)
        return None

    def _keys(self, prefix: str) -> tuple[str, ...]:
        begin = len(self.place.prefix)
        pattern = _GLOB.sub(r"\\\1", self.place.prefix + prefix) + "*"
        with self._told(prefix) as client:
            # A scan may tell a key twice.
            return tuple(sorted({name.decode()[begin:] for name in client.scan_iter(pattern, count=1000)}))

    def _name(self, key: str) -> str:
        return self.place.prefix + check_key(key)

    def _value(self, key: str, data: bytes | Path) -> tuple[bytes, bytes]:
        content, token = data.read_bytes() if isinstance(data, Path) else data, uuid.uuid4().bytes
        if len(content) > _LARGEST:
            why, hint = "Redis holds values of up to 512 MiB", "keep large things in the durable store"
            raise NoSpace("a value is too large for Redis", why=why, hint=hint, key=key)
        return _HEAD.pack(time.time(), token) + content, token

    def _claim(self, client: Any, size: int, key: str) -> None:
        """Count bytes that will be put.

        Raises:
            NoSpace: the server would have to drop others for them.
        """
        url = self.place.url
        left = _allowed.get(url, 0)
        if left < size:
            free = free_bytes(_memory_of(client))
            if free is not None and free < size:
                hint = "give the server more (maxmemory), or a shorter ttl"
                raise NoSpace(_IS_FULL, why="it would drop older values", hint=hint, store=url, key=key)
            left = sys.maxsize if free is None else max(free // _SHARE, size)
        _allowed[url] = left - size

    @contextmanager
    def _told(self, key: str) -> Iterator[Any]:
        client = _client_for(self.place.url)
        from redis import exceptions

        try:
            yield client
        except FlowbuttonError:
            raise
        except exceptions.RedisError as error:
            raise _explained(error, exceptions, self.place.url, key) from error


def _explained(error: Exception, exceptions: Any, url: str, key: str) -> FlowbuttonError:
    where = {"store": url} | ({"key": key} if key else {})
    if isinstance(error, exceptions.OutOfMemoryError):
        hint = "give the server more (maxmemory), or a shorter ttl"
        return NoSpace(_IS_FULL, why=str(error), hint=hint, **where)
    if isinstance(error, exceptions.AuthenticationError | exceptions.NoPermissionError):
        hint = "export REDISCLI_AUTH=… with the password; a user stands in the URI: redis://user@host"
        return OptionError("the Redis server does not let us in", why=str(error), hint=hint, **where)
    if isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError):
        hint = "look if it runs: redis-cli ping; without --intermediates what it held is made again"
        return Throttled("the Redis server can't be reached", why=str(error), hint=hint, **where)
    hint = "look into the server's log; without --intermediates what it held is made again"
    return Throttled("the Redis server refused", why=str(error), hint=hint, **where)


def _memory_of(client: Any) -> Mapping[str, Any]:
    from redis.exceptions import ResponseError

    try:
        told: Mapping[str, Any] = client.info("memory")
    except ResponseError:  # a user who may not ask, or a server that knows no INFO
        return {}
    return told


def _client_for(url: str) -> Any:
    """Return this process's client.

    Raises:
        MissingExtra: redis-py is not installed.
    """
    with _lock:
        if url not in _clients:
            try:
                import redis
                from redis.backoff import ExponentialWithJitterBackoff
                from redis.retry import Retry
            except ModuleNotFoundError as error:
                raise missing_extra(error, "store 'redis'") from error
            _clients[url] = redis.Redis.from_url(
                url,
                password=os.environ.get("REDISCLI_AUTH"),
                socket_connect_timeout=_CONNECT_S,
                socket_timeout=_ANSWER_S,
                retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=1.0), _TRIES),
            )
        return _clients[url]


def forget_clients() -> None:
    """Make clients anew when they are asked for next: this is a forked child, whose connections are the parent's."""
    global _lock
    _lock = threading.Lock()
    _clients.clear()
    _allowed.clear()


os.register_at_fork(after_in_child=forget_clients)
