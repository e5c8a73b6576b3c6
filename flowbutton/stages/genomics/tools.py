"""The programs of the field, run in this process: minimap2, samtools, bcftools.

Here: one call of a program, and what tells that it failed. Not here: what is computed with them.
Sources: Li 2018, doi:10.1093/bioinformatics/bty191; Danecek et al. 2021, doi:10.1093/gigascience/giab008.
Imports `flowbutton.model`; pyminimap2 and pysam only inside functions.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Literal

from flowbutton.model.errors import Bug, FlowbuttonError, NoSpace
from flowbutton.model.units import show_bytes

# minimap2 has no exit status in a library: what went wrong stands in its messages only.
# The line that repeats the command is none of that: a sample or a folder may have any name.
_FAILURE = re.compile(r"^(?!\[M::).*(?:\bERROR\b|\[E::).*$", re.MULTILINE)
_NOT_WRITTEN = re.compile("No space left on device|[Ff]ailed to write|close failed")  # bcftools does not say why


def require_space(folder: Path, needed: int) -> None:
    """Refuse to begin where a disk is sure to be too small.

    For minimap2: when it can't write, it leaves from a thread of its own, and the process may hang when it ends.

    Raises:
        NoSpace: fewer than ``needed`` bytes are free.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise NoSpace(
            "the scratch folder is too small for the alignments",
            why=f"{show_bytes(needed)} are needed, {show_bytes(free)} are free",
            hint="make room in it, or cut the reads into smaller pieces",
        )


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


def run_bcftools(command: Literal["mpileup", "call", "norm", "index", "view"], arguments: list[str]) -> None:
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
    if _NOT_WRITTEN.search(message):
        return NoSpace(
            f"{program} could not write its result", why=message.strip(), hint="make room in the scratch folder"
        )
    return Bug(f"{program} failed", why=message.strip(), hint="", arguments=" ".join(arguments))
