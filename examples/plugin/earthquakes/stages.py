"""Magnitudes of earthquakes: counted in bins of a tenth, and the law that they follow.

Gutenberg and Richter 1944: the number of earthquakes of magnitude m or more is 10 ** (a - b * m). The estimate of b is
Aki's (1965, Bull. Earthq. Res. Inst. 43, 237-239) with Utsu's correction for magnitudes that are rounded.
Counts are whole numbers, so their sum does not depend on how the catalogue was cut.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from pydantic import BaseModel

from earthquakes.json_lines import JsonLinesReader
from flowbutton import BadInput, Tally, conserves, gather_stage, map_stage


class Magnitudes(BaseModel):
    """How many earthquakes there are of each magnitude, which is counted in tenths: 25 is 2.5."""

    tenths: dict[int, int]


class Law(BaseModel):
    """Gutenberg and Richter's law of a catalogue: b, its standard error, and the number of earthquakes behind it."""

    b: float
    error: float
    events: int


@map_stage("earthquakes.count", ledger=conserves("events"))
def count(events: JsonLinesReader, tally: Tally, *, kind: str = "earthquake") -> Magnitudes:
    """Count the events of a piece by magnitude.

    Args:
        events: A piece of a catalogue: objects with "magnitude", a number, and "kind".
        tally: Counts events in and out, and those left out with the reason.
        kind: What kind of event is counted; a catalogue holds explosions too.
    """
    tenths: Counter[int] = Counter()
    for event in events:
        if event.get("kind") != kind:
            tally.filtered(f"not of kind {kind}", 1)
        elif not isinstance(event.get("magnitude"), int | float):
            tally.filtered("without a magnitude", 1)
        else:
            tenths[round(event["magnitude"] * 10)] += 1
            tally.out(1)
    return Magnitudes(tenths=tenths)


@gather_stage("earthquakes.add")
def add(parts: Sequence[Magnitudes]) -> Magnitudes:
    """Add counts; associative, so it may gather in a tree.

    Args:
        parts: Counts by `earthquakes.count` or by this stage.
    """
    return Magnitudes(tenths=sum((Counter(part.tenths) for part in parts), Counter()))


@map_stage("earthquakes.law")
def law(magnitudes: Magnitudes, *, complete_from: float) -> Law:
    """Estimate b of Gutenberg and Richter's law.

    Args:
        magnitudes: Counts of a whole catalogue.
        complete_from: The magnitude from which on the catalogue misses no earthquake.

    Raises:
        BadInput: fewer than two earthquakes are that strong, or all are of one magnitude.
    """
    least = round(complete_from * 10)
    complete = {tenth: number for tenth, number in magnitudes.tenths.items() if tenth >= least}
    events = sum(complete.values())
    if events < 2 or len(complete) < 2:
        raise BadInput(
            f"b can't be estimated from {events} earthquakes",
            why=f"of magnitude {complete_from} or more, {len(complete)} different magnitudes are in the catalogue",
            hint="give a smaller complete_from, or a longer catalogue",
        )
    mean = sum(tenth * number for tenth, number in complete.items()) / events / 10
    b = math.log10(math.e) / (mean - (least / 10 - 0.05))
    return Law(b=b, error=b / math.sqrt(events), events=events)
