"""Small stages and partitioners, with the shapes of the real ones, for the graphs of these tests."""

# ruff: noqa: ARG001, ARG002 - the graph looks at signatures; nothing here is called

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import pytest
from pydantic import BaseModel

from flowbutton.dag.graph import Graph
from flowbutton.dag.pipeline import prepare, read_pipeline
from flowbutton.model.bundle import Interval, Parts
from flowbutton.model.errors import OptionError, SpecError
from flowbutton.model.partitioner import Partitioner, Reader
from flowbutton.model.pieces import Group, IndexPart, Layout, Piece, Source
from flowbutton.model.stage import Items, Resources, Scratch, StageDefinition, Tally
from flowbutton.model.store import DataAccess
from flowbutton.stages.bundles import Bundle
from flowbutton.stages.define import describe


class OneReader(Reader):
    """What both readers share."""

    def __init__(self, piece: Piece) -> None:
        self.piece = piece

    @property
    def key(self) -> Mapping[str, str | int]:
        return dict(self.piece.key)

    @property
    def consumed(self) -> int:
        return 0


class Reads(OneReader):
    """Reads of a piece."""


class File(OneReader):
    """A file."""

    def path(self) -> Path:
        return Path(str(self.piece.body))


class Lines(Partitioner):
    """Cuts nothing here: the graph asks for its reader and the options of `cut` only."""

    name: ClassVar[str] = "fastq"
    version: ClassVar[int] = 1
    reader: ClassVar[type[Reader]] = Reads
    unit: ClassVar[str] = "reads"

    def probe(self, source: Source, data: DataAccess) -> Sequence[Group]:
        return [Group(0, (("sample", source.name),), (data.head(source.uri),))]

    def index_parts(self, group: Group) -> Sequence[IndexPart]:
        return [IndexPart(group.ordinal, group.objects[0].identity, group.objects[0].size, None)]

    def index(self, part: IndexPart, data: DataAccess) -> bytes:
        return data.read(str(part.body))

    def layout(self, group: Group, indexes: Sequence[bytes]) -> Layout:
        return Layout(group, len(indexes), 0, None)

    def cut(self, layout: Layout, *, size: int = 1024, overlap_bp: int = 0, strict: bool = True) -> Sequence[Piece]:
        return [Piece(self.name, layout.group.key, f"{size}{overlap_bp}{strict}", 1, 1, None)]

    def open(self, piece: Piece, data: DataAccess) -> Reader:
        return self.reader(piece)  # type: ignore[call-arg]


class Whole(Lines):
    """A file as one piece."""

    name: ClassVar[str] = "whole"
    reader: ClassVar[type[Reader]] = File

    def cut(self, layout: Layout) -> Sequence[Piece]:  # type: ignore[override]
        return [Piece(self.name, layout.group.key, "all", 1, 1, None)]


class Quality(BaseModel):
    """A mergeable table."""

    count: int


class Aligned(NamedTuple):
    """What align gives."""

    alignments: Bundle
    profile: Path


class Region(BaseModel):
    """An item."""

    window: tuple[int, int]

    def interval(self) -> Interval:
        return Interval({}, *self.window)


class Vcf(NamedTuple):
    """Variants with their index."""

    vcf: Path
    index: Path


class Bam(NamedTuple):
    """Alignments of one sample."""

    bam: Path
    bai: Path


def read_quality(reads: Reads, tally: Tally, *, adapters: Sequence[str] = ("AGATC",)) -> Quality:
    return Quality(count=len(adapters))


def merge_quality(parts: Sequence[Quality]) -> Quality:
    return parts[0]


def index_reference(reference: Path, scratch: Scratch) -> Path:
    return reference


def align(reads: Reads, index: Path, *, preset: Literal["sr", "map-ont"], seed: int | None = None) -> Aligned:
    raise AssertionError


def survey(profiles: Sequence[Path]) -> Quality:
    return Quality(count=len(profiles))


def plan_regions(survey: Quality, index: Path, *, size: int = 1_000_000) -> Items[Region]:
    return Items(())


def call(region: Region, alignments: Parts, index: Path) -> bytes:
    return b""


def concat_variants(parts: Sequence[bytes]) -> Vcf:
    raise AssertionError


def normalize(variants: Vcf, index: Path) -> Vcf:
    return variants


def merge_alignments(sample: str, alignments: Parts) -> Bam:
    raise AssertionError


