"""A VCF made window by window: the records of the tools over everything, their index, and no option in its bytes."""

from __future__ import annotations

import gzip
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from bin_indexes import read_index
from hypothesis import given, settings
from hypothesis import strategies as st

from flowbutton.model.bundle import Interval
from flowbutton.model.composite import Stored
from flowbutton.model.stage import Scratch, Tally
from flowbutton.stages import genomics
from flowbutton.stages.bundles import Bundle, MemoryParts
from flowbutton.stages.genomics import variant_windows
from flowbutton.stages.genomics.call import SCHEMA, cells_of
from flowbutton.stages.genomics.carried_bias import Called
from flowbutton.stages.genomics.regions import Stretch
from flowbutton.stages.genomics.samples import SampleTable
from flowbutton.stages.genomics.variant_blocks import StoredBlocks
from flowbutton.stages.genomics.variant_summary import joined_summary, summarize_variants
from flowbutton.stages.genomics.variant_windows import VARIANT_BIN, BinFacts, CallFacts, VariantWindow
from flowbutton.stages.genomics.variants import SCHEMA as FINISHED

pytest.importorskip("pysam", reason="needs the extra 'genomics'")

NAMES = ("one", "two", "three")
SAMPLES = SampleTable.model_validate([{"sample": name, "read_groups": [name], "ploidy": None} for name in ("s", "t")])
COLUMNS = "#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT s t"
NEAR = 1500  # records lie so near to seams of bins, where repeats are


class Site(NamedTuple):
    """A record that was called, before it was told what the sites before it left; ``left`` is None of an indel."""

    contig: int
    pos: int
    ref: str
    alt: str
    left: str | None

    def line(self, bias: str) -> bytes:
        info = f"DP=9;{bias};AC=1" if self.left else f"INDEL;DP=9;SGB=1;{bias};AC=1"
        info = info.replace("AC=1", "AC=" + ",".join("1" * len(self.alt.split(","))))
        calls = "0/1:5,4\t1/1:0,9" if "," not in self.alt else "1/2:1,4,5\t0/2:5,0,4"
        return f"{NAMES[self.contig]}\t{self.pos}\t.\t{self.ref}\t{self.alt}\t50\t.\t{info}\tGT:AD\t{calls}\n".encode()


