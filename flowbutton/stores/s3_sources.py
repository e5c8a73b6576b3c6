"""Sources in S3, read in place: heads, globs and ranges of ``s3://[profile@]bucket/key``.

Credentials, region and endpoint come from the AWS configuration of the process that reads, never from the URI.
Not here: the run's own objects (`stores.s3`). Imports `model`, `stores.s3_*`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from flowbutton.model.errors import MissingInput
from flowbutton.model.pieces import ObjectInfo
from flowbutton.stores.globs import key_pattern, literal_prefix
from flowbutton.stores.s3_bucket import Bucket
from flowbutton.stores.s3_client import explaining, repeated
from flowbutton.stores.s3_places import S3Place, s3_object


def head(uri: str) -> ObjectInfo:
    """Return size, and as identity the ETag with the size. Raises `MissingInput`."""
    place = s3_object(uri)
    with explaining(place, place.key):
        bucket = Bucket(place)
        found = bucket.head(place.key)
        if found is None:  # a missing bucket gives the same answer, without a name; this one says which it is
            bucket.get(place.key, 0, 1)
    if found is None:
        raise _missing(uri, place)
    return ObjectInfo(uri, found.size, f"{found.size}-{found.etag}")


def read(uri: str, start: int, stop: int | None) -> bytes:
    """Return bytes ``[start, stop)``, fewer where the object ends before. Raises `MissingInput`."""
    place = s3_object(uri)
    if stop is not None and start >= stop:
        head(uri)
        return b""
    with explaining(place, place.key):
        data = Bucket(place).get(place.key, start, stop)
    if data is None:
        raise _missing(uri, place)
    return data


def find(pattern: str) -> list[str]:
    """Return the URIs of the objects whose keys match, sorted; ``*`` stays within a folder, ``**`` does not."""
    place = s3_object(pattern)
    match, prefix = key_pattern(place.key), literal_prefix(place.key)
    with explaining(place, place.key):
        return sorted(place.authority + key for key in _keys(place, prefix) if match.fullmatch(key))


def _keys(place: S3Place, prefix: str) -> Iterator[str]:
    bucket, more = Bucket(place), dict[str, str]()
    while True:
        page = repeated(partial(bucket.client.list_objects_v2, **bucket.call(), Prefix=prefix, **more))
        yield from (found["Key"] for found in page.get("Contents", []) if not found["Key"].endswith("/"))
        if not page.get("IsTruncated"):
            return
        more = {"ContinuationToken": page["NextContinuationToken"]}


def _missing(uri: str, place: S3Place) -> MissingInput:
    return MissingInput(
        f"'{place.key.rpartition('/')[2]}' does not exist",
        why=f"the bucket '{place.bucket}' has no such key, or there is no such bucket",
        hint=f"look what is there: aws s3 ls {place.authority}{place.key.rpartition('/')[0]}",
        file=uri,
    )
