"""A paired-end sequencer: fragments of an individual become reads with qualities, errors and adapters.

Here: where fragments lie, quality strings that fall with the cycle, errors drawn by those qualities, FASTQ text.
Not here: the individual (`samples.genome`), compression (`samples.genomics`). Imports numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowbutton.samples.draws import Bytes, Draws, Ints
from flowbutton.samples.genome import BASES

READ_LENGTH = 150
_INSERT, _INSERT_DEVIATION, _LONGEST, _SHORTEST = 350, 60, 620, 60
_BLOCK = 4000  # pairs simulated at once: bounds the memory
_ADAPTERS = (  # TruSeq: what is read through a short insert, R1 and R2; then the dye-less G
    b"AGATCGGAAGAGCACACGTCTGAACTCCAGTCACATCACGATCTCGTATGCCGTCTTCTGCTTG".ljust(READ_LENGTH, b"G"),
    b"AGATCGGAAGAGCGTCGTGTAGGGAAAGAGTGTAGATCTCGGTGGTCGCCGTATCATT".ljust(READ_LENGTH, b"G"),
)
_LEVELS = (2, 6, 15, 22, 27, 33, 37, 40)  # Illumina's eight quality levels, and their errors per million
_PER_MILLION = (630_957, 251_189, 31_623, 6_310, 1_995, 501, 200, 100)
_COMPLEMENT = np.zeros(256, np.uint8)
_COMPLEMENT[list(b"ACGTN")] = list(b"TGCAN")


@dataclass(frozen=True, slots=True)
class Fragments:
    """Stretches of ``template`` that are sequenced from both ends; ``flipped`` ones are read from the other strand."""

    template: Bytes
    starts: Ints
    lengths: Ints
    flipped: NDArray[np.bool_]
    junk: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.starts)

    def part(self, start: int, stop: int) -> Fragments:
        """Return the fragments ``[start, stop)``."""
        span = slice(start, stop)
        return Fragments(self.template, self.starts[span], self.lengths[span], self.flipped[span], self.junk[span])


def shear(draws: Draws, haplotypes: Sequence[bytes], pairs: int) -> Fragments:
    """Draw ``pairs`` fragments, evenly over all haplotypes: some short, some twice, some of nothing known."""
    template, free = _join(haplotypes)
    drawn = pairs + pairs // 5
    lengths = draws.normal(_INSERT, _INSERT_DEVIATION, drawn).clip(_SHORTEST, _LONGEST)
    lengths = np.where(draws.chance(6, drawn), 80 + draws.below(70, drawn), lengths)
    starts = draws.below(len(template) - _LONGEST, drawn)
    whole = np.flatnonzero(free[starts + lengths] == free[starts])
    chosen = whole[:pairs]
    again = np.flatnonzero(draws.chance(15, pairs))  # duplicates: the library's copies of a neighbour
    chosen[again] = chosen[again - 1]
    return Fragments(
        template, starts[chosen], lengths[chosen], draws.chance(500, drawn)[chosen], draws.chance(5, pairs)
    )


def sequence(draws: Draws, fragments: Fragments, *, lane: int) -> Iterator[tuple[bytes, bytes]]:
    """Read fragments from both ends; yield FASTQ text of R1 and R2, a block of pairs at a time."""
    for start in range(0, len(fragments), _BLOCK):
        block = fragments.part(start, min(start + _BLOCK, len(fragments)))
        names = _names(draws, lane, start, len(block))
        one, two = (_fastq(draws, block, names, mate) for mate in (0, 1))
        yield one, two


def _join(haplotypes: Sequence[bytes]) -> tuple[Bytes, Ints]:
    """Join haplotypes with N between them; also return how many N come before each place."""
    template = np.frombuffer((b"N" * _LONGEST).join([*haplotypes, b""]), np.uint8)
    return template, np.concatenate([[0], np.cumsum(template == ord("N"))])


def _fastq(draws: Draws, block: Fragments, names: Sequence[str], mate: int) -> bytes:
    qualities = _qualities(draws, len(block), mate)
    bases = _with_errors(draws, _true_bases(draws, block, mate), qualities)
    letters = bases.tobytes().decode()
    marks = (np.array(_LEVELS, np.uint8)[qualities] + 33).tobytes().decode()
    spans = [slice(start, start + READ_LENGTH) for start in range(0, len(letters), READ_LENGTH)]
    return "".join(
        f"@{name} {mate + 1}:N:0:ATCACG\n{letters[span]}\n+\n{marks[span]}\n"
        for name, span in zip(names, spans, strict=True)
    ).encode()


def _true_bases(draws: Draws, block: Fragments, mate: int) -> Bytes:
    """Return what an errorless sequencer would read: the fragment's end inwards, then the adapter."""
    cycles = np.arange(READ_LENGTH)
    backwards = (block.flipped ^ (mate == 1))[:, None]
    starts, ends = block.starts[:, None], (block.starts + block.lengths)[:, None]
    # A short insert's last cycles point outside the fragment; the adapter covers them below.
    places = np.where(backwards, ends - 1 - cycles, starts + cycles).clip(0, len(block.template) - 1)
    bases: Bytes = block.template[places]
    bases = np.where(backwards, _COMPLEMENT[bases], bases)
    behind = cycles - block.lengths[:, None]
    adapter = np.frombuffer(_ADAPTERS[mate], np.uint8)
    bases = np.where(behind >= 0, adapter[behind.clip(0)], bases)
    bases[block.junk] = BASES[draws.packed("<u1", int(block.junk.sum()) * READ_LENGTH) & 3].reshape(-1, READ_LENGTH)
    return bases