@dataclass(frozen=True, repr=False)
class Made:
    """A reference: its contigs, its file and its index; and the header of a VCF."""

    texts: list[str]
    fasta: Path
    fai: Path
    header: Path


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A reference with a repeat over each seam of bins."""
    import pysam

    rng, folder = random.Random(3), tmp_path_factory.mktemp("genome")
    texts = []
    for length in (3 * VARIANT_BIN - 40, VARIANT_BIN, VARIANT_BIN + 900):
        text = "".join(rng.choices("ACGT", k=length))
        for seam in range(VARIANT_BIN, length, VARIANT_BIN):
            unit = "".join(rng.choices("ACGT", k=rng.choice([1, 7])))
            text = (text[: seam - 600] + unit * (900 // len(unit)) + text[seam - 600 :])[:length]
        texts.append(text)
    fasta, header = folder / "ref.fa", folder / "header.vcf"
    fasta.write_text("".join(f">{name}\n{text}\n" for name, text in zip(NAMES, texts, strict=True)))
    pysam.faidx(str(fasta))
    lines = ["##fileformat=VCFv4.2", '##FILTER=<ID=PASS,Description="All filters passed">']
    lines += [f"##contig=<ID={name},length={len(text)}>" for name, text in zip(NAMES, texts, strict=True)]
    for name, number, kind in (
        ("INDEL", 0, "Flag"),
        ("DP", 1, "Integer"),
        ("MQSBZ", 1, "Float"),
        ("BQBZ", 1, "Float"),
        ("SGB", 1, "Float"),
        ("AC", "A", "Integer"),
    ):
        lines.append(f'##INFO=<ID={name},Number={number},Type={kind},Description="x">')
    for name, number, kind in (("GT", 1, "String"), ("AD", "R", "Integer")):
        lines.append(f'##FORMAT=<ID={name},Number={number},Type={kind},Description="x">')
    header.write_text("\n".join([*lines, COLUMNS.replace(" ", "\t")]) + "\n")
    return Made(texts, fasta, folder / "ref.fa.fai", header)


def site(rng: random.Random, contig: int, pos: int, text: str) -> Site:
    """Return what a caller may write at a place: a base, an indel, or several alternatives in one record."""
    base = text[pos - 1]
    other = "ACGT"["ACGT".index(base) - 1]
    reach = text[pos - 1 : pos + rng.choice([1, 7, 14, 40])]
    left = f"MQSBZ={rng.randrange(9)};BQBZ=-{rng.randrange(9)}.5"
    return rng.choice(
        [
            Site(contig, pos, base, other, left),
            Site(contig, pos, base, f"{other},{'ACGT'['ACGT'.index(base) - 2]}", left),
            Site(contig, pos, reach, base, None),
            Site(contig, pos, base, reach, None),
            Site(contig, pos, reach, f"{other}{reach[1:]},{base}", None),
            Site(contig, pos, reach, f"{reach[:-1]}{'T' if reach[-1] != 'T' else 'A'},{base}", None),
        ]
    )


@st.composite
def many_sites(draw: st.DrawFn) -> list[tuple[int, int, int]]:
    """Return contig, POS and a seed of each record, most near seams."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    found = set()
    for _ in range(draw(st.sampled_from([1, 12, 120]))):
        contig = rng.choice([0, 0, 2])
        seam = rng.choice([VARIANT_BIN, 2 * VARIANT_BIN]) if contig == 0 else VARIANT_BIN
        near = seam + rng.randrange(-NEAR, NEAR if contig == 0 else 800)
        found.add((contig, near if rng.random() < 0.9 else rng.randrange(100, VARIANT_BIN)))
    return sorted((contig, pos, rng.randrange(2**32)) for contig, pos in found)


