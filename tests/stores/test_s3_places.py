"""URIs and globs of S3, without a server."""

from __future__ import annotations

import pytest

from flowbutton.model.errors import OptionError
from flowbutton.stores.globs import key_pattern
from flowbutton.stores.s3_places import S3Access, s3_object, s3_store

SECRET = "wJalrXUtnFEMIplantedByATest"


def test_uris_say_where_and_how_but_never_with_what() -> None:
    place = s3_store("s3://lab+requester-pays@data/a/b?endpoint_url=https://s3.lab:9000&region=eu-1")
    assert (place.bucket, place.key, place.authority) == ("data", "a/b/", "s3://lab+requester-pays@data/")
    assert place.access == S3Access("lab", "https://s3.lab:9000", "eu-1", requester_pays=True)
    assert s3_store("s3://data").key == ""
    assert s3_object("s3://anonymous@data/a?.fq").key == "a?.fq"
    assert s3_object("s3://anonymous@data/a").access.anonymous


@pytest.mark.parametrize(
    "uri",
    [
        "s3://", "s3:///a", "s3://x", "s3://a b/c", f"s3://key:{SECRET}@data/a", f"s3://data?secret={SECRET}", f"s3://key:a/{SECRET}@data/a",
        f"s3://data?endpoint_url=http://me:{SECRET}@host", "s3://data?endpoint_url=host", "s3://data?conditional=yes",
        "s3://one+two@data", "s3://anonymous+lab@data",
    ],
)  # fmt: skip
def test_a_uri_that_can_not_be_used_is_told_without_what_may_be_a_secret(uri: str) -> None:
    with pytest.raises(OptionError) as caught:
        s3_store(uri)
    assert SECRET not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("pattern", "key", "means"),
    [
        ("a.fq", "a.fq", True), ("a.fq", "axfq", False), ("*.fq", "a/b.fq", False), ("**/*.fq", "b.fq", True),
        ("a**", "a/b/c", True), ("[ab]", "b", True), ("[a-c]x", "bx", True), ("[!a]", "/", False), ("a[", "a[", True),
    ],
)  # fmt: skip
def test_what_a_glob_over_keys_means(pattern: str, key: str, means: bool) -> None:
    assert bool(key_pattern(pattern).fullmatch(key)) is means
