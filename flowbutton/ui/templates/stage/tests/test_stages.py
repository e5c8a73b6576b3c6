"""The stages hold the contract of stages; what they answer is known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from newname import stages
from newname.stages import Count

from flowbutton.model.pieces import Source
from flowbutton.model.stage import StageDefinition
from flowbutton.partitioners.whole import Whole
from flowbutton.testing.partitioners import CutSource, MemoryAccess
from flowbutton.testing.stages import StageContract


class TestCount(StageContract):
    def stage(self) -> StageDefinition:
        return stages.count

    def inputs(self, folder: Path) -> Mapping[str, Any]:
        path = folder / "some.txt"
        path.write_text("one three\n\n  fourteen ")
        cut = CutSource(Whole(), Source("texts", str(path), {}), MemoryAccess(folder))
        [piece] = cut.pieces({})
        return {"file": cut.open(piece)}

    def options(self) -> Mapping[str, Any]:
        return {"at_least": 4}

    def test_short_words_are_not_counted(self, tmp_path: Path) -> None:
        made, _ = self.run(tmp_path / "counted")
        assert made == {"": b'{"words":2}'}


class TestAdd(StageContract):
    def stage(self) -> StageDefinition:
        return stages.add

    def inputs(self, folder: Path) -> Mapping[str, Any]:
        del folder  # what is given to it is no file
        return {"parts": [Count(words=2), Count(words=0), Count(words=5)]}

    def test_a_tree_gives_the_same(self) -> None:
        one, two, three = Count(words=2), Count(words=0), Count(words=5)
        assert stages.add([one, two, three]) == stages.add([stages.add([one, two]), three]) == Count(words=7)
