"""What reading a part of a file in S3 costs: its bytes, and a few requests."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import obstore
import pysam
import pytest

from flowbutton.model.pieces import Source
from flowbutton.partitioners.bam import Bam
from flowbutton.partitioners.raster import Raster
from flowbutton.stores.access import StoreAccess
from flowbutton.stores.memory import MemoryStore
from flowbutton.stores.s3_client import client_for
from flowbutton.stores.s3_places import S3Access
from flowbutton.testing.partitioners import CutSource

pytestmark = pytest.mark.slow


def picture(shared: Path, folder: Path) -> Path:
    del folder
    return shared / "data/geospatial/naip-virginia/naip.tif"


def alignments(shared: Path, folder: Path) -> Path:
    """40,000 alignments of 100 bases over 2 million."""
    del shared
    draw, header = random.Random(5), pysam.AlignmentHeader.from_references(["c"], [2_000_000])
    with pysam.AlignmentFile(str(folder / "a.bam"), "wb", header=header) as file:
        for number in range(40_000):
            read = pysam.AlignedSegment(header)
            read.query_name, read.query_sequence = f"r{number}", "".join(draw.choices("ACGT", k=100))
            read.reference_id, read.reference_start, read.cigarstring = 0, number * 45, "100M"
            file.write(read)
    return folder / "a.bam"


CASES: dict[str, tuple[Callable[[], Any], Callable[[Path, Path], Path], dict[str, Any], Callable[[Any], object]]] = {
    "a window of a GeoTIFF": (Raster, picture, {"window": 256}, lambda reader: reader.read()),
    "a region of a BAM": (
        lambda: Bam(checkpoint_bytes=64 * 1024),
        alignments,
        {"by": "region", "region_size": 200_000},
        lambda reader: [*reader.records()],
    ),
}


@pytest.fixture
def asked(s3: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The requests that this process has sent since, by the one client or the other."""
    del s3
    found: list[str] = []

    def note(model: Any, **_: Any) -> None:
        found.append(model.name)

    send = obstore.get

    def counted(*given: Any, **options: Any) -> Any:
        found.append("get")
        return send(*given, **options)

    monkeypatch.setattr(obstore, "get", counted)
    events = client_for(S3Access()).meta.events
    events.register("before-call.s3", note)
    yield found
    events.unregister("before-call.s3", note)


@pytest.mark.parametrize("what", CASES)
def test_a_part_costs_its_bytes_and_a_few_requests(
    what: str, shared: Path, tmp_path: Path, s3: str, asked: list[str]
) -> None:
    kind, make, options, read = CASES[what]
    file = make(shared, tmp_path)
    client_for(S3Access()).upload_file(str(file), s3.removeprefix("s3://"), f"in/{file.name}")
    store = MemoryStore(what)
    source = Source("source", f"{s3}/in/{file.name}", options)
    pieces = CutSource(kind(), source, StoreAccess(store, tmp_path)).pieces(options)  # type: ignore[arg-type]
    assert len(pieces) > 4
    for piece in pieces[1:4]:
        asked.clear()
        access = StoreAccess(store, tmp_path)
        assert read(kind().open(piece, access))
        print(what, len(asked), access.read_bytes, piece.bytes, file.stat().st_size)
        assert 0 < len(asked) <= 8
        assert access.read_bytes <= piece.bytes + 200_000
        assert access.read_bytes < file.stat().st_size / 3
