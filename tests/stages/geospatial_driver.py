"""Runs the point stages in turn, without the engine: pieces and tiles in random order, products put together."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flowbutton.model.bundle import Interval
from flowbutton.model.pieces import Source
from flowbutton.model.stage import Scratch, Tally
from flowbutton.partitioners.lidar import Lidar
from flowbutton.stages.bundles import MemoryParts
from flowbutton.stages.geospatial.canopy import canopy, fill_pits
from flowbutton.stages.geospatial.frame import Frame, HeaderTable, frame
from flowbutton.stages.geospatial.ground_filter import filter_ground
from flowbutton.stages.geospatial.parts import assemble
from flowbutton.stages.geospatial.relief import hillshade, slope
from flowbutton.stages.geospatial.scatter import Scattered, scatter
from flowbutton.stages.geospatial.surface import surface
from flowbutton.stages.geospatial.survey import Surveyed, survey
from flowbutton.stages.geospatial.terrain import terrain
from flowbutton.stages.geospatial.tiles import Boxes, Tile, plan_tiles
from flowbutton.stores.access import StoreAccess
from flowbutton.stores.memory import MemoryStore

Grids = dict[str, npt.NDArray[Any]]


@dataclass
class Driver:
    """One run over point clouds, in ``folder``; options by stage: frame, scatter, survey, tiles, terrain, ..."""

    folder: Path
    files: Sequence[Path]
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    piece_points: int = 1_000_000
    seed: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._scratches = 0
        self._access = StoreAccess(MemoryStore("driver"))
        self.tally = Tally()

    def scratch(self) -> Scratch:
        """Return a new empty folder."""
        self._scratches += 1
        path = self.folder / f"scratch{self._scratches}"
        path.mkdir(parents=True)
        return Scratch(str(path))

    def _of(self, stage: str) -> Mapping[str, Any]:
        return self.options.get(stage, {})

    @cached_property
    def _groups(self) -> Sequence[Any]:
        return Lidar().probe(Source("points", ",".join(map(str, self.files)), {}), self._access)

    @cached_property
    def frame(self) -> Frame:
        """The frame of the cloud."""
        found = frame(HeaderTable.model_validate(Lidar().table(self._groups)), **self._of("frame"))
        assert isinstance(found, Frame)
        return found

    @cached_property
    def scattered(self) -> list[Scattered]:
        """All pieces, scattered in random order; in source order."""
        lidar, pieces = Lidar(), []
        for group in self._groups:
            indexes = [lidar.index(part, self._access) for part in lidar.index_parts(group)]
            pieces += lidar.cut(lidar.layout(group, indexes), size=self.piece_points)
        found: dict[int, Scattered] = {}
        for number in self._random.sample(range(len(pieces)), len(pieces)):
            reader = lidar.open(pieces[number], self._access)
            one = scatter(reader, self.frame, self.scratch(), self.tally, **self._of("scatter"))
            one.cells.close()
            one.ground.close()
            found[number] = one
        return [found[number] for number in sorted(found)]

    @cached_property
    def surveyed(self) -> Surveyed:
        """The facts of the cloud."""
        facts = [one.facts for one in self.scattered]
        found = survey(facts, self.frame, self.scratch(), **self._of("survey"))
        assert isinstance(found, Surveyed)
        return found

    def tiles(self, of: str, **sizes: int) -> list[Tile]:
        """Return the tiles, in random order."""
        planned = plan_tiles(self.surveyed.cloud, self.surveyed.bins, of=of, **{**self._of("tiles"), **sizes})
        found = [tile for _, tile in planned.rows]
        return self._random.sample(found, len(found))

    def filtered(self, **sizes: int) -> list[Path]:
        """Return the bundles of the ground points that the filter chooses; none where it is not wanted."""
        if self._of("scatter").get("ground") != "filter":
            return []
        cloud, grounds = self.surveyed.cloud, [one.ground.path for one in self.scattered]
        cells, chosen = [one.cells.path for one in self.scattered], self._of("filter")
        return [
            filter_ground(
                tile, cloud, meeting(cells, tile.wide), meeting(grounds, tile.bins), self.scratch(), **chosen
            ).close()
            for tile in self.tiles("surface", **sizes)
        ]

    def terrain_parts(self, filtered: Sequence[Path] = (), **sizes: int) -> list[Path]:
        """Return the bundles of the terrain."""
        cloud, grounds = self.surveyed.cloud, [one.ground.path for one in self.scattered]
        return [
            terrain(
                tile,
                cloud,
                meeting(grounds, tile.ground),
                self.scratch(),
                meeting(filtered, tile.ground),
                **self._of("terrain"),
            ).close()
            for tile in self.tiles("terrain", **sizes)
        ]

    def products(self, **sizes: int) -> Grids:
        """Return all products, north up, made in tiles of the size given."""
        cloud = self.surveyed.cloud
        cells = [one.cells.path for one in self.scattered]
        filtered = self.filtered(**sizes)
        made: dict[str, list[Path]] = {"dtm": self.terrain_parts(filtered, **sizes)}
        tiles = self.tiles("surface", **sizes)
        for tile in tiles:
            ground = meeting(filtered, tile.bins)
            found = surface(tile, cloud, meeting(cells, tile.cells), self.scratch(), ground)
            for name, bundle in found._asdict().items():
                if name == "facts":
                    continue
                made.setdefault(name, []).append(bundle.close())
        for tile in tiles:
            terrain_here = meeting(made["dtm"], tile.blocks)
            around = {name: meeting(made[name], tile.around) for name in ("dsm", "dtm")}
            filled = fill_pits(tile, around["dsm"], self.scratch(), **self._of("pits"))
            for name, bundle in {
                "chm": canopy(tile, cloud, meeting(cells, tile.cells), terrain_here, self.scratch()),
                "filled": filled,
                "hillshade": hillshade(tile, cloud, around["dtm"], self.scratch(), **self._of("hillshade")),
                "slope": slope(tile, cloud, around["dtm"], self.scratch(), **self._of("slope")),
            }.items():
                made.setdefault(name, []).append(bundle.close())
        return {name: self.assembled(name, paths) for name, paths in made.items()}

    def assembled(self, name: str, paths: Iterable[Path]) -> npt.NDArray[Any]:
        """Return a whole product: bands, rows, columns."""
        grid = self.surveyed.cloud.grid
        bands = {"counts": 2, "classes": len(self.surveyed.cloud.classes)}.get(name, 1)
        kinds = {"dtm": "f8", "counts": "u4", "classes": "u4", "hillshade": "u1", "kind": "u1"}
        dtype = np.dtype(kinds.get(name, "f4"))
        fill = np.nan if dtype.kind == "f" else 0
        return assemble(
            MemoryParts([*paths]), range(grid.rows), range(grid.columns), bands=bands, dtype=dtype, fill=fill
        )


def meeting(bundles: Sequence[Path], boxes: Boxes) -> MemoryParts:
    """Return the parts that meet the intervals of a tile."""
    wanted = []
    for box in boxes:
        columns = box.model_dump()
        start, stop = columns.pop("start"), columns.pop("stop")
        wanted.append(Interval(columns, start, stop))
    return MemoryParts(bundles, wanted)
