"""Small odd datasets for the genomics pipeline, made from a seed: what real data hold rarely, all of it often.

Odd contigs and names, repeats, lower case and runs of N; samples with several lanes, of which some are empty; single
reads, pairs, pairs in turn; reads of any length, chimeras, stacks, amplicons of thousands of reads, long indels; files
plain or packed in every way. Shares no code with flowbutton.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from whole_tools import WholeLane, WholeOptions

_NAMES = (
    "chr1", "chr1_alt", "chr10", "chr", "1", "HLA-A*01:01:01:01", "HLA-A*01:01:01:02N", "gi|12|ref|NC_1.2|", "a=b",
    "chr1:100-200", "x:1", "track1", "browser", "c;d", "tig'5", 'q"q', "%41", "{c}", "e&e",
)  # fmt: skip
_MPILEUP: tuple[tuple[str, ...], ...] = (
    ("-B",), ("-D",), ("-E",), ("-x",), ("-A",), ("-I",), ("-p",), ("-C", "50"), ("--indels-cns",), ("--indels-2.0",),
    ("-m", "2", "-F", "0.1"), ("-a", "INFO/SCR"), ("-M", "100"), ("--indel-size", "200"),
    ("--seed", "7"), ("--max-BQ", "30"), ("--delta-BQ", "5"), ("--ar", "drop"), ("--ff", "0x400"), ("--rf", "0x2"),
    ("-h", "50"), ("--poly-mqual",), ("--indel-bias", "2.0"), ("--score-vs-ref", "0.5"), ("-A", "-x"), ("-A", "-D"),
    ("-a", "-INFO/BQBZ,-FORMAT/AD,SP,INFO/FS"), ("-a", "ADF,ADR,QS,QM,NMBZ,SCR,INFO/AD,INFO/NM,-INFO/VDB"), ("-6",),
    ("-m", "1", "-F", "0"), ("-e", "5", "-o", "10"), ("-P", "ILLUMINA"), ("--ar", "incAD"), ("--ar", "incAD0"),
    ("--del-bias", "0.5"), ("--indels-cns", "--seqq-offset", "50"), ("--ns", "UNMAP,SUPPLEMENTARY"), ("--nu", "0x1"),
    ("--ls", "PAIRED,REVERSE"), ("-M", "40"), ("-C", "10", "-E"), ("--indel-size", "20"), ("--max-BQ", "10"),
)  # fmt: skip
_CALL: tuple[tuple[str, ...], ...] = (
    ("-A",), ("-a", "GQ"), ("-V", "indels"), ("-P", "0.01"), ("-M",), ("-*",), ("-a", "GP,PV4"), ("-V", "snps"),
    ("-F", "AN,AC"), ("-P", "0"), ("-A", "-*"),
)  # fmt: skip
_ADAPTER = "AGATCGGAAGAGCACACGTCTGAACTCCAGTCAC" * 9
_PAIRS = str.maketrans("ACGTNacgtn", "TGCANtgcan")
_AMBIGUOUS = "RYSWKMBDHV"

Record = tuple[str, str, str]
"""Name, bases, qualities."""


@dataclass(frozen=True)
class Dataset:
    """Files in a folder, and how to run them."""

    seed: int
    reference: Path
    sheet: Path
    lanes: tuple[WholeLane, ...]
    options: WholeOptions
    ploidy: int | None
    chunk_sizes: tuple[int, ...]
    region_sizes: tuple[int, ...]


@dataclass(frozen=True)
class _Shape:
    """What the reads of one dataset are like."""

    lengths: tuple[int, ...]
    insert: int
    levels: str
    chimeras: float
    strays: float
    duplicates: float
    stacks: float
    tail: str
    """What the sequencer reads behind the end of a fragment."""
    jumps: float
    """Of the fragments: their ends lie anywhere on the contig, or on both sides of its ends, as if it were a circle."""
    amplicons: tuple[tuple[int, int, int, int], ...]
    """(contig, start, stop, pairs)"""


def generate(seed: int, folder: Path) -> Dataset:
    """Make the dataset of a seed in ``folder``."""
    rng = random.Random(seed)
    genome = _genome(rng)
    reference = _write_reference(rng, genome, folder)
    shape = _shape(rng, genome)
    rows, lanes = [], []
    mixed_ploidies = rng.random() < 0.3
    for number in range(rng.choice((1, 1, 2, 3, 4))):
        sample = rng.choice(("s", "S-{}", "sample.{}", "A+{}")).format(number) + str(number)
        ploidy = rng.choice((1, 2)) if mixed_ploidies else 2
        haplotypes = [_mutated(rng, genome) for _ in range(ploidy)]
        own_groups = rng.random() < 0.3
        pairs = 0 if rng.random() < 0.08 else rng.randrange(100, 1500)
        count = rng.choice((1, 1, 2, 3))
        kind = rng.choice(("pairs", "pairs", "pairs", "single", "turn"))
        for lane in range(count):
            if rng.random() < 0.15:
                kind = rng.choice(("pairs", "single", "turn"))
            group = f"g{number}.{lane}" if own_groups else sample
            reads = _lane_reads(rng, shape, haplotypes, 0 if rng.random() < 0.07 else pairs // count)
            files = _write_lane(rng, folder / f"{number}_{lane}", f"r{number}:{lane}:", reads, kind)
            names = [file.name for file in files] + [""] * (2 - len(files))
            rows.append((sample, f"L{lane}", *names, group, str(ploidy), "yes" if kind == "turn" else ""))
            lanes.append(WholeLane(sample, group, files, ploidy))
    return Dataset(
        seed,
        reference,
        _write_sheet(folder, rows),
        tuple(lanes),
        _options(rng),
        rng.choice((None, None, None, 1, 2)),
        tuple(int(2 ** rng.uniform(10, 21)) for _ in range(2)),
        tuple(int(10 ** rng.uniform(2, 5)) for _ in range(3)),
    )


def _options(rng: random.Random) -> WholeOptions:
    return WholeOptions(
        max_depth=rng.choice((1_000_000, 1_000_000, 1_000_000, 250, 250, 100, 300, 256, 2000, 30, 8)),
        min_mapping_quality=rng.choice((0, 0, 0, 1, 20, 60)),
        min_base_quality=rng.choice((1, 1, 1, 0, 13, 25)),
        mpileup=_some(rng, _MPILEUP) if rng.random() < 0.5 else (),
        call=rng.choice(_CALL) if rng.random() < 0.25 else (),
    )


def _some(rng: random.Random, groups: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return up to three groups of options in a row, without those that contradict each other."""
    found = [option for group in rng.sample(groups, rng.choice((1, 1, 2, 3))) for option in group]
    return tuple(option for option in found if option != "-B" or "-E" not in found)


