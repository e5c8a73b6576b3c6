"""The coordinate system that a LAS file names: WKT or GeoTIFF keys.

Here: the horizontal system in a normal form, the unit of heights. Not here: whether files of a cloud agree (a stage
decides that). Format: ASPRS LAS 1.4 R15, section 2.4; OGC GeoTIFF 1.1. rasterio only inside functions.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from functools import lru_cache

from flowbutton.model.errors import BadInput
from flowbutton.partitioners.las_header import LasHeader, Vlr

_OWNER = "LASF_Projection"
_WKT, _KEYS, _DOUBLES, _TEXTS = 2112, 34735, 34736, 34737
_COMPOUND = re.compile(r"\s*(COMPD_CS|COMPOUNDCRS)\s*[\[(]", re.IGNORECASE)
_VERTICAL = re.compile(r"(?:VERT_CS|VERTCRS|VERTICALCRS)\s*\[", re.IGNORECASE)
_UNIT = re.compile(r'(?:LENGTH)?UNIT\s*\[\s*"[^"]*"\s*,\s*([0-9.eE+-]+)', re.IGNORECASE)
_VERTICAL_UNIT_KEY = 4099
_UNIT_ROUNDING = 1e-10  # metres; the two feet are 6e-7 apart
_UNIT_METRES = {9001: "1", 9002: "0.3048", 9003: "0.3048006096012192"}

UNIT_NAMES = {"1": "metres", "0.3048": "feet", "0.3048006096012192": "US survey feet"}
"""What people call units of height, by their metres."""


def crs_of(header: LasHeader, extended: Iterable[Vlr], *, file: str) -> tuple[str, str]:
    """Return the horizontal system as WKT, "" for none, and the unit of heights in metres, "" where it is not told.

    WKT comes before keys where a file has both. Systems that EPSG knows are written as EPSG writes them, so that two
    files that name one system in two ways have the same text.

    Args:
        header: The file's head.
        extended: The records behind the points; looked at only if the head names no system.
        file: For errors.
    Raises:
        BadInput: a system is named that GDAL can't read.
        MissingExtra: rasterio is not installed.
    """
    from rasterio.errors import CRSError

    records = {vlr.number: vlr.data for vlr in header.vlrs if vlr.user == _OWNER}
    if not (records.keys() & {_WKT, _KEYS}):
        records = {vlr.number: vlr.data for vlr in extended if vlr.user == _OWNER}
    text = records.get(_WKT, b"").split(b"\0")[0].decode("utf-8", "replace").strip()
    keys = records.get(_KEYS, b"")
    try:
        if text:
            return normal_form(text)
        return _of_keys(keys, records.get(_DOUBLES, b""), records.get(_TEXTS, b"")) if len(keys) > 8 else ("", "")
    except (CRSError, ValueError) as error:
        raise BadInput(
            "the coordinate system of a LAS file can't be read",
            why=(str(error).strip() or "GDAL takes it for none").splitlines()[0],
            hint="write the file again with a correct WKT",
            file=file,
        ) from error


def height_unit(wkt: str) -> str:
    """Return the unit of a compound system's heights in metres, "" if it has none."""
    found = _VERTICAL.search(wkt)
    units = _UNIT.findall(_node(wkt, found.start())) if found else []
    return _unit_text(float(units[-1])) if units else ""


def _unit_text(metres: float) -> str:
    """Return a unit as text; one of EPSG's is written as EPSG has it, with however many digits a file says it."""
    known = [text for text in _UNIT_METRES.values() if abs(float(text) - metres) < _UNIT_ROUNDING]
    return known[0] if known else str(metres).removesuffix(".0")


def horizontal_part(wkt: str) -> str:
    """Return the first system of a compound one, any other as it is."""
    found = _COMPOUND.match(wkt)
    if not found:
        return wkt
    start = wkt.index(",", _end_of_text(wkt, wkt.index('"', found.end()))) + 1
    return _node(wkt, start)


@lru_cache(maxsize=64)
def normal_form(wkt: str) -> tuple[str, str]:
    """Return the horizontal system of a WKT, as EPSG writes it where EPSG knows it, and the unit of its heights."""
    from rasterio import Env
    from rasterio.crs import CRS

    with Env():
        system = CRS.from_wkt(horizontal_part(wkt))
        code = system.to_epsg()
        known = CRS.from_epsg(code) if code else system
        text: str = (known if known == system else system).to_wkt()
    return text, height_unit(wkt)


@lru_cache(maxsize=64)
def _of_keys(keys: bytes, doubles: bytes, texts: bytes) -> tuple[str, str]:
    """Let GDAL read the keys, as those of a GeoTIFF of one pixel: nothing else knows all of them."""
    from rasterio import Env
    from rasterio.io import MemoryFile

    with Env(GTIFF_REPORT_COMPD_CS=True), MemoryFile(_pixel(keys, doubles, texts)) as memory, memory.open() as image:
        wkt = image.crs.to_wkt() if image.crs else ""
    if not wkt:
        return "", ""
    told = dict(entry[::3] for entry in struct.iter_unpack("<4H", keys[8 : len(keys) // 8 * 8]))
    system, unit = normal_form(wkt)
    return system, _UNIT_METRES.get(told.get(_VERTICAL_UNIT_KEY, 0), unit)


def _pixel(keys: bytes, doubles: bytes, texts: bytes) -> bytes:
    """Return a TIFF of one byte with GeoTIFF keys and a place."""
    scale, place = struct.pack("<3d", 1, 1, 0), struct.pack("<6d", 0, 0, 0, 0, 0, 0)
    tags: list[tuple[int, int, bytes]] = [(256, 3, b"\1\0"), (257, 3, b"\1\0"), (258, 3, b"\x08\0"), (259, 3, b"\1\0")]
    tags += [(262, 3, b"\1\0"), (273, 4, b"\x08\0\0\0"), (277, 3, b"\1\0"), (278, 3, b"\1\0"), (279, 4, b"\1\0\0\0")]
    tags += [(33550, 12, scale), (33922, 12, place), (_KEYS, 3, keys[: len(keys) // 2 * 2])]
    tags += [(_DOUBLES, 12, doubles[: len(doubles) // 8 * 8])] if len(doubles) >= 8 else []
    tags += [(_TEXTS, 2, texts)] if texts else []
    sizes, first, at = {2: 1, 3: 2, 4: 4, 12: 8}, 10, 10 + 2 + 12 * len(tags) + 4
    entries, behind = b"", b""
    for tag, kind, value in tags:
        count = len(value) // sizes[kind]
        inline = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack("<I", at + len(behind))
        behind += b"" if len(value) <= 4 else value.ljust(-(-len(value) // 8) * 8, b"\0")
        entries += struct.pack("<HHI", tag, kind, count) + inline
    return struct.pack("<2sHI", b"II", 42, first) + b"\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4) + behind


def _node(wkt: str, start: int) -> str:
    """Return the bracketed node that begins at ``start``, or the rest if its brackets don't close."""
    depth, at = 0, start
    while at < len(wkt):
        if wkt[at] == '"':
            at = _end_of_text(wkt, at)
            continue
        depth += (wkt[at] in "[(") - (wkt[at] in "])")
        at += 1
        if not depth and wkt[at - 1] in "])":
            break
    return wkt[start:at].strip()


def _end_of_text(wkt: str, start: int) -> int:
    """Return the place behind the quoted text that begins at ``start``."""
    end = wkt.find('"', start + 1)
    return len(wkt) if end < 0 else end + 1
