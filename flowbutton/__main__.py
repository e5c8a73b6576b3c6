"""The program: ``flowbutton``, or ``python -m flowbutton``. Imports `ui.cli` where Ctrl-C is heard already."""

from __future__ import annotations

import sys

_INTERRUPTED = 130  # `ui.exits.Exit.INTERRUPTED`, whose import may be what is interrupted


def main() -> None:
    """Run the command line; Ctrl-C while its modules are imported ends it in one line, too."""
    try:
        from flowbutton.ui import cli
    except KeyboardInterrupt:
        sys.stderr.write("stopped. Nothing has run\n")
        sys.exit(_INTERRUPTED)
    cli.main()


if __name__ == "__main__":
    main()
