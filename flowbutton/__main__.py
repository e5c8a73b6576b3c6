"""``python -m flowbutton``: the same as the command ``flowbutton``."""

from flowbutton.ui.cli import main

if __name__ == "__main__":
    main()
