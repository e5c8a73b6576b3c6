"""The contract of stages, for authors of stages to inherit.

A stage is a pure function: run twice in two folders, its artifacts are the same bytes, and nothing in them tells where,
when or by whom they were made. Imports `flowbutton.model`, `stages`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flowbutton.model.canonical import canonical, digest_bytes
from flowbutton.model.stage import Balance, Scratch, StageDefinition, Tally
from flowbutton.stages.codecs import Encoded, encode


class StageContract(ABC):
    """Inherit it, name a stage and give it inputs; pytest finds the tests."""

    @abstractmethod
    def stage(self) -> StageDefinition:
        """Return the stage."""

    @abstractmethod
    def inputs(self, folder: Path) -> Mapping[str, Any]:
        """Return its inputs, made anew in ``folder``: equal content each time, readers freshly opened."""

    def options(self) -> Mapping[str, Any]:
        """Return options that are not defaults."""
        return {}

    def run(self, folder: Path) -> tuple[dict[str, bytes], Tally]:
        """Run the stage alone in ``folder``; return the bytes of its artifacts by output name, and its tally."""
        stage, tally = self.stage(), Tally()
        given, scratch = folder / "inputs", folder / "scratch"
        given.mkdir(parents=True)
        scratch.mkdir()
        arguments = {**self.inputs(given), **self.options()}
        if stage.scratch is not None:
            arguments[stage.scratch] = Scratch(str(scratch))
        if stage.tally is not None:
            arguments[stage.tally] = tally
        result = stage(**arguments)
        if set(stage.outputs) == {""}:
            return {"": _bytes(encode(result, stage.outputs[""]))}, tally
        made = {name: _bytes(encode(getattr(result, name), kind)) for name, kind in stage.outputs.items()}
        return made, tally

    def test_two_runs_in_two_folders_make_the_same_artifacts(self, tmp_path: Path) -> None:
        first, _ = self.run(tmp_path / "one")
        second, _ = self.run(tmp_path / "another place")
        assert {name: digest_bytes(data) for name, data in first.items()} == {
            name: digest_bytes(data) for name, data in second.items()
        }

    def test_no_artifact_names_its_folder(self, tmp_path: Path) -> None:
        made, _ = self.run(tmp_path / "place")
        told = [name for name, data in made.items() if str(tmp_path).encode() in data]
        assert not told, f"these outputs hold the path of their folder: {told}"

    def test_its_inputs_stay_as_they_were(self, tmp_path: Path) -> None:
        self.run(tmp_path / "run")
        (tmp_path / "fresh").mkdir()
        self.inputs(tmp_path / "fresh")
        assert _files(tmp_path / "run" / "inputs") == _files(tmp_path / "fresh")

    def test_options_are_plain_values_and_checked(self) -> None:
        chosen = self.stage().options(**self.options())
        assert canonical(chosen.model_dump(mode="json"))

    def test_what_it_conserves_adds_up(self, tmp_path: Path) -> None:
        rule = self.stage().ledger
        _, tally = self.run(tmp_path / "counted")
        taken = tally.consumed_by.get(rule.argument) if rule is not None else None
        if rule is not None and rule.balance is Balance.CONSERVES and taken is not None:
            left_out = sum(tally.filtered_by.values()) + sum(tally.aside_by.values())
            assert taken == (tally.made or 0) + left_out


def _bytes(encoded: Encoded) -> bytes:
    return encoded.data if isinstance(encoded.data, bytes) else encoded.data.read_bytes()


def _files(folder: Path) -> dict[str, str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): digest_bytes(path.read_bytes()) for path in paths}
