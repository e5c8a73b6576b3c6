"""The samples of a run: the table that a source makes of its sample sheet, and the read group lines made of it.

Here: `SampleTable`, what names may hold, ``@RG`` lines. Not here: how a sample sheet is read (`partitioners.fastq`).
Format: SAM specification (samtools/hts-specs), section 1.3. Imports `flowbutton.model`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, RootModel, model_validator

from flowbutton.model.errors import BadInput

# A tab ends a field of a header line; a line break, the line. Read groups also stand in each record (SAM: [ -~]).
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_READ_GROUP = re.compile(r"(?![*?]$)[ -~]+")  # bcftools mpileup gives '*' and '?' a meaning of their own


class SampleRow(BaseModel):
    """One sample: its name, its read groups in order, its ploidy (1 or 2; None where the sheet is silent)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sample: str
    read_groups: tuple[str, ...]
    ploidy: int | None = None

    @model_validator(mode="after")
    def _can_be_used(self) -> SampleRow:
        check_names(self.sample, self.read_groups)
        if self.ploidy not in (None, 1, 2):
            raise BadInput(
                f"sample '{self.sample}' has ploidy {self.ploidy}",
                why="bcftools calls with 1 or 2",
                hint="correct the sample sheet",
            )
        return self


class SampleTable(RootModel[list[SampleRow]]):
    """The samples in the order of the sample sheet: the order of the columns of a joint call."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="after")
    def _names_are_distinct(self) -> SampleTable:
        _refuse_twice("sample", [row.sample for row in self.root])
        _refuse_twice("read group", [name for row in self.root for name in row.read_groups])
        return self

    def row(self, sample: str) -> SampleRow:
        """Return the row of ``sample``.

        Raises:
            BadInput: the table does not hold it.
        """
        for row in self.root:
            if row.sample == sample:
                return row
        known = ", ".join(row.sample for row in self.root) or "none"
        raise BadInput(f"there is no sample '{sample}'", why="", hint=f"the table holds: {known}")


def check_names(sample: str, read_groups: Sequence[str]) -> None:
    """Refuse names that a BAM or VCF header can't hold.

    Raises:
        BadInput: a sample is empty or holds a control character (a tab, say), a read group also what is not ASCII.
    """
    hint = "rename it in the sample sheet"
    if not sample or _CONTROL.search(sample):
        raise BadInput(
            f"the sample name {sample!r} can't be written to BAM and VCF",
            why="it is empty or holds a tab or another control character",
            hint=hint,
        )
    for name in read_groups:
        if not _READ_GROUP.fullmatch(name):
            raise BadInput(
                f"the read group {name!r} can't be written to BAM",
                why="a read group is printable ASCII, at least one character, and not just '*' or '?'; without a "
                "column 'read_group' it is the sample's name",
                hint="name it in a column 'read_group' of the sample sheet; the sample keeps its name",
            )


def read_group_line(read_group: str, sample: str) -> str:
    """Return the ``@RG`` header line, without a line break."""
    return f"@RG\tID:{read_group}\tSM:{sample}"


def _refuse_twice(kind: str, names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise BadInput(
            f"the {kind} '{twice[0]}' stands twice in the table of samples",
            why=f"a {kind} is known by its name",
            hint="rename one of them in the sample sheet",
        )
