"""The genomics sample: a diploid individual with known variants, sequenced at about 30x on two lanes.

Here: which numbers, and the files. Not here: genome (`samples.genome`), reads (`samples.sequencer`).
The text of each file is the same everywhere; its compressed bytes are the same for one version of zlib.
Imports numpy through those modules.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from flowbutton.samples.draws import Draws
from flowbutton.samples.genome import Contig, Variant, haplotype, make_contig, make_individual
from flowbutton.samples.sequencer import READ_LENGTH, Fragments, sequence, shear

SAMPLE = "demo"
_SEED = 20_190_626
_CONTIGS = (("sim1", 300_000), ("sim2", 60_000))
_DEPTH = 30
_LANE_1_SHARE = 0.6
_BGZF_BLOCK = 65_280  # bytes of text per block, as bgzip
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def write_genomics(folder: Path, *, sizes: Sequence[tuple[str, int]] = _CONTIGS, depth: int = _DEPTH) -> None:
    """Write ``reads.tsv``, its four FASTQ files, ``reference.fa`` and ``truth.vcf.gz`` into ``folder``.

    Args:
        sizes: Name and length in bases of each contig.
        depth: Mean depth of the reads.
    """
    draws = Draws(_SEED)
    contigs = [make_contig(draws, name, length) for name, length in sizes]
    variants = {contig.name: make_individual(draws, contig) for contig in contigs}
    copies = [haplotype(contig, variants[contig.name], which) for contig in contigs for which in (0, 1)]
    pairs = sum(length for _, length in sizes) * depth // (2 * READ_LENGTH)
    fragments = shear(draws, copies, pairs)
    (folder / "reference.fa").write_bytes(b"".join(chain.from_iterable(_fasta(contig) for contig in contigs)))
    (folder / "truth.vcf.gz").write_bytes(b"".join(_bgzf([_vcf(contigs, variants)])))
    cut = int(pairs * _LANE_1_SHARE)
    _write_lane(folder, draws, fragments.part(0, cut), lane=1)
    _write_lane(folder, draws, fragments.part(cut, pairs), lane=2)
    rows = [f"{SAMPLE}\tL{lane}\t2\tdemo_L{lane}_R1.fastq.gz\tdemo_L{lane}_R2.fastq.gz\n" for lane in (1, 2)]
    (folder / "reads.tsv").write_text("sample\tlane\tploidy\tr1\tr2\n" + "".join(rows), newline="\n")


def _write_lane(folder: Path, draws: Draws, fragments: Fragments, *, lane: int) -> None:
    """Write a lane's two files: the first lane in blocks (BGZF), the second as one gzip member, as both are met."""
    blocks = list(sequence(draws, fragments, lane=lane))
    compress = _bgzf if lane == 1 else _one_member
    for mate in (0, 1):
        path = folder / f"{SAMPLE}_L{lane}_R{mate + 1}.fastq.gz"
        path.write_bytes(b"".join(compress(block[mate] for block in blocks)))


def _one_member(texts: Iterable[bytes]) -> Iterator[bytes]:
    yield gzip.compress(b"".join(texts), compresslevel=4, mtime=0)


def _bgzf(texts: Iterable[bytes]) -> Iterator[bytes]:
    """Compress as bgzip does (SAM specification, 4.1): members of bounded size that name their own length."""
    text = b"".join(texts)
    for start in range(0, len(text), _BGZF_BLOCK):
        block = text[start : start + _BGZF_BLOCK]
        deflate = zlib.compressobj(4, zlib.DEFLATED, -15)
        body = deflate.compress(block) + deflate.flush()
        header = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0" + struct.pack("<H", len(body) + 25)
        yield header + body + struct.pack("<II", zlib.crc32(block), len(block))
    yield _BGZF_END


def _fasta(contig: Contig) -> Iterator[bytes]:
    yield f">{contig.name} generated\n".encode()
    for start in range(0, len(contig.sequence), 60):
        yield contig.sequence[start : start + 60] + b"\n"


def _vcf(contigs: Sequence[Contig], variants: dict[str, list[Variant]]) -> bytes:
    lines = ["##fileformat=VCFv4.2", *(f"##contig=<ID={c.name},length={len(c.sequence)}>" for c in contigs)]
    lines.append('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">')
    lines.append(f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{SAMPLE}")
    for contig in contigs:
        for variant in variants[contig.name]:
            genotype = "|".join(map(str, variant.alleles))
            place = f"{contig.name}\t{variant.position + 1}\t.\t{variant.ref}\t{','.join(variant.alts)}"
            lines.append(f"{place}\t.\tPASS\t.\tGT\t{genotype}")
    return ("\n".join(lines) + "\n").encode()
