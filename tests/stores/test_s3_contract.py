"""The store on a real S3 server keeps the contract, also when answers are lost and connections cut."""

from __future__ import annotations

import itertools

import pytest

from flowbutton.model.store import Store
from flowbutton.stores.opening import open_store
from flowbutton.testing.stores import StoreContract

pytestmark = pytest.mark.slow

_numbers = itertools.count()


class TestS3Store(StoreContract):
    late = True

    @pytest.fixture(autouse=True)
    def _bucket(self, s3: str) -> None:
        self.bucket = s3

    def store(self) -> Store:
        return open_store(f"{self.bucket}/store-{next(_numbers)}")

    def reopen(self, store: Store) -> Store:
        return open_store(store.uri)
