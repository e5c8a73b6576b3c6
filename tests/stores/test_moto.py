"""The store and outputs on moto's S3 server, which is made to answer as Amazon's does, but is not atomic.

So there are no races here, and it is not asked whether it keeps the first of several writers: a store there says so
already. It checks neither the hashes of payloads nor Content-MD5; our own digests do.
"""

from __future__ import annotations

import itertools
import random

import pytest
from publishing import PublisherContract, stored

from flowbutton.model.store import Store
from flowbutton.stores.objects import Objects
from flowbutton.stores.opening import open_store
from flowbutton.stores.publishing import Publisher
from flowbutton.stores.publishing_s3 import S3Publisher, Sizes
from flowbutton.stores.s3_client import client_for
from flowbutton.stores.s3_places import S3Access
from flowbutton.testing.stores import StoreContract

pytestmark = pytest.mark.slow

MIB = 1024**2
_numbers = itertools.count()


def _trusted(bucket: str) -> Store:
    """Return a new store that was never asked to decide between writers at the same time."""
    prefix = f"store-{next(_numbers)}"
    client_for(S3Access()).put_object(Bucket=bucket.removeprefix("s3://"), Key=f"{prefix}/~store", Body=b"")
    return open_store(f"{bucket}/{prefix}")


class TestS3StoreOnMoto(StoreContract):
    late = True
    shared = False  # by processes: their races and kills are for a server that is atomic
    test_one_of_many_threads_puts_if_absent = None

    @pytest.fixture(autouse=True)
    def _bucket(self, moto_s3: str) -> None:
        self.bucket = moto_s3

    def store(self) -> Store:
        return _trusted(self.bucket)

    def reopen(self, store: Store) -> Store:
        return open_store(store.uri)


class TestS3PublisherOnMoto(PublisherContract):
    @pytest.fixture(autouse=True)
    def _bucket(self, moto_s3: str) -> None:
        self.bucket = moto_s3

    def publisher(self) -> Publisher:
        return S3Publisher(f"{self.bucket}/out-{next(_numbers)}", "words", Sizes(5 * MIB, 5 * MIB))

    def objects(self) -> Objects:
        return Objects(_trusted(self.bucket))

    def test_a_large_output_is_copied_in_parts(self) -> None:
        publisher, objects = self.publisher(), self.objects()
        large = random.Random(7).randbytes(12 * MIB + 1)
        publisher.publish({"a": stored(objects, large)}, objects)
        assert self.content(publisher, "a") == large
