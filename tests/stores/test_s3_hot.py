"""Small reads and writes by obstore: what is certain, what is not, and whose account it is. No server is needed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import MemoryStore

from flowbutton.stores.layout import check_key
from flowbutton.stores.s3_account import Account, from_environment
from flowbutton.stores.s3_hot import SIZE, SMALL, Head, Hot, Taken, Unsure, is_plain, options
from flowbutton.stores.s3_places import S3Access

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "planted", "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull}  # fmt: skip


@pytest.fixture
def hot() -> Hot:
    return Hot(MemoryStore())


@given(st.binary(max_size=40), st.integers(0, 50), st.none() | st.integers(0, 60))
def test_ranges_are_those_of_the_bytes(data: bytes, start: int, length: int | None) -> None:
    hot, stop = Hot(MemoryStore()), None if length is None else start + length + 1
    hot.put("a/b", data, "t", first=False)
    if start < len(data) or (start, stop) == (0, None):
        assert hot.get("a/b", start, stop) == data[start:stop]
    else:  # a server says InvalidRange, other stores other things: boto3 is asked
        with pytest.raises(Unsure):
            hot.get("a/b", start, stop)


@given(st.binary(max_size=40), st.integers(0, 60))
def test_a_body_that_is_not_as_long_as_its_put_said_is_not_taken(data: bytes, said: int) -> None:
    store = MemoryStore()
    store.put("a", data, attributes={SIZE: str(said)})
    if said == len(data):
        assert Hot(store).get("a", 0, None) == data
    else:
        with pytest.raises(Unsure):
            Hot(store).get("a", 0, None)


@given(st.binary(min_size=1, max_size=40))
def test_what_others_put_is_read_by_a_range_that_tells_its_length(data: bytes) -> None:
    store = MemoryStore()
    store.put("a", data)
    assert Hot(store).get("a", 0, None) == data


def test_the_first_put_wins_and_its_token_stays(hot: Hot) -> None:
    hot.put("a", b"x", "mine", first=True)
    with pytest.raises(Taken):
        hot.put("a", b"yy", "other", first=True)
    found = hot.head("a")
    assert found is not None
    assert found == Head(1, found.etag, "mine")
    assert hot.head("b") is None


def test_what_is_large_or_not_certain_is_left_to_boto3(hot: Hot) -> None:
    hot.put("a", bytes(SMALL + 1), "t", first=False)
    for start, stop in ((0, None), (0, SMALL + 1)):
        with pytest.raises(Unsure):
            hot.get("a", start, stop)
    assert hot.get("a", 5, None) == bytes(SMALL - 4)
    with pytest.raises(Unsure):  # no server said NoSuchKey: it may be the bucket that is missing
        hot.get("b", 0, 5)


@given(st.text("ab./~ %é=", max_size=8))
def test_only_keys_that_stay_as_they_are_are_taken(name: str) -> None:
    store = MemoryStore()
    if is_plain(name):
        Hot(store).put(name, b"", "t", first=False)
        assert [found["path"] for page in store.list() for found in page] == [name]
    else:
        with pytest.raises(Unsure):
            Hot(store).put(name, b"", "t", first=False)


@given(st.text("abXY09._=-/", min_size=1, max_size=12))
def test_every_key_of_a_store_is_plain(key: str) -> None:
    try:
        check_key(key)
    except ValueError:
        return
    assert is_plain(key)


def test_the_environment_alone_is_enough() -> None:
    found = from_environment(S3Access(), {**KEYS, "AWS_SESSION_TOKEN": "t", "AWS_ENDPOINT_URL": "http://lab:9000"})
    assert found is not None
    assert found.credentials is not None
    assert (found.endpoint_url, found.region) == ("http://lab:9000", "us-east-1")
    assert found.credentials() == {
        "access_key_id": "AKIAEXAMPLE", "secret_access_key": "planted", "token": "t", "expires_at": None
    }  # fmt: skip
    assert "planted" not in repr(found)
    told = options(S3Access(), found, "bucket")
    assert "planted" not in repr(told)
    assert told["config"]["endpoint"] == "http://lab:9000"


@pytest.mark.parametrize(
    "changed",
    [
        {"AWS_PROFILE": "lab"},
        {"AWS_SECRET_ACCESS_KEY": ""},
        {"AWS_CONFIG_FILE": __file__},
        {"AWS_SHARED_CREDENTIALS_FILE": __file__},
        {"AWS_USE_FIPS_ENDPOINT": "true"},
        {"AWS_CREDENTIAL_EXPIRATION": "2026-01-01T00:00:00Z"},
        {"AWS_DEFAULT_REGION": "cn-north-1"},
    ],
)
def test_what_a_file_or_a_role_may_say_is_asked_of_boto3(changed: dict[str, str]) -> None:
    assert from_environment(S3Access(), {**KEYS, **changed}) is None


def test_a_profile_in_the_uri_is_boto3s_too(tmp_path: Path) -> None:
    assert from_environment(S3Access(profile="lab"), KEYS) is None
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[default]\nregion = eu-north-1\n")
    keys = {name: value for name, value in KEYS.items() if "FILE" not in name}
    assert from_environment(S3Access(), {**keys, "HOME": str(tmp_path)}) is None


def test_who_is_anonymous_needs_no_keys() -> None:
    found = from_environment(S3Access(anonymous=True, endpoint_url="http://lab"), {"HOME": "/nowhere"})
    assert found is not None
    assert found.credentials is None
    told = options(S3Access(anonymous=True, requester_pays=True), found, "data")
    assert told["config"]["skip_signature"] is told["config"]["request_payer"] is True
    assert "credential_provider" not in told


@pytest.mark.parametrize(
    ("endpoint", "bucket", "expected"),
    [
        ("https://s3.eu-north-1.amazonaws.com", "data", ("https://data.s3.eu-north-1.amazonaws.com", True)),
        ("https://s3.eu-north-1.amazonaws.com", "a.b", ("https://s3.eu-north-1.amazonaws.com", False)),
        ("https://s3.lab:9000", "data", ("https://s3.lab:9000", False)),
    ],
)
def test_amazon_has_buckets_as_hosts_and_others_as_paths(endpoint: str, bucket: str, expected: Any) -> None:
    assert Account(endpoint, "r", None).endpoint_of(bucket) == expected
