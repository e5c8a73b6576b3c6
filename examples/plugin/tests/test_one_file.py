"""The store in one file holds the contract of stores: many writers at once, and writers that are killed."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from earthquakes.one_file import OneFileStore

from flowbutton import api
from flowbutton.model.errors import OptionError
from flowbutton.model.store import Store
from flowbutton.stores.opening import open_store
from flowbutton.testing.stores import StoreContract

ROOT = Path(__file__).resolve().parents[1]


class TestOneFile(StoreContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def store(self) -> Store:
        return OneFileStore(Path(tempfile.mkdtemp(dir=self.folder)) / "a b%20.sqlite")

    def reopen(self, store: Store) -> Store:
        return open_store(store.uri)


def test_nothing_is_made_by_looking(tmp_path: Path) -> None:
    store = OneFileStore(tmp_path / "none.sqlite")
    assert (store.head("a"), [*store.list("")]) == (None, [])
    store.delete("a")
    assert not store.path.exists()


def test_a_uri_without_a_path_is_refused() -> None:
    with pytest.raises(OptionError, match="names no file"):
        OneFileStore.open("sqlite://here")


def test_a_run_keeps_its_work_in_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    pipeline = api.load(ROOT / "earthquakes.yaml", params={"chunk_size": "64KiB"})
    store = (tmp_path / "work.sqlite").as_uri().replace("file:", "sqlite:")
    pipeline.run(store=store, results=tmp_path / "results", executor="processes", workers=2)
    assert json.loads((tmp_path / "results/law.json").read_text())["events"] > 0
    assert pipeline.plan(store=store, results=tmp_path / "results").nothing_to_run
