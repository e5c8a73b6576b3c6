"""Libraries that others import for what is rarely asked of them: loaded when something of them is asked for.

rasterio imports boto3 for sessions of its own, pyogrio pandas and pyarrow for data frames: most of the time that both
take to be imported. Here: how that is put off, in processes that are flowbutton's alone (the command, workers;
decision 0024). Not here: flowbutton's own imports, which stand in the functions that need them. Imports nothing of
flowbutton.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from threading import Lock
from types import ModuleType
from typing import Any

OF_OTHERS = ("boto3", "geopandas", "pandas", "pyarrow")
"""What rasterio and pyogrio import."""

_lock = Lock()


class Late(ModuleType):
    """Stands for a library until it is asked for more than its version; what holds it goes on to work.

    Holds: an import of the library, of a part of it or of a name in it gives what it gives without; threads may ask at
    once. Does not hold: that what is set on the stand-in, not got from it, is set in the library.
    """

    def __getattr__(self, name: str) -> Any:
        with _lock:  # importing is not within: Python has locks for that, and knows when two wait for each other
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def put_off(*names: str) -> None:
    """Let libraries be loaded at their first use; those that are not installed, or are loaded, stay as they are."""
    for name in names:
        if name in sys.modules or (spec := find_spec(name)) is None:
            continue
        late = Late(name)
        late.__spec__ = spec
        with suppress(PackageNotFoundError):
            late.__dict__["__version__"] = version(name)
        sys.modules[name] = late
