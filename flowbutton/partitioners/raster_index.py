"""The index of a raster: where the blocks of its image and mask lie, and digests that name their content.

The stored bytes of every block are read once and digested, not decoded. Where they lie, and the tags that decoding
needs, are kept in the store, so that a piece names them and a reader takes its part.

Here: the pass over one file, what is kept of it. Not here: cutting (`raster`). Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from flowbutton.model.canonical import Json, canonical
from flowbutton.model.pieces import ObjectInfo
from flowbutton.model.store import DataAccess
from flowbutton.partitioners.ranges import Fetched
from flowbutton.partitioners.raster_area import Clip, clipped, in_packs, wanted_blocks
from flowbutton.partitioners.raster_layers import RasterGrid, head_of, read_head
from flowbutton.partitioners.tiff_image import PLACE, TiffImage, places_of

PART_BYTES = 256 * 1024**2
"""What one indexing task reads, about."""
GAP_BYTES = 256
"""Blocks that lie so close are one read: a COG has a few bytes between them."""

_READ_BYTES = 8 * 1024**2
_DIGEST_BYTES = 16
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class IndexedImage:
    """An image, where its blocks lie (``table`` in the store, rows of `PLACE`), and the bytes and digests of these.

    ``image`` has no tags here; the reader gets them from the store.
    """

    image: TiffImage
    table: str
    sizes: npt.NDArray[np.uint64]
    digests: npt.NDArray[np.void]


@dataclass(frozen=True, slots=True)
class RasterIndex:
    """What is known of a file after the pass; ``head`` names the grid and the tags, kept in the store.

    ``packs`` hold the blocks of a clip.
    """

    head: str
    image: IndexedImage
    mask: IndexedImage | None
    packs: tuple[str, ...] = ()


def index_raster(info: ObjectInfo, data: DataAccess, *, part: int, parts: int, clip: Clip | None = None) -> bytes:
    """Read and digest every ``parts``-th part of the blocks; the first part keeps what readers need.

    With a ``clip`` only the blocks that it meets, and these are kept, in a pack for the image and one for the mask.

    Raises:
        BadInput, TruncatedInput: as `head_of` and `places_of`.
    """
    tiff, directory, mask_directory = read_head(info, data)
    head = head_of(info, data)
    found = [places_of(tiff, directory, head.image)]
    if head.mask is not None and mask_directory is not None:
        found.append(places_of(tiff, mask_directory, head.mask))
    told: dict[str, Json] = {}
    if part == 0:
        images: list[Json] = [image.to_json() for image, _ in found]
        grid = head.grid if clip is None else clipped(head.grid, clip)
        kept: Json = {"images": images, "crs": grid.crs, "transform": list(grid.transform)}
        told["head"] = data.keep(canonical({**cast(Any, kept), "rows": grid.rows, "columns": grid.columns}))
        tables = [places for _, places in found] if clip is None else _in_packs(found, clip, parts)
        told["tables"] = [data.keep(places.tobytes()) for places in tables]
        told["images"] = [replace(image, tags=()).to_json() for image, _ in found]
    arrays: list[bytes] = []
    packs: list[Json] = []
    for image, places in found:
        numbers = np.arange(len(places)) if clip is None else wanted_blocks(image, clip)
        some = places[numbers[len(numbers) * part // parts : len(numbers) * (part + 1) // parts]]
        pack: dict[int, bytes] | None = None if clip is None else {}
        arrays += [some["bytes"].tobytes(), _digests(some, info.uri, data, pack)]
        packs += [data.keep(b"".join(pack[number] for number in range(len(some))))] if pack is not None else []
    if packs:
        told["packs"] = packs
    text = json.dumps(told, separators=(",", ":")).encode()
    return b"".join([_LENGTH.pack(len(text)), text, *map(_framed, arrays)])


def _in_packs(found: Sequence[tuple[TiffImage, Any]], clip: Clip, parts: int) -> list[Any]:
    """Return the tables of image and mask with the places that the blocks of a clip have in the packs of all parts."""
    tables = []
    for kind, (image, places) in enumerate(found):
        numbers, table = wanted_blocks(image, clip), np.zeros(len(places), PLACE)
        ends = len(numbers) * np.arange(1, parts + 1) // parts
        part = np.searchsorted(ends, np.arange(len(numbers)), side="right")
        table["bytes"][numbers] = places["bytes"][numbers]
        table["at"][numbers] = in_packs(places["bytes"][numbers], part * len(found) + kind)
        tables.append(table)
    return tables


def join_index(parts: Sequence[bytes], clip: Clip | None = None) -> RasterIndex:
    """Return what the parts of a file's index say together."""
    told, columns = _unframed(parts[0])
    rest = [_unframed(part) for part in parts[1:]]
    images: list[IndexedImage] = []
    for number, (described, table) in enumerate(zip(told["images"], told["tables"], strict=True)):
        all_parts = (columns, *(some for _, some in rest))
        sizes, digests = (b"".join([some[2 * number + k] for some in all_parts]) for k in (0, 1))
        image = TiffImage.from_json(described)
        known = np.frombuffer(sizes, "<u8"), np.frombuffer(digests, f"V{_DIGEST_BYTES}")
        if clip is not None:
            known = _spread(known[0], image, clip), _spread(known[1], image, clip)
        images.append(IndexedImage(image, table, *known))
    packs = [pack for one in (told, *(one for one, _ in rest)) for pack in one.get("packs", ())]
    return RasterIndex(told["head"], images[0], images[1] if len(images) > 1 else None, tuple(packs))


