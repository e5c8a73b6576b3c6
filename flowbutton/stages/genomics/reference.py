"""The reference genome: checked, uncompressed, indexed once for all tasks.

Here: the stage `genomics.index_reference`, the contigs, names that the tools expect beside each other.
Not here: cutting it (it never is: an aligner needs the whole reference). Imports `flowbutton.model`.
"""

from __future__ import annotations

import string
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from flowbutton.model.errors import BadInput, TruncatedInput
from flowbutton.model.stage import Resources, Scratch
from flowbutton.stages.define import map_stage
from flowbutton.stages.genomics.tools import run_minimap

CONTIGS_READ = 0.1
"""Memory of a task per byte of a shared FASTA, of which it reads a contig or two at a time."""

_BLOCK = 1 << 22
_LETTERS = string.ascii_letters.encode() + b"*-.\n"
_HINT = "give a FASTA file of nucleotide sequences, plain or gzip"


class Reference(NamedTuple):
    """The uncompressed FASTA, its ``.fai`` and the aligner's index of the preset that was asked for."""

    fasta: Path
    fai: Path
    mmi: Path


@dataclass(frozen=True, slots=True)
class Contig:
    """A sequence of the reference: its name and its length in bases."""

    name: str
    length: int


# Measured on random bases, where each minimizer is another: 8.4 bytes for each, of 40 to 120 Mb.
@map_stage("genomics.index_reference", resources=Resources(memory_base_bytes=512 << 20, memory_per_input_byte=9.0))
def index_reference(reference: Path, scratch: Scratch, *, preset: Literal["sr"] = "sr") -> Reference:
    """Uncompress a reference and index it for reading by position (faidx) and for aligning (minimap2).

    Args:
        reference: FASTA, plain or gzip.
        scratch: Where the files are written.
        preset: The aligner's preset; an index fits one preset only. ``sr``: short accurate reads.

    Raises:
        BadInput: not FASTA, no contigs, a contig without bases, a name twice or one that no VCF can hold, a blank
            or a carriage return among the bases or names, lines of unequal length.
        TruncatedInput: the gzip data end early.
    """
    fasta = Path(scratch) / "reference.fa"
    with fasta.open("wb") as out:
        for block in _text_blocks(reference):
            out.write(block)
    names = _check_headers(fasta, shown=reference.name)
    fai = _index_by_position(fasta, names, shown=reference.name)
    mmi = Path(scratch) / "reference.mmi"
    run_minimap(["-x", preset, "-d", str(mmi), str(fasta)])
    return Reference(fasta, fai, mmi)


@dataclass(frozen=True, slots=True)
class Genome:
    """A reference as tools read it by position: a FASTA with its ``.fai`` beside it; and what this says."""

    fasta: Path
    contigs: Sequence[Contig]


def contigs(fai: Path) -> list[Contig]:
    """Return the contigs in the order of the reference: a contig's number in all keys is its place here."""
    rows = (line.split("\t") for line in fai.read_text("utf-8").splitlines())
    return [Contig(row[0], int(row[1])) for row in rows]


def genome_of(fasta: Path, fai: Path, scratch: Scratch) -> Genome:
    """Bring a FASTA and its ``.fai`` together in ``scratch``, where the tools look; made of links, no bytes move."""
    linked = Path(scratch) / "linked.fa"
    linked.symlink_to(fasta.resolve())
    linked.with_name("linked.fa.fai").symlink_to(fai.resolve())
    return Genome(linked, contigs(fai))


def _text_blocks(path: Path) -> Iterator[bytes]:
    from isal import igzip, igzip_lib

    damage: type[Exception] = igzip_lib.error  # type: ignore[assignment]  # isal's stub takes the class for an instance
    unzipped: Any = igzip.IGzipFile  # it has no types
    with path.open("rb") as raw:
        zipped = raw.read(2) == b"\x1f\x8b"
    with unzipped(str(path), "rb") if zipped else path.open("rb") as file:
        try:
            while block := file.read(_BLOCK):
                yield block
        except EOFError as error:
            raise TruncatedInput(
                "the reference ends in the middle of its gzip data",
                why=str(error),
                hint="compare its size with the sender's, fetch it again",
                file=path.name,
            ) from error
        except (OSError, damage) as error:
            raise BadInput("the reference can't be uncompressed", why=str(error), hint=_HINT, file=path.name) from error