def _bases(rng: random.Random, count: int) -> str:
    return "".join(rng.choices("ACGT", k=count))


def _genome(rng: random.Random) -> list[tuple[str, str]]:
    """Return contigs by name, in upper case where the reference will not be."""
    names = rng.sample(_NAMES, rng.randrange(1, 7))
    contigs: list[str] = []
    for number in range(len(names)):
        lengths = (50, 300) if number and rng.random() < 0.4 else (500, 3000) if number else (3000, 20000)
        text = _bases(rng, rng.randint(*lengths))
        for _ in range(len(text) // 800):
            at = rng.randrange(len(text))
            unit = _bases(rng, rng.choice((1, 1, 2, 3, 7)))
            text = text[:at] + unit * rng.randrange(4, 40 // len(unit) + 5) + text[at:]
        if contigs and rng.random() < 0.4:  # a repeat: reads from it fit in two places
            other = rng.choice(contigs)
            at = rng.randrange(len(other))
            text += other[at : at + rng.randrange(100, 1500)]
        contigs.append(text)
    order = rng.sample(range(len(names)), len(names))
    return [(names[number], contigs[number]) for number in order]


def _write_reference(rng: random.Random, genome: Sequence[tuple[str, str]], folder: Path) -> Path:
    width, end = rng.choice((60, 61, 70, 1, 17, 1 << 30)), rng.choice(("\n", "\n", "\r\n"))
    odd = rng.random()
    lines = []
    for name, text in genome:
        shown = _blemished(rng, text) if odd < 0.5 else text
        lines.append(f">{name}{rng.choice(('', ' a comment', chr(9) + 'LN:5'))}")
        lines += [shown[at : at + width] for at in range(0, len(shown), width)]
    data = end.join(lines).encode() + (b"" if rng.random() < 0.2 else end.encode())
    return _write_packed(rng, folder / "ref.fa", data, mixed=False)


def _blemished(rng: random.Random, text: str) -> str:
    for _ in range(len(text) // 1500 + 1):
        at, count = rng.randrange(len(text)), rng.randrange(1, 200)
        part = text[at : at + count]
        kind = rng.random()
        if kind < 0.5:
            part = part.lower()
        elif kind < 0.8:
            part = "".join(rng.choice("Nn") if count % 2 else "N" for _ in part)
        else:
            part = rng.choice(_AMBIGUOUS + _AMBIGUOUS.lower()) + part[1:]
        text = text[:at] + part + text[at + count :]
    return text


def _mutated(rng: random.Random, genome: Sequence[tuple[str, str]]) -> list[str]:
    """Return a haplotype: its contigs with SNVs and indels."""
    rate = rng.choice((0.002, 0.01, 0.03))
    found = []
    for _, text in genome:
        pieces, at = [], 0
        for place in sorted(rng.sample(range(len(text)), int(len(text) * rate))):
            if place < at:
                continue
            pieces.append(text[at:place])
            size = rng.choice((1, 1, 2, 3, 8, 20, rng.randrange(1, 61)))
            change = rng.random()
            if change < 0.6:
                pieces.append(rng.choice("ACGT"))
                at = place + 1
            elif change < 0.8:
                at = place + size
            else:
                pieces.append(_bases(rng, size))
                at = place
        found.append("".join([*pieces, text[at:]]))
    return found


def _shape(rng: random.Random, genome: Sequence[tuple[str, str]]) -> _Shape:
    lengths = rng.choice(
        ((150,), (100,), (36,), (250, 251), (0, 1, 30, 75, 150, 300), tuple(range(20, 151)), tuple(range(36, 601)))
    )
    amplicons = []
    for _ in range(rng.choice((0, 0, 1, 1, 2, 4))):
        contig = rng.randrange(len(genome))
        size = len(genome[contig][1])
        start = rng.choice((0, max(size - 400, 0), rng.randrange(size)))
        amplicons.append((contig, start, start + rng.randrange(120, 500), rng.choice((100, 130, 200, 300, 600, 1500))))
    return _Shape(
        lengths=lengths,
        insert=rng.choice((120, 200, 350, 500)),
        levels=rng.choice(("I", "!#+5?I", "#?@F", "~I5", "'*.37=ABCDEFGH", "#", "BKTYdgh")),
        chimeras=rng.choice((0.0, 0.02, 0.2)),
        strays=rng.choice((0.0, 0.03)),
        duplicates=rng.choice((0.0, 0.05, 0.5)),
        stacks=rng.choice((0.0, 0.0, 0.3)),
        tail=rng.choice((_ADAPTER, _ADAPTER[:33] + "G" * 600, "")),
        jumps=rng.choice((0.0, 0.0, 0.02, 0.2)),
        amplicons=tuple(amplicons),
    )


def _lane_reads(
    rng: random.Random, shape: _Shape, haplotypes: Sequence[Sequence[str]], pairs: int
) -> list[tuple[str, str, str, str]]:
    """Return (bases 1, qualities 1, bases 2, qualities 2) of each pair."""
    if not pairs:
        return []
    pools = [[number for number, text in enumerate(genome) if text] for genome in haplotypes]
    weights = [[len(genome[number]) for number in pool] for genome, pool in zip(haplotypes, pools, strict=True)]
    stacks = [rng.random() for _ in range(5)]
    found = []
    fragments = []
    for _ in range(pairs):
        which = rng.randrange(len(haplotypes))
        contig = rng.choices(pools[which], weights[which])[0]
        text = haplotypes[which][contig]
        size = max(1, int(rng.gauss(shape.insert, shape.insert / 5)))
        place = rng.choice(stacks) if rng.random() < shape.stacks else rng.random()
        start = int(place * max(len(text) - size // 2, 1))
        fragment = text[start : start + size]
        if rng.random() < shape.jumps:
            other = rng.randrange(len(text))
            fragment = rng.choice(
                (text[-size // 2 :] + text[: size // 2], fragment[:size] + text[other : other + size])
            )
        fragments.append(fragment)
    for contig, start, stop, count in shape.amplicons:
        for _ in range(count):
            shift = rng.choice((0, 0, 0, rng.randrange(-30, 31)))
            fragments.append(rng.choice(haplotypes)[contig][max(start + shift, 0) : stop + shift])
    rng.shuffle(fragments)
    for fragment in fragments:
        if rng.random() < shape.chimeras:
            other = rng.choice(fragments)
            fragment = fragment[: rng.randrange(len(fragment) + 1)] + rng.choice((other, _reversed(other)))
        ends = [fragment, _reversed(fragment)]
        if rng.random() < shape.strays:
            ends[rng.randrange(2)] = rng.choice((_bases(rng, 300), rng.choice(fragments)))
        rng.shuffle(ends)
        one, two = (_sequenced(rng, shape, end) for end in ends)
        found.append((*one, *two))
        if rng.random() < shape.duplicates:
            found.append(rng.choice(found))
    return found


def _reversed(text: str) -> str:
    return text.translate(_PAIRS)[::-1]


def _sequenced(rng: random.Random, shape: _Shape, fragment: str) -> tuple[str, str]:
    length = rng.choice(shape.lengths)
    bases = (fragment + shape.tail)[:length] if rng.random() < 0.9 else fragment[:length]
    for _ in range(rng.choice((0, 0, 1, 2, 5))):
        if bases:
            at = rng.randrange(len(bases))
            bases = bases[:at] + rng.choice("ACGTN") + bases[at + 1 :]
    return bases, "".join(rng.choices(shape.levels, k=len(bases)))


def _write_lane(
    rng: random.Random, stem: Path, prefix: str, reads: Sequence[tuple[str, str, str, str]], kind: str
) -> tuple[Path, ...]:
    style = rng.choice(("{name}", "{name}/{mate}", "{name} {mate}:N:0:1", "{name}/{mate} c"))
    plus = rng.choice(("", "", "name"))
    # minimap2 takes the carriage return of an empty line for a base.
    # It aborts at a pair of which one read is empty.
    if kind != "single":
        reads = [read for read in reads if bool(read[0]) == bool(read[2])]
    is_unix = any(not bases for read in reads for bases in (read[0], read[2]))
    ends = ["\n" if is_unix or rng.random() < 0.8 else "\r\n" for _ in range(2)]  # one of two mates may have CRLF

    def text(mate: int, number: int) -> str:
        end = ends[0 if kind == "turn" else mate - 1]
        name = style.format(name=f"{prefix}{number}", mate=mate)
        bases, qualities = reads[number][2 * mate - 2 : 2 * mate]
        return end.join((f"@{name}", bases, f"+{name if plus else ''}", qualities, ""))

    mates = {"pairs": [[1], [2]], "single": [[1]], "turn": [[1, 2]]}[kind]
    files = []
    for number, own in enumerate(mates, start=1):
        data = "".join(text(mate, read) for read in range(len(reads)) for mate in own).encode()
        if rng.random() < 0.2:
            data = data.removesuffix(ends[number - 1].encode())
        files.append(_write_packed(rng, stem.with_name(f"{stem.name}_R{number}.fq"), data, mixed=True))
    return tuple(files)


def _write_packed(rng: random.Random, path: Path, data: bytes, *, mixed: bool) -> Path:
    how = rng.choice(("plain", "gzip", "bgzf", *(("members", "mixed") if mixed else ())))
    if how == "plain":
        path.write_bytes(data)
        return path
    path = path.with_name(path.name + ".gz")
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(1, 6)))
    parts = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    if how == "gzip":
        path.write_bytes(gzip.compress(data))
    elif how == "bgzf":
        path.write_bytes(_bgzf(rng, path, data))
    elif how == "members":
        path.write_bytes(b"".join(gzip.compress(part) for part in parts))
    else:
        packed = [rng.choice((gzip.compress(part), _bgzf(rng, path, part))) for part in parts]
        path.write_bytes(b"".join(packed))
    return path


def _bgzf(rng: random.Random, path: Path, data: bytes) -> bytes:
    import pysam

    with pysam.BGZFile(str(path), "wb", None) as file:
        for at in range(0, len(data), step := rng.choice((1000, 65280, 10**9))):
            file.write(data[at : at + step])
            if step < 65280:
                file.flush()
    return path.read_bytes()


def _write_sheet(folder: Path, rows: Sequence[Sequence[str]]) -> Path:
    path = folder / "samples.tsv"
    header = ("sample", "lane", "r1", "r2", "read_group", "ploidy", "interleaved")
    path.write_text("".join("\t".join(row) + "\n" for row in (header, *rows)))
    return path