def report(quality: Quality, variants: Vcf | None = None, rows: Any = None) -> bytes:
    return b""


_STAGES: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        read_quality, merge_quality, index_reference, align, survey, plan_regions, call, concat_variants, normalize,
        merge_alignments, report,
    )
}  # fmt: skip


def find_stage(uses: str) -> StageDefinition:
    """Find a stage of this module, as `genomics.<name>`."""
    function = _STAGES.get(uses.removeprefix("genomics."))
    if function is None:
        raise OptionError(f"there is no stage called '{uses}'", why="", hint="there are: ...")
    return describe(function, uses=uses, version=1, ledger=None, resources=Resources())


def find_partitioner(name: str) -> Partitioner:
    """Find a partitioner of this module."""
    found = {"fastq": Lines, "whole": Whole}.get(name)
    if found is None:
        raise OptionError(f"there is no partitioner called '{name}'", why="", hint="installed: fastq, whole")
    return found()


@pytest.fixture(scope="session")
def make() -> Callable[..., Graph]:
    """Return the graph of a pipeline's text."""

    def graph_of(text: str, **given: Any) -> Graph:
        pipeline = read_pipeline(Path("/data/p.yaml"), text)
        arguments: dict[str, Any] = {"env": {}, "cwd": Path("/home/me")} | given
        return prepare(pipeline, find_stage=find_stage, find_partitioner=find_partitioner, **arguments)

    return graph_of


@pytest.fixture(scope="session")
def told(make: Callable[..., Graph]) -> Callable[..., list[str]]:
    """Return what is said of a pipeline's text, a line per problem: ``line:column at: what; why; hint``."""

    def problems_of(text: str, **given: Any) -> list[str]:
        with pytest.raises(SpecError) as caught:
            make(text, **given)
        return [show(problem) for problem in caught.value.problems]

    return problems_of


def show(problem: Any) -> str:
    """Write a problem on one line."""
    where = problem.where
    place = f"{where['line']}:{where['column']} {where.get('at', '')}".strip() if "line" in where else "outside"
    return "; ".join(part for part in (f"{place}: {problem.what}", problem.why, problem.hint) if part)


DESIGN = """\
flowbutton: 1
name: genomics
params:
  reads:       {type: uri, default: "sample:genomics/reads.tsv", help: "Sample sheet, glob or FASTQ file"}
  reference:   {type: uri, default: "sample:genomics/reference.fa"}
  chunk_size:  {type: bytes, default: 32MiB}
  region_size: {type: int, unit: bp, default: 1000000, min: 1000}
  normalize:   {type: bool, default: true}
sources:
  reads:     {partitioner: fastq, from: "${params.reads}", with: {size: "${params.chunk_size}"}}
  reference: {partitioner: whole, from: "${params.reference}"}
stages:
  quality: {uses: genomics.read_quality, for_each: {reads: reads}}
  summary: {uses: genomics.merge_quality, gather: {parts: quality}, fan_in: 32}
  index:   {uses: genomics.index_reference, share: {reference: reference}}
  align:                                             # a bundle keyed by (sample, contig, bin of fixed size)
    uses: genomics.align
    for_each: {reads: reads}
    share: {index: index}
    with: {preset: sr}
    resources: {memory: {base: 1GiB, per_input_byte: 4}, timeout: 15m}
  survey:  {uses: genomics.survey, gather: {profiles: align.profile}}
  regions: {uses: genomics.plan_regions, share: {survey: survey, index: index}, with: {size: "${params.region_size}"}}
  call:
    uses: genomics.call
    for_each: {region: regions}
    gather: {alignments: {from: align.alignments, overlap: region.window}}
    share: {index: index}
  variants:   {uses: genomics.concat_variants, gather: {parts: call}}
  normalized: {uses: genomics.normalize, share: {variants: variants, index: index}, when: "${params.normalize}"}
  bam: {uses: genomics.merge_alignments, for_each: {sample: reads.sample}, gather: {alignments: {from: align.alignments, match: sample}}}
outputs:
  variants.vcf.gz: [normalized.vcf, variants.vcf]    # the first that was not dropped by `when`
  "alignments/{sample}.bam": bam.bam                 # item-key columns name many files
"""  # noqa: E501


@pytest.fixture(scope="session")
def design() -> str:
    """The pipeline of the design's chapter on the language."""
    return DESIGN
