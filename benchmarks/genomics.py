"""The genomics pipeline against the same tools unpartitioned, on one machine, in one run.

The peer runs minimap2 and samtools sort with two threads each, then bcftools mpileup and call (which use one core),
each in a process of its own, from the same libraries. Ours is ``flowbutton run`` from a fresh store, quality report,
normalisation and HTML report left in. Rounds alternate; medians are compared. Both answers are compared too.

    python benchmarks/genomics.py [--bases 2500000] [--depth 35] [--rounds 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from flowbutton.samples.genomics import SAMPLE, write_genomics

ALIGN = "import sys, pyminimap2; pyminimap2.main(sys.argv[1:])"
SAMTOOLS = "import sys, pysam.samtools as s; getattr(s, sys.argv[1])(*sys.argv[2:], catch_stdout=False)"
BCFTOOLS = "import sys, pysam.bcftools as b; getattr(b, sys.argv[1])(*sys.argv[2:], catch_stdout=False)"


def tool(code: str, *arguments: str) -> None:
    """Run one tool in a process of its own."""
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, stderr=subprocess.DEVNULL)


def unpartitioned(data: Path, work: Path, threads: str) -> dict[str, float]:
    """Run the tools on the whole data; return seconds per step."""
    steps: dict[str, float] = {}

    def timed(name: str, code: str, *arguments: str) -> None:
        start = time.monotonic()
        tool(code, *arguments)
        steps[name] = time.monotonic() - start

    fasta, sam, bam = str(work / "ref.fa"), str(work / "a.sam"), str(work / "a.bam")
    shutil.copy(data / "reference.fa", fasta)
    lanes = [[str(data / f"{SAMPLE}_L{lane}_R{mate}.fastq.gz") for lane in (1, 2)] for mate in (1, 2)]
    joined = [str(work / f"R{mate}.fastq.gz") for mate in (1, 2)]
    for files, whole in zip(lanes, joined, strict=True):
        Path(whole).write_bytes(b"".join(Path(file).read_bytes() for file in files))
    group = f"@RG\\tID:{SAMPLE}\\tSM:{SAMPLE}"
    timed("align", ALIGN, "-ax", "sr", "-t", threads, "-R", group, "-o", sam, fasta, *joined)
    timed("sort", SAMTOOLS, "sort", "--no-PG", "-@", threads, "-o", bam, sam)
    timed("index", SAMTOOLS, "index", bam)
    deep = ["-d", "1000000", "-L", "1000000"]
    pile = ["mpileup", "-Ou", "-f", fasta, *deep, "-a", "FORMAT/AD,FORMAT/DP", "-o", str(work / "p.bcf"), bam]
    timed("mpileup", BCFTOOLS, *pile)
    timed("call", BCFTOOLS, "call", "-mv", "--ploidy", "2", "-Oz", "-o", str(work / "v.vcf.gz"), str(work / "p.bcf"))
    return steps


def ours(data: Path, work: Path) -> float:
    """Run the pipeline from a fresh store; return seconds."""
    command = [sys.executable, "-m", "flowbutton", "run", "genomics", "-q"]
    command += ["--store", str(work / "store"), "--results", str(work / "results")]
    command += [
        "-p",
        f"reads={data / 'reads.tsv'}",
        "-p",
        f"reference={data / 'reference.fa'}",
        "-p",
        "normalize=false",
    ]
    start = time.monotonic()
    subprocess.run(command, check=True, cwd=work)
    return time.monotonic() - start


def records(vcf: Path) -> list[str]:
    """Return the records of a VCF."""
    return [line for line in gzip.decompress(vcf.read_bytes()).decode().splitlines() if not line.startswith("#")]


def main() -> None:
    """Generate the data, run both in turn, print a table and JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bases", type=int, default=2_500_000)
    parser.add_argument("--depth", type=int, default=35)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", default="2")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    theirs: list[dict[str, float]] = []
    mine: list[float] = []
    same = True
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        data.mkdir()
        share = options.bases // 5
        write_genomics(data, sizes=[("c1", 3 * share), ("c2", 2 * share)], depth=options.depth)
        for number in range(options.rounds):
            places = [Path(folder) / f"{name}{number}" for name in ("peer", "ours")]
            for place in places:
                place.mkdir()
            theirs.append(unpartitioned(data, places[0], options.threads))
            mine.append(ours(data, places[1]))
            same &= records(places[0] / "v.vcf.gz") == records(places[1] / "results" / "variants.vcf.gz")
            for place in places:
                shutil.rmtree(place)
    peer = [sum(steps.values()) for steps in theirs]
    ratios = [a / b for a, b in zip(mine, peer, strict=True)]
    told = {
        "bases": options.bases,
        "depth": options.depth,
        "rounds": options.rounds,
        "peer_s": round(statistics.median(peer), 2),
        "peer_steps_s": {name: round(statistics.median(s[name] for s in theirs), 2) for name in theirs[0]},
        "flowbutton_s": round(statistics.median(mine), 2),
        "ratio": round(statistics.median(ratios), 3),
        "same_answer": same,
    }
    print(f"unpartitioned, {options.threads} threads: {told['peer_s']} s {told['peer_steps_s']}")
    print(f"flowbutton run genomics:   {told['flowbutton_s']} s")
    print(f"ratio: {told['ratio']}  answers {'equal' if same else 'DIFFER'}")
    if options.json:
        options.json.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
