"""What the exit codes mean. They are part of the interface: `docs/cli.md` lists them.

Imports `flowbutton.model`.
"""

from __future__ import annotations

from enum import IntEnum

from flowbutton.model.errors import FlowbuttonError, Locked, MissingExtra, MissingInput, OptionError, SpecError


class Exit(IntEnum):
    """How a command ended, for the shell."""

    DONE = 0
    FAILED = 1  # a task, the ledger or the machine
    USAGE = 2  # the command line, a param, or the pipeline file
    LOCKED = 3  # another run holds the same pipeline and results
    MISSING = 4  # a file or object that is named does not exist
    TOLERATED = 5  # the run ended, and stages with `on_error: continue` have failed tasks
    INTERNAL = 70  # a fault of flowbutton itself
    INTERRUPTED = 130  # Ctrl-C
    UNREAD = 141  # whoever read its output has left, as with `| head`; as the shell counts SIGPIPE
    TERMINATED = 143  # SIGTERM


def exit_of(error: FlowbuttonError) -> Exit:
    """Return the code for an error that ended a command, or was the first cause of it."""
    match error:
        case Locked():
            return Exit.LOCKED
        case MissingInput():
            return Exit.MISSING
        case SpecError() | OptionError() | MissingExtra():
            return Exit.USAGE
    return Exit.FAILED