@st.composite
def many_cuts(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Return where regions end, of contig and base, most near seams of bins."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    seams = [(0, VARIANT_BIN), (0, 2 * VARIANT_BIN), (2, VARIANT_BIN)]
    chosen = rng.choices(seams, k=draw(st.sampled_from([0, 3, 90])))
    return [(contig, seam + rng.randrange(-NEAR, NEAR)) for contig, seam in chosen]


def calls_of(
    sites: Sequence[Site], cuts: Sequence[tuple[int, int]], folder: Path
) -> tuple[list[Path], list[CallFacts]]:
    """Return what calling tasks give whose regions begin at ``cuts``; one has the first region and the last."""
    ends = {contig: [at for number, at in cuts if number == contig] for contig in range(len(NAMES))}
    stretches = [
        Stretch(contig=contig, start=start, stop=stop)
        for contig, seams in ends.items()
        for start, stop in pairwise(sorted({0, *seams, 3 * VARIANT_BIN}))
    ]
    tasks = [[stretches[0], *stretches[-1:]], *([one] for one in stretches[1:-1])]
    files, facts = [], []
    for number, intervals in enumerate(tasks):
        bundle, rows = Bundle(folder / f"call{number}", SCHEMA), []
        for cell in cells_of(intervals):
            own = [one for one in sites if one.contig == cell.contig and cell.start < one.pos <= cell.stop]
            shown = [one for one in own if one.left]
            if own:
                bias, lines = "MQSBZ=7;BQBZ=7", []
                for one in own:
                    bias = one.left or bias
                    lines.append(one.line(bias))
                first, left = (shown[0].pos, shown[-1].left or "") if shown else (None, "")
                key = cell.contig, cell.start // VARIANT_BIN * VARIANT_BIN
                bundle.add(key, Called(cell.start, first, left.encode(), b"".join(lines)).encode())
                rows.append(BinFacts(*key, cell.start if shown else -1, left, len(own)))
        files.append(bundle.close())
        facts.append(CallFacts(bins=tuple(rows)))
    return files, facts


def meeting(bundles: Sequence[Path], window: VariantWindow) -> MemoryParts:
    return MemoryParts(bundles, [Interval({"contig": own.contig}, own.start, own.stop) for own in window.window])


def joined(windows: Sequence[VariantWindow], records: Sequence[Path], header: Path, fai: Path, folder: Path) -> Path:
    """Write and join windows; return the VCF, its index beside it."""
    blocks = []
    for number, window in enumerate(windows):
        (place := folder / f"blocks{number}").mkdir()
        made = genomics.write_variants(window, meeting(records, window), fai, Scratch(str(place)), Tally())
        blocks.append(StoredBlocks(Stored.of(made.blocks.read_bytes()), made.index))
    tally = Tally()
    whole = genomics.merge_variants(blocks, header, fai, Scratch(str(folder)), tally)
    assert tally.made == tally.consumed_by.get("windows", 0)
    vcf = whole.vcf.write(folder / "joined.vcf.gz")
    assert isinstance(vcf, Path)
    return vcf.rename(str(whole.index)[: -len(".tbi")])


@settings(max_examples=12, deadline=None)
@given(
    rows=many_sites(),
    cuts=st.lists(
        st.lists(st.tuples(st.sampled_from([0, 2]), st.integers(1, 3 * VARIANT_BIN - 1))), min_size=2, max_size=2
    ),
    full=st.sampled_from([1, 9, 10**6]),
    normalize=st.booleans(),
)
def test_no_region_and_no_window_shows(
    tmp_path_factory: Any, genome: Made, rows: Any, cuts: Any, full: int, normalize: bool
) -> None:
    import pysam.bcftools

    fasta, fai, header = genome.fasta, genome.fai, genome.header
    sites = [site(random.Random(seed), contig, pos, genome.texts[contig]) for contig, pos, seed in rows]
    folder: Path = tmp_path_factory.mktemp("vcf")
    carried, lines = "MQSBZ=0;BQBZ=0", []
    for one in sites:
        carried = one.left or carried
        lines.append(one.line(carried))
    whole = folder / "whole.vcf"
    whole.write_bytes(header.read_bytes() + b"".join(lines))
    counted = summarize_variants(whole)
    if normalize:
        arguments = ["--no-version", "-f", str(fasta), "-m", "-any", "-o", str(folder / "n.vcf"), str(whole)]
        pysam.bcftools.norm(*arguments, catch_stdout=False)
        whole = folder / "n.vcf"
    made = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variant_windows, "WINDOW_FIELDS", full * 8)
        for number, cut in enumerate(cuts):
            (place := folder / str(number)).mkdir()
            called, facts = calls_of(sites, cut, place)
            windows = [row for _, row in genomics.plan_variants(facts, header, fai, SAMPLES).rows]
            records, found = [], []
            for turn, window in enumerate(windows):
                (scratch := place / f"finished{turn}").mkdir()
                given_ = (window, meeting(called, window), header, fasta, fai, Scratch(str(scratch)), Tally())
                finished = genomics.finish_variants(*given_, normalize=normalize)
                records.append(finished.records.close())
                found.append(finished.summary)
            assert joined_summary(found, ["s", "t"]) == counted
            made.append(joined(windows, records, header, fai, place))
    assert gzip.decompress(made[0].read_bytes()) == whole.read_bytes()
    assert made[0].read_bytes() == made[1].read_bytes()
    index, other = (vcf.with_name(vcf.name + ".tbi").read_bytes() for vcf in made)
    assert index == other


