"""The programs of the field, run in this process: minimap2, samtools, bcftools.

Here: one call of a program, and what tells that it failed. Not here: what is computed with them.
Sources: Li 2018, doi:10.1093/bioinformatics/bty191; Danecek et al. 2021, doi:10.1093/gigascience/giab008.
Imports `flowbutton.model`; pyminimap2 and pysam only inside functions.
"""

from __future__ import annotations

import re
from typing import Literal

from flowbutton.model.errors import Bug, FlowbuttonError, NoSpace

# minimap2 has no exit status in a library: what went wrong stands in its messages only.
_FAILURE = re.compile(r"^.*(?:\bERROR\b|\[E::).*$", re.MULTILINE)
_FULL = "No space left on device"


def run_minimap(arguments: list[str]) -> None:
    """Run minimap2. Output goes to the file that the arguments name (``-o``, ``-d``).

    Not thread-safe: it turns the process's own standard output away while it runs.

    Raises:
        NoSpace: the disk is full.
        Bug: it reported another error; inputs were checked before, so it is not the user's.
    """
    import pyminimap2

    _, messages = pyminimap2.main(arguments)
    failure = _FAILURE.search(messages)
    if failure is not None:
        raise _failed("minimap2", arguments, failure[0])


def run_samtools(command: Literal["sort", "index"], arguments: list[str]) -> None:
    """Run a command of samtools. Output goes to the file that the arguments name.

    Raises:
        NoSpace: the disk is full.
        Bug: it failed otherwise.
    """
    import pysam.samtools
    from pysam.utils import SamtoolsError

    try:
        getattr(pysam.samtools, command)(*arguments, catch_stdout=False)
    except SamtoolsError as error:
        raise _failed(f"samtools {command}", arguments, str(error)) from error


def run_bcftools(command: Literal["mpileup", "call", "norm", "index"], arguments: list[str]) -> None:
    """Run a command of bcftools. Output goes to the file that the arguments name.

    Raises:
        NoSpace: the disk is full.
        Bug: it failed otherwise.
    """
    import pysam.bcftools
    from pysam.utils import SamtoolsError

    try:
        getattr(pysam.bcftools, command)(*arguments, catch_stdout=False)
    except SamtoolsError as error:
        raise _failed(f"bcftools {command}", arguments, str(error)) from error


def _failed(program: str, arguments: list[str], message: str) -> FlowbuttonError:
    if _FULL in message:
        return NoSpace(f"{program} could not write its result", why=_FULL, hint="make room in the scratch folder")
    return Bug(f"{program} failed", why=message.strip(), hint="", arguments=" ".join(arguments))
