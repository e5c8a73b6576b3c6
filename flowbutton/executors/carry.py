"""Making a work function travel to another process: by name where it has one, else by value.

Imports `flowbutton.model`; cloudpickle only inside a function.
"""

from __future__ import annotations

import pickle
import pickletools

from flowbutton.model.errors import OptionError
from flowbutton.model.executor import Work


def packed(work: Work) -> bytes:
    """Return a pickle of ``work``: names of importable functions (also inside partials), the code of all others.

    Raises:
        OptionError: it holds something that can't travel (an open file, a lock).
    """
    try:
        data = pickle.dumps(work)
    except (pickle.PicklingError, AttributeError, TypeError):
        return _by_value(work)
    # What is defined in a script is called __main__ here, but not in another process.
    if any(argument == "__main__" for _, argument, _ in pickletools.genops(data)):
        return _by_value(work)
    return data


def _by_value(work: Work) -> bytes:
    import cloudpickle

    name = getattr(work, "__qualname__", repr(work))
    try:
        data: bytes = cloudpickle.dumps(work)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise OptionError(
            f"the work function '{name}' can't be sent to other processes",
            why=str(error),
            hint="open files, locks and connections inside the function, not around it",
        ) from error
    return data