@settings(max_examples=12, deadline=None)
@given(
    lengths=st.sampled_from([[700_000], [300_000, 1, 900_000], [1 << 29, 600_000], [(1 << 29) + 1, 10]]),
    count=st.sampled_from([0, 1, 60, 500]),
    seed=st.integers(0, 2**32),
    full=st.sampled_from([30, 1000]),
)
def test_the_index_of_windows_is_that_of_the_whole(
    tmp_path_factory: Any, lengths: list[int], count: int, seed: int, full: int
) -> None:
    import pysam.bcftools

    folder: Path = tmp_path_factory.mktemp("index")
    rng, fai, header = random.Random(seed), folder / "ref.fai", folder / "header.vcf"
    fai.write_text("".join(f"{name}\t{length}\t0\t60\t61\n" for name, length in zip(NAMES, lengths, strict=False)))
    contigs = "".join(f"##contig=<ID={name},length={length}>\n" for name, length in zip(NAMES, lengths, strict=False))
    header.write_text(f"##fileformat=VCFv4.2\n{contigs}" + "\t".join(COLUMNS.split()[:8]) + "\n")
    places = sorted((c, rng.randrange(lengths[c])) for c in rng.choices(range(len(lengths)), k=count))
    bundle, facts = Bundle(folder / "records", FINISHED), []
    for contig, at in places:
        span = min(rng.choice([1, 1, 1, 300, 20_000]), lengths[contig] - at)
        line = f"{NAMES[contig]}\t{at + 1}\t.\t{'A' * span}\tC\t9\t.\t.\n".encode()
        bundle.add((contig, at // VARIANT_BIN * VARIANT_BIN), line)
        facts.append(BinFacts(contig, at // VARIANT_BIN * VARIANT_BIN, -1, "", 1))
    windows = list(variant_windows.windows_of(facts, lengths, "", full=full))
    vcf = joined(windows, [bundle.close()], header, fai, folder)
    is_long = max(lengths) >= 1 << 29
    oracle = folder / "oracle"
    pysam.bcftools.index("-c" if is_long else "-t", "-o", str(oracle), str(vcf), catch_stdout=False)
    assert read_index(vcf.with_name(vcf.name + (".csi" if is_long else ".tbi"))) == read_index(oracle)
    with pysam.VariantFile(str(vcf)) as file:
        assert [(NAMES.index(one.contig), one.start) for one in file] == places
        contig = rng.randrange(len(lengths))
        low = rng.randrange(lengths[contig])
        found = [one.start for one in file.fetch(NAMES[contig], low, low + 200_000)]
        assert [at for at in found if at >= low] == [
            at for c, at in places if c == contig and low <= at < low + 200_000
        ]


@settings(max_examples=50, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 4)), max_size=12),
    full=st.integers(1, 9),
)
def test_windows_tile_the_contigs_with_records(rows: list[tuple[int, int, int]], full: int) -> None:
    bins = [BinFacts(contig, number * VARIANT_BIN, -1, "", count) for contig, number, count in rows]
    lengths = [4 * VARIANT_BIN, 4 * VARIANT_BIN - 5, 3 * VARIANT_BIN + 1]
    windows = list(variant_windows.windows_of(bins, lengths, "", full=full))
    ranges = [(own.contig, own.start, own.stop) for window in windows for own in window.window]
    for contig in range(3):
        own = [(start, stop) for number, start, stop in ranges if number == contig]
        wanted = [0, 4 * VARIANT_BIN] if any(row[0] == contig for row in rows) else []
        assert [place for pair in own for place in pair][:: max(2 * len(own) - 1, 1)] == wanted
        assert all(before[1] == after[0] for before, after in pairwise(own))
    assert ranges == sorted(ranges)
    held = [
        sum(r.records for r in bins for o in w.window if o.contig == r.contig and o.start <= r.start < o.stop)
        for w in windows
    ]
    assert sum(held) == sum(row.records for row in bins)
    assert all(count >= full for count in held[:-1])
