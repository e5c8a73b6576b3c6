"""Vector data (GeoPackage, GeoJSON, Shapefile, FlatGeobuf): features with their shapes, a piece per file.

Here: which files belong together, the reader that hands out features. Not here: what they are used for (stages).
Imports `flowbutton.model`; pyogrio and shapely only inside functions.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, cast

from flowbutton.model.canonical import Json, canonical, digest_json
from flowbutton.model.errors import BadInput, MissingInput
from flowbutton.model.partitioner import Partitioner, Reader
from flowbutton.model.pieces import Group, IndexPart, Layout, ObjectInfo, Piece, Source, split_query
from flowbutton.model.store import DataAccess
from flowbutton.partitioners.files import file_groups, file_name, file_suffix, unchanged
from flowbutton.partitioners.whole import READ_BYTES

_KINDS = (".gpkg", ".geojson", ".json", ".shp", ".zip", ".fgb")
_SIBLINGS = (".shx", ".dbf", ".prj", ".cpg")  # of a .shp, in this order; the first two must be there

Attribute = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature: its number (from 1), its attributes by column, and its shape as WKB (None: it has none)."""

    number: int
    attributes: Mapping[str, Attribute]
    shape: bytes | None


class VectorFeatures(Reader):
    """The features of one file's first layer."""

    def __init__(self, piece: Piece, data: DataAccess) -> None:
        self._key, self._records, self._data, self._consumed = dict(piece.key), piece.records, data, 0
        self._files: list[Mapping[str, Any]] = cast(Mapping[str, Any], piece.body)["files"]
        self._crs = str(cast(Mapping[str, Any], piece.body)["crs"])

    @property
    def key(self) -> Mapping[str, str | int]:
        """Columns ``file`` and ``ordinal`` (from 0)."""
        return self._key

    @property
    def consumed(self) -> int:
        """Features handed out; reading them again does not count again."""
        return self._consumed

    @property
    def crs(self) -> str:
        """The coordinate reference system of the shapes as WKT; "" where the file says none."""
        return self._crs

    def features(self) -> Iterator[Feature]:
        """Yield the features in the file's order. Raises `ChangedInput`, or `BadInput` if they can't be read."""
        with ExitStack() as stack:
            for file in self._files:
                stack.enter_context(unchanged(file["uri"], file["identity"], self._data))
            _, columns, shapes = _table(self._files, self._data)
            names = list(columns)
            for number, shape in enumerate(shapes):
                self._consumed = max(self._consumed, number + 1)
                yield Feature(number + 1, {name: columns[name][number] for name in names}, shape)


class Vector(Partitioner):
    """Takes files of features, and cuts none: a piece per file, all features of its first layer.

    GeoPackage, GeoJSON (its ``crs`` member is heeded), Shapefile (a ``.shp`` with its siblings, or a ``.zip`` of them),
    FlatGeobuf. Cost of the index: each file is read once to name its content, and once by GDAL to count its features;
    readers fetch it whole.
    """

    name: ClassVar[str] = "vector"
    version: ClassVar[int] = 1
    reader: ClassVar[type[Reader]] = VectorFeatures
    unit: ClassVar[str] = "features"
    columns: ClassVar[tuple[str, ...]] = ("file", "ordinal")

    def probe(self, source: Source, data: DataAccess) -> Sequence[Group]:
        """Find the files, and those that stand beside a ``.shp``."""
        return [
            Group(group.ordinal, group.key, _with_siblings(group.objects[0], data))
            for group in file_groups(source, data)
        ]

    def index_parts(self, group: Group) -> Sequence[IndexPart]:
        """Return one task."""
        files: Json = [{"uri": info.uri, "identity": info.identity, "size": info.size} for info in group.objects]
        identity = ":".join(info.identity for info in group.objects)
        return [IndexPart(group.ordinal, identity, sum(info.size for info in group.objects), {"files": files})]

    def index(self, part: IndexPart, data: DataAccess) -> bytes:
        """Digest the files, and count the features.

        Raises:
            BadInput: there is none.
        """
        files: list[Mapping[str, Any]] = cast(Mapping[str, Any], part.body)["files"]
        with ExitStack() as stack:
            for file in files:
                stack.enter_context(unchanged(file["uri"], file["identity"], data))
            digests = [_digest(file, data) for file in files]
            crs, _, shapes = _table(files, data)
        if not shapes:
            hint = "put what is meant into the first layer; ogrinfo FILE lists them"
            raise BadInput("a file has no feature", why="its first layer is empty", hint=hint, file=files[0]["uri"])
        return canonical({"digests": cast(Json, digests), "features": len(shapes), "crs": crs})

    def layout(self, group: Group, indexes: Sequence[bytes]) -> Layout:
        """Take what the pass found."""
        index = json.loads(indexes[0])
        return Layout(group, index["features"], sum(info.size for info in group.objects), index)

    def cut(self, layout: Layout) -> Sequence[Piece]:
        """Return the file as one piece."""
        index, group = cast(Mapping[str, Any], layout.body), layout.group
        files: Json = [{"uri": info.uri, "identity": info.identity} for info in group.objects]
        content = digest_json("vector", [file_suffix(group.objects[0].uri), index["digests"]])
        return [
            Piece(self.name, group.key, content, layout.records, layout.bytes, {"files": files, "crs": index["crs"]})
        ]

    def open(self, piece: Piece, data: DataAccess) -> VectorFeatures:
        """Open a reader on a file."""
        return VectorFeatures(piece, data)


