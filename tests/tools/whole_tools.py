"""The tools over whole data, without flowbutton: what a partitioned run must equal.

minimap2, samtools and bcftools come through pyminimap2 and pysam; each call has a process of its own, so that none sees
what another left behind. Shares no code with flowbutton.
"""

from __future__ import annotations

import gzip
import itertools
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_MINIMAP = "import sys, pyminimap2; sys.stderr.write(pyminimap2.main(sys.argv[1:])[1])"
_PYSAM = (
    "import sys, pysam.bcftools, pysam.samtools; "
    "getattr(getattr(pysam, sys.argv[1]), sys.argv[2])(*sys.argv[3:], catch_stdout=False)"
)


class Refused(Exception):
    """A tool does not take the input."""


@dataclass(frozen=True)
class WholeLane:
    """A lane of a sample: one file, or two. Lanes of a sample follow each other."""

    sample: str
    read_group: str
    files: tuple[Path, ...]
    ploidy: int = 2


@dataclass(frozen=True)
class WholeOptions:
    """What the caller is told, in its own words."""

    max_depth: int = 1_000_000
    min_mapping_quality: int = 0
    min_base_quality: int = 1
    mpileup: tuple[str, ...] = ()
    call: tuple[str, ...] = ()


@dataclass(frozen=True)
class Whole:
    """One run over everything, in ``folder``."""

    folder: Path
    reference: Path
    lanes: Sequence[WholeLane]
    bams: dict[str, Path] = field(default_factory=dict)

    def align(self) -> dict[str, Path]:
        """Make a sorted BAM per sample; they stand in the order of the samples."""
        (self.folder / "ref.fa").write_bytes(unpacked(self.reference))
        for number, (sample, lanes) in enumerate(self._by_sample()):
            sams = []
            # One call for lanes that can be concatenated: same read group, as many files.
            runs = itertools.groupby(lanes, key=lambda lane: (lane.read_group, len(lane.files)))
            for turn, ((group, count), members) in enumerate(runs):
                together = list(members)
                names = [self.folder / f"{number}_{turn}_{file}.fq" for file in range(count)]
                for file, name in enumerate(names):
                    name.write_bytes(b"".join(ending_with_newline(unpacked(lane.files[file])) for lane in together))
                sams.append(self._minimap(f"{number}_{turn}", group, sample, names))
            bam = self.folder / f"{number}.bam"
            sam = self.folder / f"{number}.sam"
            sam.write_bytes(_joined([path.read_bytes() for path in sams]))
            _pysam("samtools", "sort", "--no-PG", "-o", bam, sam)
            _pysam("samtools", "index", bam)
            self.bams[sample] = bam
        return self.bams

    def sites(self, options: WholeOptions) -> Path:
        """Run mpileup over all BAMs; return its BCF of all sites."""
        bcf, depth = self.folder / "sites.bcf", str(options.max_depth)
        arguments = ["-Ou", "--no-version", "-f", self.folder / "ref.fa", "-d", depth, "-L", depth]
        arguments += ["-a", "FORMAT/AD,FORMAT/DP"]
        if options.min_mapping_quality:
            arguments += ["-q", str(options.min_mapping_quality)]
        if options.min_base_quality != 1:
            arguments += ["-Q", str(options.min_base_quality)]
        _pysam("bcftools", "mpileup", *arguments, *options.mpileup, "-o", bcf, *self.bams.values())
        return bcf

    def variants(self, bcf: Path, options: WholeOptions, ploidy: int | None = None) -> Path:
        """Call variants from all sites. ``ploidy`` goes before those of the samples."""
        vcf = self.folder / "variants.vcf"
        ploidies = {lane.sample: str(ploidy or lane.ploidy) for lane in self.lanes}
        chosen: list[str | Path] = ["--ploidy", next(iter(ploidies.values()))]
        if len(set(ploidies.values())) > 1:
            table = self.folder / "ploidies.txt"
            table.write_text("".join(f"{sample}\t{number}\n" for sample, number in ploidies.items()))
            chosen = ["-S", table]
        _pysam("bcftools", "call", "-mv", *chosen, *options.call, "-o", vcf, bcf)
        return vcf

    def normalized(self, vcf: Path) -> Path:
        """Run norm over a VCF."""
        normal = self.folder / "variants.norm.vcf"
        _pysam("bcftools", "norm", "-f", self.folder / "ref.fa", "-m", "-any", "-o", normal, vcf)
        return normal

    def _by_sample(self) -> list[tuple[str, list[WholeLane]]]:
        samples = dict.fromkeys(lane.sample for lane in self.lanes)
        return [(sample, [lane for lane in self.lanes if lane.sample == sample]) for sample in samples]

    def _minimap(self, name: str, group: str, sample: str, fastq: Sequence[Path]) -> Path:
        sam = self.folder / f"lane{name}.sam"
        line = f"@RG\\tID:{group}\\tSM:{sample}"
        arguments = ["-ax", "sr", "-t", "1", "-R", line, "-o", str(sam), str(self.folder / "ref.fa"), *map(str, fastq)]
        messages = _process(_MINIMAP, *arguments)
        if "[ERROR]" in messages or "ERROR:" in messages:
            raise Refused(messages)
        return sam


def sam_lines(bam: Path) -> list[str]:
    """Return the records of a BAM as text, tags sorted, without PG."""
    import pysam

    lines = []
    with pysam.AlignmentFile(str(bam), check_sq=False) as file:
        for record in file.fetch(until_eof=True):
            fields = record.to_string().split("\t")
            lines.append("\t".join(fields[:11] + sorted(tag for tag in fields[11:] if not tag.startswith("PG:"))))
    return lines


def vcf_lines(vcf: Path) -> list[str]:
    """Return the samples' line and the records of a VCF."""
    return [line for line in unpacked(vcf).decode().splitlines() if not line.startswith("##")]


def unpacked(path: Path) -> bytes:
    """Return a file's text, of all its gzip members if it is packed."""
    data = path.read_bytes()
    return gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data


def ending_with_newline(text: bytes) -> bytes:
    """Return a lane's text so that another can follow it."""
    return text if not text or text.endswith(b"\n") else text + b"\n"


def _joined(sams: Sequence[bytes]) -> bytes:
    """Join SAM texts over one reference: the contigs once, all read groups, all records in turn."""
    headers: dict[bytes, None] = {}
    records: list[bytes] = []
    for text in sams:
        for line in text.splitlines(keepends=True):
            if line.startswith((b"@HD\t", b"@SQ\t", b"@RG\t")):
                headers[line] = None
            elif not line.startswith(b"@PG\t"):
                records.append(line)
    kinds = [b"@HD\t", b"@SQ\t", b"@RG\t"]
    return b"".join(sorted(headers, key=lambda line: kinds.index(line[:4]))) + b"".join(records)


def _pysam(package: str, command: str, *arguments: str | Path) -> None:
    _process(_PYSAM, package, command, *map(str, arguments))


def _process(program: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, check=False)
    if done.returncode:
        raise Refused(f"exit {done.returncode}: " + done.stderr.decode(errors="replace")[-2000:])
    return done.stderr.decode(errors="replace")
