"""What mpileup says of every site, bit for bit: the sharper test of regions, halos and deep intervals.

Called variants are few; a fault at a region's border changes some base quality that no variant shows.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from genomics_driver import Driver, dataset

from flowbutton.stages.genomics.reference import genome_of

pytest.importorskip("pysam", reason="needs the extra 'genomics'")


def sites(bcf: Path) -> Iterator[tuple[int, int, bytes]]:
    """Yield contig, position and the bytes of each record of a BCF."""
    import pysam

    with pysam.BGZFile(str(bcf), "rb", None) as file:
        data = file.read()
    at = 9 + struct.unpack_from("<I", data, 5)[0]
    while at < len(data):
        shared, own, contig, position = struct.unpack_from("<IIii", data, at)
        end = at + 8 + shared + own
        yield contig, position, data[at:end]
        at = end


def whole(run: Driver, max_depth: int) -> list[tuple[int, int, bytes]]:
    """Run the tools over everything at once, without our stages."""
    import pyminimap2
    import pysam.bcftools
    import pysam.samtools

    folder = Path(run.scratch())
    bams = []
    for number, row in enumerate(run.samples.root):
        fastq: list[list[bytes]] = [[], []]
        for piece in run.cut(10**9):
            if dict(piece.key)["sample"] == row.sample:
                for file in (0, 1):
                    fastq[file] += run.open(piece).text(file)
        names = [str(folder / f"{number}_{file}.fq") for file in (1, 2)]
        for name, text in zip(names, fastq, strict=True):
            Path(name).write_bytes(b"".join(text))
        sam, bam = str(folder / f"{number}.sam"), str(folder / f"{number}.bam")
        group = f"@RG\\tID:{row.sample}\\tSM:{row.sample}"
        pyminimap2.main(["-ax", "sr", "-t", "1", "-R", group, "-o", sam, str(run.index.fasta), *names])
        pysam.samtools.sort("--no-PG", "-o", bam, sam, catch_stdout=False)
        pysam.samtools.index(bam, catch_stdout=False)
        bams.append(bam)
    bcf, depth = folder / "all.bcf", str(max_depth)
    options = ["-Ou", "--no-version", "-f", str(run.index.fasta), "-d", depth, "-L", depth]
    options += ["-a", "FORMAT/AD,FORMAT/DP", "-o", str(bcf)]
    pysam.bcftools.mpileup(*options, *bams, catch_stdout=False)
    return list(sites(bcf))


def in_regions(run: Driver, size: int, max_depth: int) -> list[tuple[int, int, bytes]]:
    """Run `likelihoods` over every region; keep what each owns."""
    from flowbutton.stages.genomics.call import CallerOptions, likelihoods

    found = []
    for region in run.regions(size):
        options = CallerOptions(max_depth=max_depth)
        scratch = run.scratch()
        genome = genome_of(*run.genome, scratch)
        bcf = likelihoods(region, run.parts(region), genome, run.samples, scratch, options)
        owned = {(part.contig, position) for part in region.intervals for position in range(part.start, part.stop)}
        found += [site for site in sites(bcf) if site[:2] in owned]
    return sorted(found, key=lambda site: site[:2])  # stable: an indel's record follows that of its base


@pytest.mark.slow
@pytest.mark.parametrize("max_depth", [1_000_000, 250])
@pytest.mark.parametrize(
    ("name", "chunk", "size"),
    [
        ("human-na12878-chr22", 30_000, 450),
        ("human-na12878-chr22", 200_000, 100),
        ("human-deep-lanes", 90_000, 450),
        ("human-deep-lanes", 400_000, 3_750),
        ("sarscov2-two-samples", 200_000, 450),
        ("sarscov2-two-samples", 700_000, 3_750),
        ("sim-diploid", 700_000, 1_500),
        ("sim-diploid", 2_000_000, 30_000),
    ],
)
def test_every_site_is_as_in_a_run_over_everything(shared, tmp_path, name, chunk, size, max_depth) -> None:
    run = dataset(shared, name, tmp_path, options={"max_depth": max_depth})
    run.align(chunk)
    found, wanted = in_regions(run, size, max_depth), whole(run, max_depth)
    assert len(wanted) > 10_000
    assert [site[:2] for site in found] == [site[:2] for site in wanted]
    assert [site for site, other in zip(found, wanted, strict=True) if site != other] == []
