"""An image of a TIFF file as blocks: its tiles, strips, or rows, where each lies, and how some of them are decoded.

Blocks are decoded by GDAL, whatever their compression: a small TIFF in memory gets the image's own tags and the
stored bytes of just those blocks. So each is fetched once, by our ranges, and pixels are what GDAL reads.

Here: which blocks a window needs, the small TIFF. Not here: directories (`tiff_directory`), which images a raster has
(`raster_index`). Imports `flowbutton.model`, numpy; rasterio only inside functions.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from flowbutton.model.canonical import Json
from flowbutton.model.errors import BadInput, MalformedRecord, TruncatedInput
from flowbutton.partitioners.tiff_directory import KINDS, Entry, TiffFile

Array = npt.NDArray[Any]
PLACE = np.dtype([("at", "<u8"), ("bytes", "<u8")])
"""Where a block lies; no bytes: it is not stored, and holds nodata, or 0."""

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _OFFSETS, _SAMPLES = 256, 257, 258, 259, 273, 277
_ROWS, _COUNTS, _PLANAR, _TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_COUNTS = 278, 279, 284, 322, 323, 324, 325
_SUBFILE, _OLD_JPEG = 254, 6
_PLACED = frozenset((_SUBFILE, _WIDTH, _HEIGHT, _ROWS, _OFFSETS, _COUNTS, _TILE_OFFSETS, _TILE_COUNTS))
_POINTERS = frozenset((330, 34665, 34853, 40965))  # to other directories, which the small TIFF does not have
_RAW_BYTES = 1 << 16  # of rows that are stored as they are, and read together


@dataclass(frozen=True, slots=True)
class TiffImage:
    """What is known of an image: ``samples`` bands of ``height`` x ``width`` pixels.

    ``block`` is the size of its blocks in rows and columns. ``planes`` is 1 where all bands of a pixel lie together,
    else ``samples``. Blocks are numbered row by row, plane after plane. ``tags`` are those of the file, as far as they
    say how pixels are stored and what they mean.
    """

    order: str
    width: int
    height: int
    samples: int
    planes: int
    block: tuple[int, int]
    tiled: bool
    tags: tuple[tuple[int, int, int, bytes], ...]

    @property
    def across(self) -> int:
        """Blocks in a row of blocks."""
        return -(-self.width // self.block[1])

    @property
    def down(self) -> int:
        """Rows of blocks."""
        return -(-self.height // self.block[0])

    @property
    def blocks(self) -> int:
        """All blocks of all planes."""
        return self.across * self.down * self.planes

    def to_json(self) -> dict[str, Json]:
        """Return the image as JSON; the inverse of `from_json`."""
        tags: Json = [[tag, kind, count, base64.b64encode(data).decode()] for tag, kind, count, data in self.tags]
        sizes: dict[str, Json] = {"width": self.width, "height": self.height, "samples": self.samples}
        sizes |= {"planes": self.planes, "block": list(self.block), "tiled": self.tiled, "order": self.order}
        return {**sizes, "tags": tags}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TiffImage:
        """Read what `to_json` gave."""
        tags = tuple((tag, kind, count, base64.b64decode(data)) for tag, kind, count, data in value["tags"])
        rows, columns = value["block"]
        return cls(**{**value, "block": (rows, columns), "tags": tags})

    def meeting(self, rows: range, columns: range) -> tuple[range, range]:
        """Return the rows and columns of blocks that meet a window of pixels."""
        height, width = self.block
        return (
            range(rows.start // height, -(-rows.stop // height)),
            range(columns.start // width, -(-columns.stop // width)),
        )

    def numbers(self, down: range, across: range, bands: Sequence[int]) -> list[int]:
        """Return the numbers of some blocks, for bands counted from 1: plane by plane, row by row."""
        planes = [0] if self.planes == 1 else sorted({band - 1 for band in bands})
        per_plane = self.across * self.down
        return [plane * per_plane + row * self.across + column for plane in planes for row in down for column in across]


def image_of(tiff: TiffFile, directory: Mapping[int, Entry]) -> TiffImage:
    """Return the image that a directory describes.

    Raises:
        BadInput: tags that an image needs are missing, or it is stored in a way that is not read.
    """

    def number(tag: int, default: int | None = None) -> int:
        if tag not in directory or directory[tag].count < 1:
            if default is None:
                raise _unreadable(tiff, f"tag {tag} is missing")
            return default
        return int(tiff.values(directory[tag])[0])

    width, height, samples = number(_WIDTH), number(_HEIGHT), number(_SAMPLES, 1)
    tiled, planes = _TILE_WIDTH in directory, samples if number(_PLANAR, 1) == 2 else 1
    block = (number(_TILE_HEIGHT), number(_TILE_WIDTH)) if tiled else (min(number(_ROWS, height), height), width)
    if min(width, height, samples, *block) < 1:
        raise _unreadable(tiff, f"it has {samples} bands of {width} x {height} pixels in blocks of {block}")
    if number(_COMPRESSION, 1) == _OLD_JPEG:
        raise _unreadable(tiff, "it is compressed by the JPEG of TIFF 6.0, which was withdrawn")
    kept = tuple(
        (tag, entry.kind, entry.count, tiff.raw(entry))
        for tag, entry in sorted(directory.items())
        if tag not in _PLACED | _POINTERS
    )
    return TiffImage(tiff.order, width, height, samples, planes, block, tiled, kept)


def places_of(tiff: TiffFile, directory: Mapping[int, Entry], image: TiffImage) -> tuple[TiffImage, Array]:
    """Return where an image's blocks lie; of one whose rows are stored as they are, in smaller blocks of rows.

    Raises:
        BadInput: there are fewer places than blocks.
        TruncatedInput: the file ends before a block does.
    """
    offsets, counts = (_TILE_OFFSETS, _TILE_COUNTS) if image.tiled else (_OFFSETS, _COUNTS)
    if offsets not in directory or counts not in directory:
        raise _unreadable(tiff, "it does not say where its pixels are")
    places = np.zeros(directory[offsets].count, PLACE)
    lengths = tiff.values(directory[counts])
    if len(places) < image.blocks or len(lengths) < image.blocks:
        raise _unreadable(tiff, f"it has {image.blocks} blocks, and places of {min(len(places), len(lengths))}")
    places["at"] = tiff.values(directory[offsets])
    places["bytes"][: len(lengths)] = lengths[: len(places)]
    places = places[: image.blocks]
    places[places["at"] == 0] = 0
    image, places = _by_rows(image, places)
    beyond = np.flatnonzero(places["at"] + places["bytes"] > tiff.size)
    if len(beyond):
        number = int(beyond[0])
        raise TruncatedInput(
            f"the file ends inside the pixels of a raster ({len(beyond)} of {len(places)} blocks)",
            why=f"block {number + 1} ends at byte {int(places['at'][number] + places['bytes'][number])}, "
            f"the file has {tiff.size}",
            hint="compare its size with the sender's, and fetch it again",
            file=tiff.file,
            byte=tiff.size,
        )
    return image, places


def decoded(image: TiffImage, down: range, across: range, stored: Mapping[int, bytes], bands: Sequence[int]) -> Array:
    """Return pixels of some blocks, clipped to the image, as (bands, rows, columns), for bands counted from 1.

    Raises:
        MalformedRecord: a block is damaged.
    """
    rows = min(down.stop * image.block[0], image.height) - down.start * image.block[0]
    columns = min(across.stop * image.block[1], image.width) - across.start * image.block[1]
    planes = range(image.planes)
    per_plane = image.across * image.down
    numbers = [plane * per_plane + row * image.across + column for plane in planes for row in down for column in across]
    with opened(small_tiff(image, rows, columns, [stored.get(number, b"") for number in numbers])) as dataset:
        return cast(Array, dataset.read(list(bands)))


def small_tiff(image: TiffImage, rows: int, columns: int, blocks: Sequence[bytes]) -> bytes:
    """Return a BigTIFF of the image's tags, with other sizes and these blocks; an empty one is not stored."""
    order = image.order
    tags = {tag: (kind, count, data) for tag, kind, count, data in image.tags}
    tags |= {_WIDTH: (4, 1, struct.pack(f"{order}I", columns)), _HEIGHT: (4, 1, struct.pack(f"{order}I", rows))}
    if not image.tiled:
        tags[_ROWS] = (4, 1, struct.pack(f"{order}I", image.block[0]))
    head = 16 + 8 + 20 * (len(tags) + 2) + 8
    extra = sum(-(-len(data) // 8) * 8 for _, _, data in tags.values() if len(data) > 8)
    at = head + extra + (2 * 8 * len(blocks) if len(blocks) > 1 else 0)
    starts = np.zeros(len(blocks), f"{order}u8")
    sizes = np.array([len(block) for block in blocks], f"{order}u8")
    for number, block in enumerate(blocks):
        starts[number] = at if block else 0
        at += len(block)
    offsets, counts = (_TILE_OFFSETS, _TILE_COUNTS) if image.tiled else (_OFFSETS, _COUNTS)
    tags |= {offsets: (16, len(blocks), starts.tobytes()), counts: (16, len(blocks), sizes.tobytes())}
    return b"".join([*_head(order, tags, head), *blocks])


def _head(order: str, tags: Mapping[int, tuple[int, int, bytes]], end: int) -> Iterator[bytes]:
    """Yield the header, the directory, and what does not fit into it, which begins at byte ``end``."""
    yield (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HHHQ", 43, 8, 0, 16)
    yield struct.pack(f"{order}Q", len(tags))
    behind: list[bytes] = []
    for tag, (kind, count, data) in sorted(tags.items()):
        yield struct.pack(f"{order}HHQ", tag, kind, count)
        if len(data) <= 8:
            yield data.ljust(8, b"\0")
            continue
        yield struct.pack(f"{order}Q", end)
        behind.append(data.ljust(-(-len(data) // 8) * 8, b"\0"))
        end += len(behind[-1])
    yield struct.pack(f"{order}Q", 0)
    yield from behind


@contextmanager
def opened(data: bytes) -> Iterator[Any]:
    """Open a raster in memory with rasterio.

    Raises:
        MalformedRecord: GDAL can't read it, at once or while it is open.
    """
    import warnings

    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioIOError

    try:
        with (
            warnings.catch_warnings(),
            rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_NUM_THREADS=1, GDAL_PAM_ENABLED=False),
        ):
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.MemoryFile(data) as memory, memory.open(driver="GTiff") as dataset:
                yield dataset
    except RasterioIOError as error:
        cause: BaseException = error
        while cause.__cause__ is not None:  # the outer ones name the file in memory
            cause = cause.__cause__
        hint = "fetch the file again, and check it: gdalinfo -checksum in.tif"
        raise MalformedRecord("pixels of a raster can't be decoded", why=str(cause), hint=hint) from error


def _by_rows(image: TiffImage, places: Array) -> tuple[TiffImage, Array]:
    """Divide uncompressed strips that lie one behind the other into blocks of fewer rows."""
    tags = {tag: (kind, data) for tag, kind, _, data in image.tags}
    row_bytes = _row_bytes(image, tags)
    strips = places.reshape(image.planes, -1)
    together = (strips["at"][:, 1:] == (strips["at"] + strips["bytes"])[:, :-1]).all() and (strips["at"] > 0).all()
    if not row_bytes or not together or row_bytes * image.block[0] <= _RAW_BYTES:
        return image, places
    if (strips["bytes"].sum(axis=1) < row_bytes * image.height).any():
        return image, places
    rows = max(_RAW_BYTES // row_bytes, 1)
    first = np.arange(0, image.height, rows, dtype=np.uint64)
    found = np.zeros((image.planes, len(first)), PLACE)
    found["at"] = strips["at"][:, :1] + first * np.uint64(row_bytes)
    found["bytes"] = np.minimum(np.uint64(image.height) - first, np.uint64(rows)) * np.uint64(row_bytes)
    other = TiffImage(
        image.order, image.width, image.height, image.samples, image.planes, (rows, image.width), False, image.tags
    )
    return other, found.ravel()


def _row_bytes(image: TiffImage, tags: Mapping[int, tuple[int, bytes]]) -> int:
    """Return the bytes of a row of a plane that is stored as it is; 0 where it is not, or may not be."""

    def first(tag: int, default: int) -> int:
        if tag not in tags:
            return default
        kind, data = tags[tag]
        return int(np.frombuffer(data, np.dtype(f"{image.order}{KINDS[kind]}"))[0])

    subsampled = first(262, 1) == 6
    if image.tiled or first(_COMPRESSION, 1) != 1 or subsampled:
        return 0
    bits = first(_BITS, 1) * (image.samples if image.planes == 1 else 1) * image.width
    return -(-bits // 8)


def _unreadable(tiff: TiffFile, why: str) -> BadInput:
    hint = "write it anew: gdal_translate -of COG in.tif out.tif"
    return BadInput("the image of a TIFF can't be read", why=why, hint=hint, file=tiff.file)
