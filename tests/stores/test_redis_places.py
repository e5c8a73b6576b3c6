"""URIs of Redis stores and of intermediates: what they mean, and what is refused."""

from __future__ import annotations

import pytest

from flowbutton.model.errors import MissingExtra, OptionError
from flowbutton.stores.intermediates import Intermediates, durable_part, fast_part, joined
from flowbutton.stores.opening import open_store
from flowbutton.stores.redis_store import forget_clients, redis_place


def test_what_a_uri_says() -> None:
    place = redis_place("rediss://me@cache.lab:6400/3?ttl=2h&prefix=mine&limit=64KiB")
    assert (place.url, place.prefix) == ("rediss://me@cache.lab:6400/3", "mine:")
    assert (place.ttl_s, place.limit) == (7200, 64 * 1024)
    assert redis_place("redis://h").url == "redis://h/0"


@pytest.mark.parametrize(
    ("uri", "what"),
    [
        ("redis://me:hunter22@h", "holds a password"),
        ("redis://:hunter22@h?ttl=1d", "holds a password"),
        ("redis:///0", "names no server"),
        ("redis://h/cache", "names no server"),
        ("redis://h?tll=1d", "no option 'tll'"),
        ("redis://h?ttl=0s", "can't be used"),
        ("redis://h?ttl=long", "can't be used"),
        ("redis://h?prefix=a%20b", "can't be used"),
    ],
)
def test_what_can_not_be_used_is_refused_and_no_password_is_shown(uri: str, what: str) -> None:
    with pytest.raises(OptionError, match=what) as caught:
        open_store(uri)
    assert "hunter22" not in str(caught.value)


def test_two_uris_in_one(tmp_path: object) -> None:
    both = joined("redis://h/1?ttl=1d", f"file://{tmp_path}/a b|c")
    store = open_store(both)
    assert isinstance(store, Intermediates)
    assert (fast_part(store.uri), durable_part(store.uri)) == ("redis://h/1?ttl=1d", store.durable.uri)
    assert (fast_part("s3://b"), durable_part("s3://b")) == (None, "s3://b")


def test_only_a_redis_keeps_intermediates(tmp_path: object) -> None:
    with pytest.raises(OptionError, match="can't be kept there"):
        open_store(joined("memory://x", f"{tmp_path}"))


def test_without_the_library_the_error_is_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "redis", None)
    forget_clients()
    with pytest.raises(MissingExtra, match=r"pip install 'flowbutton\[redis\]'"):
        open_store("redis://nowhere").head("a")
