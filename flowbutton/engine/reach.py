"""Whether the workers of an executor can reach what a run reads and writes.

Imports `flowbutton.model`, `engine.expansion`, `stores.uris`.
"""

from __future__ import annotations

from collections.abc import Mapping

from flowbutton.engine.expansion import SourceFacts
from flowbutton.model.errors import OptionError
from flowbutton.model.executor import Executor
from flowbutton.stores.uris import scheme_of


def check_reach(executor: Executor, name: str, store: str, sources: Mapping[str, SourceFacts]) -> None:
    """Refuse a store or a source on this machine when the executor ``name`` runs calls on others.

    Raises:
        OptionError: the hint says what to give instead.
    """
    if executor.shares_files:
        return
    if scheme_of(store) == "file":
        raise OptionError(
            f"the store {store} can't be used by executor '{name}'",
            why="it is a folder of this machine, and the tasks run on others",
            hint="choose a store that they reach, as in --store s3://bucket/prefix",
        )
    for source, facts in sources.items():
        for uri in (info.uri for group in facts.groups for info in group.objects):
            if scheme_of(uri) == "file":
                raise OptionError(
                    f"the source '{source}' can't be read by executor '{name}'",
                    why="it is a file of this machine, and the tasks run on others",
                    hint="put it where they reach it, and give its address, as in s3://bucket/name",
                    file=uri,
                )
