"""Which run of which store a command is about: the options that `status`, `show`, `logs` and `debug` share.

Imports click; the engine only inside functions.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from flowbutton.stores.uris import default_store

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

LATEST = "latest"


def of_store(command: CommandT) -> CommandT:
    """Add what says which store."""
    for decorate in (
        click.option(
            "--results", default="results", metavar="DIR|URI", help="The results folder whose store to look in."
        ),
        click.option("--store", metavar="URI", help="Where work is kept.  [default: .flowbutton beside the results]"),
    ):
        command = decorate(command)
    return command


def store_of(store: str | None, results: str) -> str:
    """Return the store that is meant."""
    return store or default_store(results)


def work_of(folder: Path, store: str) -> str:
    """Return where a run's objects are: in ``store``, or in the fast store that the run had beside it."""
    from flowbutton.engine.folders import read_asked
    from flowbutton.stores.intermediates import SCHEME

    asked = read_asked(folder)
    return asked.store if asked is not None and asked.store.startswith(f"{SCHEME}:") else store


def run_folder(store: str, run: str | None) -> Path:
    """Return the folder of a run of a store; of the latest if ``run`` is None or ``latest``.

    Raises:
        MissingInput: there is no such run, or none at all.
    """
    from flowbutton.engine.run import runs_folder
    from flowbutton.ui.history import find_run

    return find_run(runs_folder(store), None if run == LATEST else run)