def _spread(values: npt.NDArray[Any], image: TiffImage, clip: Clip) -> npt.NDArray[Any]:
    """Return values of the blocks of a clip at the numbers of these blocks."""
    found = np.zeros(image.blocks, values.dtype)
    found[wanted_blocks(image, clip)] = values
    return found


def kept_head(data: DataAccess, uri: str) -> tuple[RasterGrid, list[TiffImage]]:
    """Read what the index kept: the grid, the image, and the mask if there is one."""
    value: Mapping[str, Any] = json.loads(data.read(uri))
    return RasterGrid.from_json(value), [TiffImage.from_json(image) for image in value["images"]]


def _digests(places: Any, uri: str, data: DataAccess, pack: dict[int, bytes] | None) -> bytes:
    """Return the digests of blocks, in their order; they are read in the order in which they lie.

    With ``pack`` the bytes of each are put there by its number.
    """
    found = np.zeros(len(places), f"V{_DIGEST_BYTES}")
    order = np.argsort(places["at"], kind="stable")
    reach = np.cumsum(places["bytes"][order]) // np.uint64(_READ_BYTES)
    for some in np.split(order, np.flatnonzero(np.diff(reach)) + 1):
        spans = [(int(at), int(at + size)) for at, size in places[some].tolist()]
        fetched = Fetched(partial(data.read, uri), spans, gap=GAP_BYTES)
        for number, span in zip(some.tolist(), spans, strict=True):
            block = fetched.bytes_of(span)
            found[number] = np.void(hashlib.sha256(block).digest()[:_DIGEST_BYTES])
            if pack is not None:
                pack[number] = block
    return found.tobytes()


def _framed(data: bytes) -> bytes:
    return struct.pack("<Q", len(data)) + data


def _unframed(data: bytes) -> tuple[Any, list[bytes]]:
    (length,) = _LENGTH.unpack_from(data)
    at = _LENGTH.size + length
    told, found = json.loads(data[_LENGTH.size : at]), []
    while at < len(data):
        (size,) = struct.unpack_from("<Q", data, at)
        found.append(data[at + 8 : at + 8 + size])
        at += 8 + size
    return told, found


def stored_places(data: DataAccess, table: str, image: TiffImage, numbers: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Return the bytes ``[start, stop)`` of some blocks of an image, by their numbers."""
    if not numbers:
        return {}
    found: dict[int, tuple[int, int]] = {}
    per_plane = image.across * image.down
    for plane in sorted({number // per_plane for number in numbers}):
        some = [number for number in numbers if number // per_plane == plane]
        first, last = min(some), max(some)
        size = PLACE.itemsize
        rows = np.frombuffer(data.read(table, first * size, (last + 1) * size), PLACE)
        for number in some:
            at, count = rows[number - first].tolist()
            found[number] = (at, at + count)
    return found
