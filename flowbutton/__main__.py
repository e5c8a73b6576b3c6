"""The program: ``flowbutton``, or ``python -m flowbutton``: what is settled before anything is imported.

Not here: the commands (`ui.cli`, which is imported where Ctrl-C is heard already).
"""

from __future__ import annotations

import gc
import os
import sys

_COLLECT_AT = 50_000
"""New objects after which cycles are looked for. At Python's 700 that takes a fifth of a short command's time: it
imports a thousand modules, and makes few cycles."""
_INTERRUPTED = 130  # `ui.exits.Exit.INTERRUPTED`, whose import may be what is interrupted


def main() -> None:
    """Run the command line; Ctrl-C while its modules are imported ends it in one line, too."""
    gc.set_threshold(_COLLECT_AT)
    open_standard_files()
    try:
        from flowbutton.ui import cli
    except KeyboardInterrupt:
        sys.stderr.write("stopped. Nothing has run\n")
        sys.exit(_INTERRUPTED)
    cli.main()


def open_standard_files() -> None:
    """Give empty standard files to a process that was started with closed ones (``>&-``; some supervisors do it).

    Else the next files that are opened would have their numbers, and what programs print would be written there.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nothing = os.open(os.devnull, os.O_RDWR)
            if nothing != number:
                os.dup2(nothing, number)
                os.close(nothing)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, "r" if name == "stdin" else "w", closefd=False))


if __name__ == "__main__":
    main()