def _check_headers(fasta: Path, *, shown: str) -> Sequence[bytes]:
    names: dict[bytes, None] = {}
    with fasta.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if number == 1 and not line.startswith(b">"):
                raise BadInput("the reference is not FASTA", why="it does not begin with '>'", hint=_HINT, file=shown)
            if line.startswith(b">"):
                if b"\r" in line.rstrip(b"\r\n"):
                    raise _lone_return(file=shown, line=number)
                name = line[1:].split(None, 1)[0] if line[1:2].strip() else b""
                _check_name(name, names, file=shown, line=number)
                names[name] = None
            elif (odd := line.translate(None, _LETTERS)) and (odd != b"\r" or not line.endswith((b"\r\n", b"\r"))):
                raise _not_a_letter(odd[:1], file=shown, line=number)
    if not names:
        raise BadInput("the reference has no contigs", why="the file is empty", hint=_HINT, file=shown)
    return list(names)


def _lone_return(**where: str | int) -> BadInput:
    return BadInput(
        "a header of the reference holds a carriage return",
        why="where it stands for a line end, the bases behind it would be taken for a part of the name",
        hint="write line feeds: tr '\\r' '\\n' < OLD > NEW",
        **where,
    )


def _not_a_letter(odd: bytes, **where: str | int) -> BadInput:
    return BadInput(
        "a line of bases in the reference holds a character that is no letter",
        why=f"it is {odd.decode(errors='backslashreplace')!r}; what aligns and what "
        "indexes would count the bases differently",
        hint="remove such characters, blanks at the ends of lines too",
        **where,
    )


def _check_name(name: bytes, seen: Collection[bytes], **where: str | int) -> None:
    shown = name.decode(errors="backslashreplace")
    if shown.encode() != name or not shown.isprintable():
        why = "it is not UTF-8, or holds a control character"
        raise BadInput(f"the contig {shown!r} has a name that can't be printed", why=why, hint="rename it", **where)
    if not name:
        raise BadInput("a contig has no name", why="nothing follows its '>'", hint="name it", **where)
    if name.startswith(b"#") or any(letter in name for letter in (b",", b"<", b">")):
        raise BadInput(
            f"the contig '{shown}' has a name that no VCF can hold",
            why="it begins with '#', which would make its variants comments, or holds a comma, '<' or '>', which its "
            "header can't",
            hint="rename it",
            **where,
        )
    if name in (b"*", b"="):
        why = "there '*' says that a read has no place, '=' that it has its mate's contig"
        raise BadInput(f"the contig '{shown}' has a name that no BAM can hold", why=why, hint="rename it", **where)
    if name in seen:
        raise BadInput(
            f"the contig '{shown}' stands twice in the reference",
            why="alignments name their contig, so names must differ",
            hint="rename or remove one of them",
            **where,
        )


def _index_by_position(fasta: Path, names: Sequence[bytes], *, shown: str) -> Path:
    import pysam
    from pysam.utils import SamtoolsError

    try:
        pysam.faidx(str(fasta))
    except SamtoolsError as error:
        raise _not_indexed(fasta, shown, str(error).strip()) from error
    fai = fasta.with_name(fasta.name + ".fai")
    found = {contig.name.encode() for contig in contigs(fai)}
    for name in names:
        if name not in found:  # faidx leaves it out, the aligner does not
            raise _without_bases(name, file=shown)
    return fai


def _without_bases(name: bytes, **where: str | int) -> BadInput:
    return BadInput(
        f"the contig '{name.decode(errors='replace')}' has no bases",
        why="an alignment's header can't hold it",
        hint="remove it, or fetch the file again if it was cut",
        **where,
    )


def _not_indexed(fasta: Path, shown: str, why: str) -> BadInput:
    """Return the error of a FASTA that faidx refused: its first contig without bases, or its first line out of step."""
    name, header, widths, is_short = b"", 0, (0, 0), False
    with fasta.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            bases, size = len(line.rstrip(b"\r\n")), len(line)
            if line.startswith(b">"):
                if name and not widths[0]:
                    break
                name, header, widths, is_short = line[1:].split(None, 1)[0], number, (0, 0), False
            elif bases and widths[0] and (is_short or bases > widths[0] or size > widths[1]):
                return BadInput(
                    "a contig of the reference has lines of unequal length",
                    why="all but its last must be equally long, with the same line end, since its bases are found by "
                    "counting",
                    hint="'seqtk seq -l60' writes lines of 60 bases",
                    file=shown,
                    line=number,
                )
            else:
                widths = widths if widths[0] else (bases, size)
                is_short = size < widths[1]
    if name and not widths[0]:
        return _without_bases(name, file=shown, line=header)
    return BadInput("the reference can't be indexed", why=why, hint=_HINT, file=shown)
