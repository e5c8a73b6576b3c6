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
    """What is known of a file after the pass; ``head`` names the grid and the tags, kept in the store."""

    head: str
    image: IndexedImage
    mask: IndexedImage | None


def index_raster(info: ObjectInfo, data: DataAccess, *, part: int, parts: int) -> bytes:
    """Read and digest every ``parts``-th part of the blocks; the first part keeps what readers need.

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
        grid = head.grid
        kept: Json = {"images": images, "crs": grid.crs, "transform": list(grid.transform)}
        told["head"] = data.keep(canonical({**cast(Any, kept), "rows": grid.rows, "columns": grid.columns}))
        told["tables"] = [data.keep(places.tobytes()) for _, places in found]
        told["images"] = [replace(image, tags=()).to_json() for image, _ in found]
    text = json.dumps(told, separators=(",", ":")).encode()
    arrays = []
    for _, places in found:
        some = places[len(places) * part // parts : len(places) * (part + 1) // parts]
        arrays += [some["bytes"].tobytes(), _digests(some, info.uri, data)]
    return b"".join([_LENGTH.pack(len(text)), text, *map(_framed, arrays)])


def join_index(parts: Sequence[bytes]) -> RasterIndex:
    """Return what the parts of a file's index say together."""
    told, columns = _unframed(parts[0])
    rest = [_unframed(part)[1] for part in parts[1:]]
    images: list[IndexedImage] = []
    for number, (image, table) in enumerate(zip(told["images"], told["tables"], strict=True)):
        sizes, digests = (b"".join([some[2 * number + k] for some in (columns, *rest)]) for k in (0, 1))
        known = np.frombuffer(sizes, "<u8"), np.frombuffer(digests, f"V{_DIGEST_BYTES}")
        images.append(IndexedImage(TiffImage.from_json(image), table, *known))
    return RasterIndex(told["head"], images[0], images[1] if len(images) > 1 else None)


def kept_head(data: DataAccess, uri: str) -> tuple[RasterGrid, list[TiffImage]]:
    """Read what the index kept: the grid, the image, and the mask if there is one."""
    value: Mapping[str, Any] = json.loads(data.read(uri))
    a, b, c, d, e, f = value["transform"]
    grid = RasterGrid(value["crs"], (a, b, c, d, e, f), value["rows"], value["columns"])
    return grid, [TiffImage.from_json(image) for image in value["images"]]


def _digests(places: Any, uri: str, data: DataAccess) -> bytes:
    """Return the digests of blocks, in their order; they are read in the order in which they lie."""
    found = np.zeros(len(places), f"V{_DIGEST_BYTES}")
    order = np.argsort(places["at"], kind="stable")
    reach = np.cumsum(places["bytes"][order]) // np.uint64(_READ_BYTES)
    for some in np.split(order, np.flatnonzero(np.diff(reach)) + 1):
        spans = [(int(at), int(at + size)) for at, size in places[some].tolist()]
        fetched = Fetched(partial(data.read, uri), spans, gap=GAP_BYTES)
        for number, span in zip(some.tolist(), spans, strict=True):
            found[number] = np.void(hashlib.sha256(fetched.bytes_of(span)).digest()[:_DIGEST_BYTES])
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
