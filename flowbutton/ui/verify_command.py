"""``flowbutton verify``: what a run left, read again. Imports click, `flowbutton.ui`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from flowbutton.model.errors import MissingInput, OptionError
from flowbutton.model.units import counted, show_bytes
from flowbutton.ui.errors import complain
from flowbutton.ui.exits import Exit
from flowbutton.ui.finding import of_store, run_folder, store_of, work_of
from flowbutton.ui.options import params_option
from flowbutton.ui.words import shown_path

if TYPE_CHECKING:
    from flowbutton.api import Pipeline
    from flowbutton.engine.settings import Settings
    from flowbutton.engine.verify import Mismatch, Verified


@click.command("verify")
@click.argument("run", default="latest")
@of_store
@click.option("--drop", "dropping", is_flag=True, help="Remove what is damaged, so that the next run makes it again.")
@click.option("--exactness", "stage", metavar="STAGE", help="Compute STAGE again from other pieces, and compare.")
@params_option("Another size, for --exactness.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify_command(
    run: str,
    store: str | None,
    results: str,
    dropping: bool,
    stage: str | None,
    params: Mapping[str, str],
    as_json: bool,
) -> int:
    """Check that what a run made and published is intact.

    RUN is a run's id or 'latest'. Everything that it published, and every task record and object that it made or
    reused, is read again. Each file or key whose digest differs from the one recorded is reported, and the exit code
    is then 1.

    With --exactness, STAGE and all that it needs are computed again in a temporary store, from pieces of other sizes,
    and the results are compared with those of RUN. The answer is printed and written to the run's folder.
    """
    place = store_of(store, results)
    folder = run_folder(place, run)
    if stage is not None:
        return _exactness(folder, place, stage, params, as_json)
    if params:
        raise click.UsageError("-p goes with --exactness")
    return _verify(folder, place, dropping, as_json)


def _verify(folder: Path, store: str, dropping: bool, as_json: bool) -> int:
    from flowbutton.engine.verify import drop, verify
    from flowbutton.stores.opening import open_store

    opened = open_store(work_of(folder, store))
    found = verify(folder, opened)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2))
    else:
        _tell(found)
    if dropping:
        objects, records = drop(found, opened)
        removed = f"{counted(objects, 'damaged object')}, {counted(records, 'damaged task record')}"
        click.echo(f"removed: {removed}", err=as_json)
    return Exit.FAILED if found.mismatches else Exit.DONE


def _tell(found: Verified) -> None:
    for miss in found.mismatches:
        complain(_line(miss))
    things = (counted(found.outputs, "output"), counted(found.records, "task record"), counted(found.objects, "object"))
    read = f"run {found.run}: {', '.join(things)}, {show_bytes(found.bytes)} read again"
    click.echo(f"{read}: {f'{len(found.mismatches):,} differ' if found.mismatches else 'all as they were'}")


def _line(miss: Mismatch) -> str:
    at = "" if miss.byte is None else f", byte {miss.byte:,}"
    return f"mismatch: {miss.what}: {miss.place}{at}\n  expected: {miss.expected}\n  found:    {miss.found}"


def _exactness(folder: Path, store: str, stage: str, params: Mapping[str, str], as_json: bool) -> int:
    from flowbutton.engine.exactness import compare, cut_smaller
    from flowbutton.pipeline_files import importable

    pipeline, settings = _pipeline_of(folder, store, {})
    other = _pipeline_of(folder, store, params)[0].graph if params else cut_smaller(pipeline.graph)
    with TemporaryDirectory(prefix="flowbutton-exactness-") as scratch, importable(pipeline.file.path):
        found = compare(pipeline.graph, other, settings, stage, Path(scratch), run_id=folder.name)
    text = json.dumps(found.to_json(), indent=2) + "\n"
    written = folder / f"exactness-{stage}.json"
    written.write_text(text, encoding="utf-8")
    if as_json:
        click.echo(text, nl=False)
        return Exit.DONE if found.is_exact else Exit.FAILED
    for one in found.results:
        if one.expected != one.found:
            key = "" if one.key is None else f"[{','.join(f'{name}={value}' for name, value in one.key.items())}]"
            output = f".{one.output}" if one.output else ""
            complain(f"differs: {stage}{key}{output}\n  expected: {one.expected}\n  found:    {one.found}")
    cuts = ", ".join(f"{name} {before} → {after}" for name, (before, after, _) in found.cuts.items())
    click.echo(f"{stage}: {counted(len(found.results), 'result')} compared; pieces: {cuts}")
    click.echo(f"{'exact' if found.is_exact else 'not exact'}: {shown_path(written)}")
    return Exit.DONE if found.is_exact else Exit.FAILED


def _pipeline_of(folder: Path, store: str, params: Mapping[str, str]) -> tuple[Pipeline, Settings]:
    """Return the pipeline of a run, with some other params, and where its work lies.

    Raises:
        MissingInput: the run was not of a file, or was killed before it said of which.
        OptionError: the file was changed since.
    """
    from flowbutton.api import load
    from flowbutton.engine.folders import read_asked
    from flowbutton.engine.hiding import reveal
    from flowbutton.stores.intermediates import fast_part

    asked = read_asked(folder)
    if asked is None or asked.file is None:
        why = "its pipeline is not a file" if asked else "it was killed at once"
        raise MissingInput("the run's pipeline can't be loaded", why=why, hint="", file=str(folder))
    values = {name: reveal(value, os.environ) for name, value in asked.params.items() if name not in params}
    pipeline = load(asked.file, params=values, texts=params)
    if pipeline.file.text != (folder / "spec.yaml").read_text(encoding="utf-8"):
        raise OptionError(
            "the pipeline file was changed since the run",
            why="the results are those of another file",
            hint="run it again, then verify that run; the run's own file is spec.yaml in its folder",
            file=asked.file,
        )
    settings = pipeline.settings(
        store=store,
        intermediates=fast_part(asked.store),
        results=asked.results,
        executor=asked.executor,
        workers=asked.workers,
    )
    return pipeline, settings
