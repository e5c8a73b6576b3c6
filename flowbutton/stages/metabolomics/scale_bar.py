"""A scale bar under an image: how long it is, and its pixels with the length written beside it. Pure.

Letters are a small bitmap font of our own, so that no library of fonts is needed. Not here: colours, PNG (`pictures`).
Imports numpy, its neighbours.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flowbutton.stages.charts import round_length

Mask = npt.NDArray[np.bool_]

_SHARE = 0.3  # of the image's width that a bar takes at most, if a pixel does not take more
_ROOM = 4  # around bar and letters, in dots
_BAR = 3  # dots
# Six rows of each letter, by its bits from left to right.
_GLYPHS = {
    "0": (7, 5, 5, 5, 7, 0),
    "1": (2, 6, 2, 2, 7, 0),
    "2": (7, 1, 7, 4, 7, 0),
    "3": (7, 1, 7, 1, 7, 0),
    "4": (5, 5, 7, 1, 1, 0),
    "5": (7, 4, 7, 1, 7, 0),
    "6": (7, 4, 7, 5, 7, 0),
    "7": (7, 1, 1, 2, 2, 0),
    "8": (7, 5, 7, 5, 7, 0),
    "9": (7, 5, 7, 1, 7, 0),
    ".": (0, 0, 0, 0, 2, 0),
    " ": (0, 0, 0, 0, 0, 0),
    "µ": (0, 5, 5, 5, 7, 4),
    "m": (0, 26, 21, 21, 21, 0),
    "n": (0, 6, 5, 5, 5, 0),
    "p": (0, 6, 5, 6, 4, 4),
    "x": (0, 5, 5, 2, 5, 0),
}
_WIDE = frozenset("m")


def bar_length(cells: int, cell_um: float | None) -> tuple[float, str]:
    """Return how many cells of an image's row a bar spans, and what is written beside it.

    The length is 1, 2 or 5 times a power of ten, the longest that takes less than a third of the image; one cell where
    that is less than a cell.

    Args:
        cells: Width of the image in cells.
        cell_um: Width of a cell in micrometres; None where it is not known, and the bar is told in cells.
    """
    unit = cell_um or 1.0
    length = round_length(max(cells * _SHARE, 1.0) * unit)
    if cell_um is None:
        return length, f"{length:.0f} px"
    scale, name = (1000.0, "mm") if length >= 1000 else (1.0, "µm") if length >= 1 else (0.001, "nm")
    return length / unit, f"{length / scale:g} {name}"


def scale_bar(cells: int, dots_per_cell: int, cell_um: float | None) -> Mask:
    """Return the strip that goes under an image: True where bar and letters are, as wide as the image.

    Args:
        cells: Width of the image in cells.
        dots_per_cell: Dots that a cell takes on the screen.
        cell_um: As for `bar_length`.
    """
    length, text = bar_length(cells, cell_um)
    width = cells * dots_per_cell
    size = max(width // 100, 1)
    letters = np.hstack([np.pad(_glyph(letter), ((0, 0), (0, 1))) for letter in text])[:, :-1]
    letters = letters.repeat(size, axis=0).repeat(size, axis=1)
    strip = np.zeros((letters.shape[0] + 2 * _ROOM * size, width), np.bool_)
    end = _ROOM * size + max(round(length * dots_per_cell), 1)
    middle = (strip.shape[0] - _BAR * size) // 2
    strip[middle : middle + _BAR * size, _ROOM * size : end] = True
    room = strip[_ROOM * size : _ROOM * size + letters.shape[0], end + _ROOM * size :]
    room[:, : letters.shape[1]] = letters[:, : room.shape[1]]
    return strip


def _glyph(letter: str) -> Mask:
    columns = 5 if letter in _WIDE else 3
    return np.array([[row >> bit & 1 for bit in reversed(range(columns))] for row in _GLYPHS[letter]], np.bool_)
