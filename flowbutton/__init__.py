"""flowbutton: declarative data pipelines for science that cut data where it lies.

What stands here is the public Python API; each name is imported when it is first used, so that ``import flowbutton``
costs nothing. ``__init__.pyi`` says the same to type checkers and editors.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

_HOMES = {
    "api": ("Pipeline", "RunFailed", "load"),
    "dag.plan": ("Plan",),
    "engine.run": ("Report", "Status"),
    "model.bundle": ("KeySchema", "Parts"),
    "model.composite": ("Composite", "Stored"),
    "model.errors": ("BadInput", "FlowbuttonError", "MissingInput", "OptionError", "SpecError"),
    "model.executor": ("Executor",),
    "model.partitioner": ("Partitioner", "Reader", "WritesFiles"),
    "model.stage": ("AnyFile", "Items", "Resources", "Scratch", "Tally", "conserves", "expands", "reduces"),
    "model.store": ("Store",),
    "stages.bundles": ("Bundle",),
    "stages.define": ("gather_stage", "map_stage"),
}
HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
"""The module of each public name, below ``flowbutton``."""

__all__ = ["__version__", *sorted(HOME_OF)]


def __getattr__(name: str) -> object:
    home = HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'flowbutton' has no attribute '{name}'")
    found = getattr(importlib.import_module(f"flowbutton.{home}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
