"""``flowbutton try``: one stage on small files, alone, in this process. Imports click, `flowbutton.ui`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flowbutton.model.errors import FlowbuttonError, OptionError
from flowbutton.model.units import counted, show_records
from flowbutton.ui.exits import Exit
from flowbutton.ui.options import KeyValue
from flowbutton.ui.words import shown_path, shown_time

if TYPE_CHECKING:
    from flowbutton.model.records import Artifact, LedgerCounts
    from flowbutton.ui.trial import Told, Trial

_SUFFIXES = {"json": ".json", "items": ".json", "bundle": ".bundle", "lines": ".jsonl"}
_SHOWN_BYTES, _SHOWN_LINES = 20_000, 20


@click.command("try")
@click.argument("stage")
@click.option(
    "-i", "--input", "inputs", multiple=True, metavar="[ARGUMENT=]FILE", help="A file for an argument; may be repeated."
)
@click.option(
    "--with", "options", type=KeyValue(), multiple=True, metavar="OPTION=VALUE", help="An option, as in YAML."
)
@click.option(
    "--piece",
    type=click.IntRange(min=1),
    default=1,
    metavar="N",
    help="Which piece to take, where a file is cut all the same.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Write the results here.")
def try_command(
    stage: str, inputs: tuple[str, ...], options: tuple[tuple[str, str], ...], piece: int, out: Path | None
) -> int:
    """Run one stage on small files, in this process.

    STAGE is a registered name or module:function. An argument that reads pieces gets the whole file as one piece; a
    text or a number is given as it is; an argument that takes several results may be given several files. Nothing is
    kept but what --out writes.
    """
    from flowbutton.stages.define import find_stage
    from flowbutton.ui.trial import Trial, arguments_of, options_of

    sys.path.insert(0, str(Path.cwd()))
    definition = find_stage(stage)
    _check_out(out)
    trial = Trial(definition, options_of(definition, options))
    for argument, values in arguments_of(definition, inputs).items():
        trial.give(argument, values, piece=piece)
    for told in trial.pieces:
        click.echo(_piece_words(told))
    return _run(trial, out)


def _run(trial: Trial, out: Path | None) -> int:
    from flowbutton.ui.errors import tell_raised

    try:
        record = trial.perform()
    except FlowbuttonError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001  A stage may raise anything: this is what one looks for.
        return tell_raised(error)
    click.echo(f"{trial.stage.uses}: done in {shown_time(record.measures.wall_s)}")
    for line in _ledger_lines(record.ledger):
        click.echo(f"  {line}")
    for name, artifact in record.artifacts.items():
        click.echo(f"{name or 'result'}: {artifact.kind}, {artifact.size:,} bytes{_shown(trial, artifact)}")
        if out is not None:
            place = out / f"{name or 'result'}{artifact.suffix or _SUFFIXES.get(artifact.kind, '')}"
            place.write_bytes(trial.read(artifact))
            click.echo(f"  in {shown_path(place)}")
    trial.check(record.ledger)
    return Exit.DONE


def _check_out(out: Path | None) -> None:
    """Make the folder, before anything has run in vain."""
    try:
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise OptionError("the folder can't be made", why=why, hint="give another --out", file=str(out)) from error


def _piece_words(told: Told) -> str:
    key = ", ".join(f"{name} {value}" for name, value in told.piece.key)
    unit = "" if told.piece.records is None else f", {show_records(told.piece.records, told.partitioner.unit)}"
    number = "the whole file" if told.pieces == 1 else f"piece {told.number} of {told.pieces} (--piece chooses another)"
    return f"{told.argument}: {number}, read by {told.partitioner.name}{unit}; {key}"


def _ledger_lines(ledger: LedgerCounts) -> Iterable[str]:
    for argument, count in ledger.consumed.items():
        yield f"{counted(count, 'record')} of '{argument}' in"
    if ledger.out is not None:
        yield f"{counted(ledger.out, 'record')} out"
    for words, counts in (("filtered", ledger.filtered), ("set aside", ledger.set_aside), ("apart", ledger.apart)):
        for reason, count in counts.items():
            yield f"{counted(count, 'record')} {words}: {reason}"
    for text in ledger.warnings:
        yield f"warning: {text}"


def _shown(trial: Trial, artifact: Artifact) -> str:
    """Return the beginning of a small result that people can read, to be put below its name."""
    import json

    if artifact.kind not in ("json", "items") or artifact.size > _SHOWN_BYTES:
        return ""
    lines = json.dumps(json.loads(trial.read(artifact)), indent=2, ensure_ascii=False).splitlines()
    rest = [f"... and {len(lines) - _SHOWN_LINES} more lines"] if len(lines) > _SHOWN_LINES else []
    return "".join(f"\n  {line}" for line in [*lines[:_SHOWN_LINES], *rest])
