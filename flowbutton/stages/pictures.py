"""Pictures of numbers: PNG with perceptual colour maps, for reports.

Here: colour maps, PNG, pictures inside a page. Not here: what is drawn (each domain). Formats: PNG (W3C, third
edition). Imports numpy.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import numpy.typing as npt

# Viridis (van der Walt & Smith) as polynomials of the sixth degree by M. Zucker, public domain; error below 1 %.
_VIRIDIS = (
    (0.2777273272234177, 0.005407344544966578, 0.3340998053353061),
    (0.1050930431085774, 1.404613529898575, 1.384590162594685),
    (-0.3308618287255563, 0.214847559468213, 0.09509516302823659),
    (-4.634230498983486, -5.799100973351585, -19.33244095627987),
    (6.228269936347081, 14.17993336680509, 56.69055260068105),
    (4.776384997670288, -13.74514537774601, -65.35303263337234),
    (-5.435455855934631, 4.645852612178535, 26.3124352495832),
)
# Oklab (Ottosson 2020): distances in it are those that people see. Rows give cone responses, then lightness and colour.
_LINEAR_TO_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_CONES_TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)

_SIGNATURE = b"\x89PNG\r\n\x1a\n"

Colours = npt.NDArray[np.float64]


def viridis() -> bytes:
    """Return 256 colours, three bytes each, dark to bright: as far apart as they look."""
    at = np.linspace(0.0, 1.0, 256)[:, None]
    colours = sum(np.array(factors) * at**power for power, factors in enumerate(_VIRIDIS))
    return bytes(np.rint(np.clip(colours, 0.0, 1.0) * 255).astype(np.uint8).tobytes())


def greys() -> bytes:
    """Return 256 shades of grey, black to white."""
    return bytes(np.repeat(np.arange(256, dtype=np.uint8), 3).tobytes())


def ramp(colours: Sequence[str]) -> bytes:
    """Return 256 colours that go through some, given as ``#rrggbb``, in equal steps of Oklab between two of them."""
    given = np.array([[int(one[n : n + 2], 16) for n in (1, 3, 5)] for one in colours]) / 255
    lab = _to_lab(np.where(given <= 0.04045, given / 12.92, ((given + 0.055) / 1.055) ** 2.4))
    at = np.linspace(0, len(colours) - 1, 256)
    linear = _from_lab(np.column_stack([np.interp(at, np.arange(len(colours)), lab[:, axis]) for axis in range(3)]))
    linear = np.clip(linear, 0, 1)
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return bytes(np.rint(encoded * 255).astype(np.uint8).tobytes())


def _to_lab(linear: Colours) -> Colours:
    found: Colours = np.cbrt(linear @ np.array(_LINEAR_TO_CONES).T) @ np.array(_CONES_TO_LAB).T
    return found


def _from_lab(lab: Colours) -> Colours:
    cones = (lab @ np.linalg.inv(np.array(_CONES_TO_LAB)).T) ** 3
    found: Colours = cones @ np.linalg.inv(np.array(_LINEAR_TO_CONES)).T
    return found


def indexed_png(
    indexes: npt.NDArray[np.uint8], palette: bytes, *, clear: int | None = None, notes: Mapping[str, str] | None = None
) -> bytes:
    """Return numbers of colours, rows and columns, as PNG.

    Args:
        indexes: Which colour each pixel has.
        palette: Three bytes for each of at most 256 colours.
        clear: The colour that is transparent.
        notes: What the file says of itself, by keyword, in Latin-1 (chunks tEXt); `png_notes` reads them.
    """
    height, width = indexes.shape
    rows = np.hstack((np.zeros((height, 1), np.uint8), indexes))  # each row begins with its filter: none
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"PLTE", palette)]
    chunks += [] if clear is None else [(b"tRNS", b"\xff" * clear + b"\0")]
    chunks += [(b"tEXt", f"{key}\0{text}".encode("latin-1")) for key, text in (notes or {}).items()]
    chunks += [(b"IDAT", zlib.compress(rows.tobytes(), 6)), (b"IEND", b"")]
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def png_notes(png: bytes) -> dict[str, str]:
    """Return what a PNG says of itself, by keyword."""
    found, place = {}, len(_SIGNATURE)
    while place < len(png):
        size, kind = struct.unpack_from(">I4s", png, place)
        if kind == b"tEXt":
            key, _, text = png[place + 8 : place + 8 + size].decode("latin-1").partition("\0")
            found[key] = text
        place += 12 + size
    return found


def colour_scale(palette: bytes, marks: Sequence[str], name: str) -> str:
    """Return colours from the first to the last as HTML, with what they stand for below, evenly spread.

    Args:
        palette: Three bytes for each colour.
        marks: From the first colour to the last.
        name: For those who can't see it.
    """
    colours = indexed_png(np.arange(len(palette) // 3, dtype=np.uint8)[None], palette)
    below = "".join(f"<span>{escape(mark)}</span>" for mark in marks)
    return f'{img(colours, name, "scale")}<div class="scale-ends">{below}</div>'


def img(png: bytes, name: str, style: str = "") -> str:
    """Return a picture as HTML, with its bytes inside; ``name`` is for those who can't see it."""
    kind = f'class="{style}" ' if style else ""
    return f'<img {kind}alt="{escape(name)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
