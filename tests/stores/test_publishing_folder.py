"""Outputs in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from publishing import PublisherContract

from flowbutton.model.errors import OptionError
from flowbutton.stores.local import LocalStore
from flowbutton.stores.objects import Objects
from flowbutton.stores.publishing import Publisher, publisher_for
from flowbutton.stores.uris import default_store


class TestFolderPublisher(PublisherContract):
    def publisher(self) -> Publisher:
        return publisher_for(str(self.folder / "results"), "words")

    def objects(self) -> Objects:
        return Objects(LocalStore(self.folder / "store"))


def test_work_on_results_elsewhere_is_kept_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_store("s3://lab/out") == default_store("results") == str(tmp_path / ".flowbutton")
    assert default_store(str(tmp_path / "runs/out")) == str(tmp_path / "runs/.flowbutton")


def test_one_bucket_is_known_by_its_name_however_it_is_reached() -> None:
    places = ["s3://lab/out", "s3://lab/out/", "s3://me@lab/out", "s3://lab/out?region=eu-central-1"]
    assert {publisher_for(place, "words").identity for place in places} == {"s3://lab/out/"}


@pytest.mark.parametrize("uri", ["gs://lab/out", "az://lab/out", "https://lab/out", "redis://lab", "memory://out"])
def test_outputs_go_to_folders_and_s3_only(uri: str) -> None:
    with pytest.raises(OptionError, match="results can't go to"):
        publisher_for(uri, "words")
