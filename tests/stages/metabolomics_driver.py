"""Runs the metabolomics stages in turn, without the engine: pieces in any order, results in source order."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from flowbutton.model.bundle import Interval
from flowbutton.model.pieces import Piece, Source
from flowbutton.model.stage import Scratch, Tally
from flowbutton.partitioners.imzml import Imzml
from flowbutton.partitioners.whole import Whole, WholeFile
from flowbutton.stages import metabolomics
from flowbutton.stages.bundles import MemoryParts
from flowbutton.stages.metabolomics.annotate import Annotated
from flowbutton.stages.metabolomics.annotations import Ranked
from flowbutton.stages.metabolomics.databases import Database
from flowbutton.stages.metabolomics.ions import DatasetTable
from flowbutton.stages.metabolomics.scatter import Scattered
from flowbutton.stores.access import StoreAccess
from flowbutton.stores.memory import MemoryStore


def whole_file(path: Path) -> WholeFile:
    """Return a reader on a file."""
    access, whole = StoreAccess(MemoryStore("file")), Whole()
    (group,) = whole.probe(Source("file", str(path), {}), access)
    indexes = [whole.index(part, access) for part in whole.index_parts(group)]
    (piece,) = whole.cut(whole.layout(group, indexes))
    return whole.open(piece, access)


@dataclass
class Driver:
    """One run over a dataset and databases, in ``folder``; options by stage."""

    folder: Path
    imzml: Path
    databases: tuple[Path, ...]
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._scratches = 0
        self._access = StoreAccess(MemoryStore("driver"))

    def scratch(self) -> Scratch:
        """Return a new empty folder."""
        self._scratches += 1
        path = self.folder / f"scratch{self._scratches}"
        path.mkdir(parents=True)
        return Scratch(str(path))

    def _of(self, stage: str) -> Mapping[str, Any]:
        return self.options.get(stage, {})

    def read_databases(self) -> list[Database]:
        """Read all databases."""
        return [metabolomics.read_database(whole_file(path)) for path in self.databases]

    def choose_ions(self) -> Path:
        """Choose the ions."""
        groups = Imzml().probe(Source("spectra", str(self.imzml), {}), self._access)
        table = DatasetTable.model_validate(Imzml().table(groups))
        return cast(Path, metabolomics.choose_ions(self.read_databases(), table, self.scratch(), **self._of("ions")))

    def peaks(self, ions: Path) -> Path:
        """Compute the isotope peaks, in groups in random order."""
        groups = [group for _, group in metabolomics.group_ions(ions).rows]
        found = {
            number: metabolomics.isotope_peaks(groups[number], **self._of("isotopes"))
            for number in self._random.sample(range(len(groups)), len(groups))
        }
        parts = [found[number] for number in sorted(found)]
        return cast(Path, metabolomics.collect_peaks(parts, ions, self.scratch()))

    def cut(self, size: int) -> list[Piece]:
        """Cut the spectra."""
        imzml = Imzml()
        (group,) = imzml.probe(Source("spectra", str(self.imzml), {}), self._access)
        indexes = [imzml.index(part, self._access) for part in imzml.index_parts(group)]
        return [*imzml.cut(imzml.layout(group, indexes), size=size)]

    def scatter(self, size: int) -> list[Scattered]:
        """Scatter all pieces, in random order; return the results in source order."""
        pieces = self.cut(size)
        found: dict[int, Scattered] = {}
        for number in self._random.sample(range(len(pieces)), len(pieces)):
            reader = Imzml().open(pieces[number], self._access)
            found[number] = metabolomics.scatter(reader, self.scratch(), Tally(), **self._of("points"))
            found[number].points.close()
        return [found[number] for number in sorted(found)]

    def annotate(self, *, piece_size: int, **segments: int) -> Ranked:
        """Annotate the whole dataset in pieces of ``piece_size`` peaks and segments of the size given."""
        ions = self.choose_ions()
        peaks, scattered = self.peaks(ions), self.scatter(piece_size)
        dataset = metabolomics.survey([one.facts for one in scattered], self.scratch())
        planned = metabolomics.plan_segments(dataset, peaks, **{**self._of("segments"), **segments})
        found: dict[int, Annotated] = {}
        for number in self._random.sample(range(len(planned.rows)), len(planned.rows)):
            segment = planned.rows[number][1]
            wanted = [Interval({}, stretch.start, stretch.stop) for stretch in segment.window]
            parts = MemoryParts([one.points.path for one in scattered], wanted)
            found[number] = metabolomics.annotate(
                segment, parts, peaks, dataset, ions, self.scratch(), **self._of("annotate")
            )
            found[number].images.close()
        scores = [found[number].scores for number in sorted(found)]
        return cast(
            Ranked,
            metabolomics.rank(scores, self.read_databases(), peaks, ions, self.scratch(), **self._of("ranked")),
        )
