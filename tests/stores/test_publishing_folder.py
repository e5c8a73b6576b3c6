"""Outputs in a folder."""

from __future__ import annotations

import pytest
from publishing import PublisherContract

from flowbutton.model.errors import OptionError
from flowbutton.stores.local import LocalStore
from flowbutton.stores.objects import Objects
from flowbutton.stores.publishing import Publisher, publisher_for


class TestFolderPublisher(PublisherContract):
    def publisher(self) -> Publisher:
        return publisher_for(str(self.folder / "results"), "words")

    def objects(self) -> Objects:
        return Objects(LocalStore(self.folder / "store"))


@pytest.mark.parametrize("uri", ["gs://lab/out", "az://lab/out", "https://lab/out", "redis://lab", "memory://out"])
def test_outputs_go_to_folders_and_s3_only(uri: str) -> None:
    with pytest.raises(OptionError, match="results can't go to"):
        publisher_for(uri, "words")