def _qualities(draws: Draws, count: int, mate: int) -> NDArray[Any]:
    """Return indices into `_LEVELS`: high, lower in the first cycles, falling to the end, more so in R2."""
    cycles = np.arange(READ_LENGTH)
    fall = cycles * cycles * (9 + 4 * mate) // (READ_LENGTH * READ_LENGTH // 16)
    typical = 16 * 43 - fall - 16 * (5 - cycles).clip(0)  # in sixteenths
    of_read = draws.normal(0, 40, count)[:, None]
    # Some reads go bad from a cycle on, and stay so: it is what trimming looks for.
    of_read = of_read - 6 * (cycles - (50 + draws.below(450 - 130 * mate, count))[:, None]).clip(0)
    noise = draws.packed("<u1", count * READ_LENGTH * 4).reshape(count, READ_LENGTH, 4)
    of_base = (noise.sum(axis=2, dtype=np.int64) - 510) * 3 // 10
    bins = np.zeros(64, np.int64)
    for level, lowest in enumerate((0, 10, 20, 25, 30, 35, 39, 43)):
        bins[lowest:] = level
    result: NDArray[Any] = bins[((typical + of_read + of_base) // 16).clip(0, 63)]
    return result


def _with_errors(draws: Draws, bases: Bytes, qualities: NDArray[Any]) -> Bytes:
    thresholds = np.array([rate * 2**32 // 1_000_000 for rate in _PER_MILLION], np.uint64)
    draw = draws.packed("<u4", bases.size).reshape(bases.shape)
    wrong = draw < thresholds[qualities]
    codes = np.searchsorted(BASES, bases[wrong])  # A C G T sort in this order
    shift = 1 + draws.below(3, len(codes))
    result = bases.copy()
    result[wrong] = BASES[(codes + shift) % 4]
    uncalled = wrong & (qualities == 0)
    uncalled[uncalled] = draws.chance(150, int(uncalled.sum()))
    result[uncalled] = ord("N")
    return result


def _names(draws: Draws, lane: int, first: int, count: int) -> list[str]:
    """Names as an instrument writes them: machine, run, flow cell, lane, tile, x, y; in the order of y."""
    tiles, xs = 1101 + (first + np.arange(count)) // 3000, 1000 + draws.below(31_000, count)
    ys = 1000 + (first + np.arange(count)) % 3000 * 12 + draws.below(12, count)
    return [f"A00481:68:HFLOWBUTX:{lane}:{tile}:{x}:{y}" for tile, x, y in zip(tiles, xs, ys, strict=True)]
