"""Options of bcftools that people may hand on: those that decide about a site from the reads over it.

Refused is what would change what is read (samples, regions), what is written (format, gVCF blocks, which break where
regions end), or what a stage's own option already says. An option that is not listed is refused: that a tool knows it
does not mean that the cut does not show.

Here: the lists, the check. Source: bcftools 1.24, ``mpileup`` and ``call``. Imports `flowbutton.model`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator

from flowbutton.model.errors import OptionError
from flowbutton.model.units import Unfit
from flowbutton.stages.genomics.caller_values import (
    AMBIGUOUS_READS,
    CALL_TAGS,
    FLAGS,
    MPILEUP_TAGS,
    NUMBER,
    TEXT,
    TWO_TAGS,
    VARIANT_TYPES,
    WHOLE,
    Kind,
)

Tool = Literal["mpileup", "call"]
_T = TypeVar("_T")


class Refusal(StrEnum):
    """Why an option can't be handed on."""

    INPUT = "it changes which reads or samples are read; the sample sheet says that"
    OUTPUT = "it changes where or in which format the tool writes; the stages pass files on in a format of their own"
    REGIONS = "it changes where the tool calls; the regions are planned from the data"
    BLOCKS = "gVCF blocks would break where a region ends, so the cut would show"
    METHOD = "the stage calls with -m and -v (multiallelic model, variant sites only)"
    STAGE = "the stage has an option for it: min_mapping_quality, min_base_quality, max_depth or ploidy"
    PRESET = "it sets many options at once; give those that you mean"
    RUNNING = "it changes how the tool runs, not what it answers"


@dataclass(frozen=True, slots=True)
class _Options:
    """``flags`` and ``values`` (with their kind) may be handed on, ``refused`` may not; all with their aliases."""

    flags: frozenset[str]
    values: Mapping[str, Kind]
    refused: Mapping[str, Refusal]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _by_name(names_of: Mapping[_T, str]) -> dict[str, _T]:
    return {name: value for value, names in names_of.items() for name in names.split()}


_NO_BAQ, _REDO_BAQ = _names("-B --no-BAQ"), _names("-E --redo-BAQ")
_TOOLS: dict[Tool, _Options] = {
    "mpileup": _Options(
        flags=_names(
            "-6 --illumina1.3+ -A --count-orphans -B --no-BAQ -D --full-BAQ -E --redo-BAQ -x --ignore-overlaps "
            "-I --skip-indels -p --per-sample-mF --indels-2.0 --indels-cns --no-indels-cns "
            "--no-poly-mqual --poly-mqual"
        ),
        values=_by_name(
            {
                MPILEUP_TAGS: "-a --annotate",
                WHOLE: "-C --adjust-MQ --max-BQ --delta-BQ --seed -e --ext-prob -h --tandem-qual -m --min-ireads "
                "-M --max-read-len -o --open-prob --indel-size --seqq-offset",
                NUMBER: "-F --gap-frac --indel-bias --del-bias --score-vs-ref",
                FLAGS: "--ls --skip-all-set --lu --skip-all-unset --ns --skip-any-set --nu --skip-any-unset --ff --rf",
                AMBIGUOUS_READS: "--ar --ambig-reads",
                TEXT: "-P --platforms",
            }
        ),
        refused=_by_name(
            {
                Refusal.INPUT: "-b --bam-list -f --fasta-ref --no-reference -G --read-groups --ignore-RG "
                "-s --samples -S --samples-file",
                Refusal.OUTPUT: "--output -O --output-type -W --write-index --no-version",
                Refusal.REGIONS: "-r --regions -R --regions-file --regions-overlap -t --targets -T --targets-file",
                Refusal.BLOCKS: "-g --gvcf",
                Refusal.STAGE: "-d --max-depth -L --max-idepth -q --min-MQ -Q --min-BQ",
                Refusal.PRESET: "-X --config",
                Refusal.RUNNING: "--threads -v --verbosity",
            }
        ),
    ),
    "call": _Options(
        flags=_names("-A --keep-alts -* --keep-unseen-allele -M --keep-masked-ref"),
        values=_by_name(
            {
                CALL_TAGS: "-a --annotate",
                TWO_TAGS: "-F --prior-freqs",
                VARIANT_TYPES: "-V --skip-variants",
                NUMBER: "-P --prior",
            }
        ),
        refused=_by_name(
            {
                Refusal.INPUT: "-s --samples -S --samples-file -G --group-samples --group-samples-tag",
                Refusal.OUTPUT: "-o --output -O --output-type -W --write-index --no-version",
                Refusal.REGIONS: "-r --regions -R --regions-file --regions-overlap -t --targets -T --targets-file "
                "-i --insert-missed",
                Refusal.BLOCKS: "-g --gvcf",
                Refusal.METHOD: "-m --multiallelic-caller -c --consensus-caller -v --variants-only -p --pval-threshold "
                "-C --constrain -n --novel-rate",
                Refusal.STAGE: "--ploidy --ploidy-file",
                Refusal.RUNNING: "--threads --verbosity",
            }
        ),
    ),
}


def checked(tool: Tool, options: Sequence[str]) -> list[str]:
    """Return ``options`` as arguments of ``tool``: ``["-m", "2"]``, ``["--min-ireads=2"]``.

    Raises:
        OptionError: one is refused, the reason is named; or it is not known, or its value is missing, unfit or not
            wanted; or two of them contradict each other.
    """
    known = _TOOLS[tool]
    arguments: list[str] = []
    rest = iter(options)
    for text in rest:
        name, equals, value = text.partition("=") if text.startswith("--") else (text, "", "")
        if name in known.refused:
            raise OptionError(
                f"the option '{name}' can't be handed on to bcftools {tool}",
                why=known.refused[name],
                hint="leave it out",
            )
        if name in known.flags and not equals:
            arguments.append(name)
        elif name in known.values:
            arguments += [name, _value(tool, name, value if equals else next(rest, ""))]
        else:
            raise OptionError(
                f"'{text}' is not an option that can be handed on to bcftools {tool}",
                why="only options that decide about a site from its reads are, each written alone, its value after it",
                hint=f"there are: {' '.join(sorted([*known.flags, *known.values]))}; a value with a comma is given by "
                "--params-file",
            )
    if tool == "mpileup" and _NO_BAQ.intersection(arguments) and _REDO_BAQ.intersection(arguments):
        raise OptionError(
            "the options '-B' and '-E' of bcftools mpileup contradict each other",
            why="one leaves out the base alignment quality, the other computes it anew",
            hint="give one of them",
        )
    return arguments


def _value(tool: Tool, name: str, value: str) -> str:
    kind = _TOOLS[tool].values[name]
    if not kind.fits(value):
        raise OptionError(
            f"the option '{name}' of bcftools {tool} needs another value",
            why=f"it has '{value}'" if value else "it has none",
            hint=f"write behind it {kind.wants}",
        )
    return value


def _fitting(tool: Tool, options: Sequence[str]) -> Sequence[str]:
    try:
        checked(tool, options)
    except OptionError as error:
        raise Unfit(f"{error.what}: {error.why}", hint=error.hint) from error
    return options


MpileupOptions = Annotated[Sequence[str], AfterValidator(partial(_fitting, "mpileup"))]
"""Options of a stage that are checked when the pipeline is read, before any work."""

CallOptions = Annotated[Sequence[str], AfterValidator(partial(_fitting, "call"))]
"""The same for ``call``."""