def _with_siblings(info: ObjectInfo, data: DataAccess) -> tuple[ObjectInfo, ...]:
    suffix = PurePosixPath(file_name(info.uri)).suffix
    if suffix.lower() not in _KINDS:
        why = f"its extension is '{suffix}'"
        hint = f"give a file with one of: {', '.join(_KINDS)}"
        raise BadInput("features can't be read from this file", why=why, hint=hint, file=info.uri)
    if suffix.lower() != ".shp":
        return (info,)
    found = [info]
    path, query = split_query(info.uri)
    for place, sibling in enumerate(_SIBLINGS):
        try:
            other = path[: -len(suffix)] + (sibling if suffix == ".shp" else sibling.upper())
            found.append(data.head(other + query))
        except MissingInput as error:
            if place < 2:
                why = "a Shapefile is several files of one name"
                hint = "put all of them beside each other, or give a .zip of them"
                what = f"the {sibling} of a Shapefile is missing"
                raise MissingInput(what, why=why, hint=hint, file=info.uri) from error
    return tuple(found)


def _digest(file: Mapping[str, Any], data: DataAccess) -> str:
    total = hashlib.sha256()
    for start in range(0, file["size"], READ_BYTES):
        total.update(data.read(file["uri"], start, min(start + READ_BYTES, file["size"])))
    return total.hexdigest()


def _table(
    files: Sequence[Mapping[str, Any]], data: DataAccess
) -> tuple[str, dict[str, list[Attribute]], list[bytes | None]]:
    """Read the first layer: CRS as WKT, columns of attributes, shapes as WKB.

    Raises:
        BadInput: GDAL can't read it.
    """
    import warnings

    import pyogrio

    with TemporaryDirectory(prefix="flowbutton.") as folder:
        paths = [Path(folder) / file_name(file["uri"]) for file in files]
        for file, path in zip(files, paths, strict=True):
            # GDAL finds siblings by name, and SQLite may write beside the file
            path.write_bytes(data.fetch(file["uri"]).read_bytes())
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of shapes, which stages judge, and of columns that are left out
                meta, _, shapes, columns = pyogrio.raw.read(paths[0], datetime_as_string=True)
        except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, pyogrio.errors.FeatureError) as error:
            why = str(error).replace(folder + "/", "")
            hint = "check it: ogrinfo -al -so FILE"
            raise BadInput("features can't be read from this file", why=why, hint=hint, file=files[0]["uri"]) from error
    named = {
        str(name): [_plain(value) for value in column.tolist()]
        for name, column in zip(meta["fields"], columns, strict=True)
    }
    return (
        _wkt(meta["crs"]),
        named,
        list(shapes) if shapes is not None else [None] * (len(columns[0]) if len(columns) else 0),
    )


def _plain(value: object) -> Attribute:
    if isinstance(value, float) and math.isnan(value):  # a column of numbers where a feature has none
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _wkt(crs: str | None) -> str:
    from rasterio.crs import CRS

    return str(CRS.from_user_input(crs).to_wkt()) if crs else ""
