"""Objects in S3 assembled on the server, from ranges of objects that are there: no byte of them passes the driver.

A part of an upload has 5 MiB or more, the last one excepted. What is shorter (a header, a small range) is read, joined
with its neighbours and sent; all else is copied where it lies. Here: the plan, pure, and its act.
Source: the Amazon S3 API reference, UploadPartCopy and "multipart upload limits".
Imports `model.composite`, `stores.s3_client`, `stores.s3_parts`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from flowbutton.model.composite import Composition, Span, length_of
from flowbutton.stores.s3_client import repeated
from flowbutton.stores.s3_parts import MOST_PARTS, Parts, at_once, each_part, sent_part

LEAST = 5 * 1024**2
"""No part has fewer bytes, but the last."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A part that is read and sent: bytes ``[start, stop)`` of the whole."""

    start: int
    stop: int


Step = Sent | Span
"""One part of an upload: sent, or copied from an object."""


def assembly(composition: Composition, most: int) -> list[Step]:
    """Plan the parts of an upload, in order.

    Args:
        composition: What the whole is made of.
        most: Bytes of a part that is copied, about; it has fewer than twice as many.

    Returns:
        Steps of `LEAST` bytes or more, the last excepted, and at most `MOST_PARTS` + 1; a part that is sent has less
        than three times the least.
    """
    least = max(LEAST, -(-composition.size // MOST_PARTS))
    steps: list[Step] = []
    held = at = 0  # what is to be sent: bytes [held, at) of the whole
    for begin, part in composition.placed():
        size = length_of(part)
        taken = size
        if isinstance(part, Span):
            taken = min(size, max(least - (at - held), 0)) if at > held else 0
            if size - taken < least:  # too short to be a part of its own
                taken = size
        at = begin + taken
        while at - held >= 2 * least:
            steps.append(Sent(held, held + least))
            held += least
        if at - held >= least:
            steps.append(Sent(held, at))
            held = at
        if isinstance(part, Span) and taken < size:
            steps += _copied(part, taken, least, max(most, least))
            held = at = begin + size
    return [*steps, Sent(held, at)] if at > held else steps


def _copied(span: Span, taken: int, least: int, most: int) -> Iterator[Span]:
    """Cut what is left of a span evenly, into pieces of about ``most`` bytes and no less than ``least``."""
    start, size = span.start + taken, span.stop - span.start - taken
    count = min(-(-size // most), size // least)
    bounds = [start + size * number // count for number in range(count + 1)]
    return (Span(span.digest, low, high) for low, high in pairwise(bounds))


def assembled_parts(
    client: Any,
    call: Mapping[str, Any],
    upload_id: str,
    steps: list[Step],
    source: Callable[[str], Mapping[str, str]],
    read: Callable[[int, int], bytes],
) -> Parts:
    """Copy and send the parts of an upload; memory: as `s3_parts.upload`.

    Args:
        client: Of the bucket that both lie in, or of its server.
        call: Bucket and key of the upload.
        upload_id: Its id.
        steps: The plan.
        source: Returns where the object of a digest lies.
        read: Returns bytes ``[start, stop)`` of the whole.
    """

    def bring(number: int, step: Step) -> str:
        if isinstance(step, Sent):
            return sent_part(client, call, upload_id, number, read(step.start, step.stop))
        span = f"bytes={step.start}-{step.stop - 1}"
        where = {"CopySource": source(step.digest), "CopySourceRange": span}
        done = repeated(lambda: client.upload_part_copy(**call, **where, UploadId=upload_id, PartNumber=number))
        return str(done["CopyPartResult"]["ETag"])

    longest = max((step.stop - step.start for step in steps if isinstance(step, Sent)), default=0)
    return each_part(steps, bring, at_once(longest))
