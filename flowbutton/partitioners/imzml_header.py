"""The XML of an imzML file, in one pass of bounded memory: what each spectrum is and where its arrays lie.

Here: controlled terms, the pass, the packed table of spectra, the first look at a file's head.
Not here: the `.ibd` (`imzml_index`), cutting (`imzml`). Format: Schramm et al. 2012, doi:10.1016/j.jprot.2012.07.026;
PSI-MS and imzML vocabularies. Imports `flowbutton.model`, numpy.

expat and not pyimzML: that keeps Python lists of all spectra, knows one number type per file and one way to name the
arrays, and tells neither a missing term nor its line. It is the oracle of the tests.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from xml.parsers import expat

import numpy as np
import numpy.typing as npt

from flowbutton.model.errors import BadInput, FlowbuttonError, MalformedRecord, TruncatedInput, UncuttableSource

UUID = "IMS:1000080"
CHECKSUMS = {"IMS:1000091": "sha1", "IMS:1000090": "md5", "IMS:1000092": "sha256"}
_CONTINUOUS, _PROCESSED = "IMS:1000030", "IMS:1000031"
_POSITIVE, _NEGATIVE = "MS:1000130", "MS:1000129"
_CENTROID, _PROFILE = "MS:1000127", "MS:1000128"
_PIXEL_X, _PIXEL_Y = "IMS:1000046", "IMS:1000047"
_X, _Y = "IMS:1000050", "IMS:1000051"
_OFFSET, _LENGTH, _STORED = "IMS:1000102", "IMS:1000103", "IMS:1000104"
_PLACE_WORDS = {_OFFSET: "offset", _LENGTH: "length"}
_MZ, _INTENSITY = "MS:1000514", "MS:1000515"
_NO_COMPRESSION, _ZLIB = "MS:1000576", "MS:1000574"
_OTHER_COMPRESSIONS = {
    "MS:1002312": "numpress linear",
    "MS:1002313": "numpress positive integer",
    "MS:1002314": "numpress short logged float",
    "MS:1002746": "numpress linear with zlib",
    "MS:1002747": "numpress positive integer with zlib",
    "MS:1002748": "numpress short logged float with zlib",
}

KINDS = ("<f4", "<f8", "<i1", "<i2", "<i4", "<i8", "<f2")
"""Number types of an array; a row of the table names one by its place."""
_KIND_TERMS = {
    "MS:1000521": "<f4",
    "MS:1000523": "<f8",
    "IMS:1100000": "<i1",
    "IMS:1100001": "<i2",
    "MS:1000519": "<i4",
    "IMS:1000141": "<i4",
    "MS:1000522": "<i8",
    "IMS:1000142": "<i8",
    "MS:1000520": "<f2",
}

ROW = np.dtype(
    [
        ("x", "<i4"),
        ("y", "<i4"),
        ("peaks", "<u4"),
        ("mz_at", "<u8"),
        ("mz_bytes", "<u8"),
        ("mz_kind", "u1"),
        ("mz_packed", "u1"),
        ("at", "<u8"),
        ("bytes", "<u8"),
        ("kind", "u1"),
        ("packed", "u1"),
    ]
)
"""A spectrum: its pixel, how many peaks it has, and where its two arrays lie (``packed``: 1 for zlib)."""
_ROW = struct.Struct("<iiIQQBBQQBB")

Rows = npt.NDArray[Any]
"""Rows of type `ROW`."""

_MICROMETRES = {"": 1.0, "UO:0000017": 1.0, "UO:0000016": 1e3, "UO:0000018": 1e-3}  # by unit; none is taken for µm

READ_BYTES = 4 * 1024**2
_HEAD_BYTES = 1 << 18
_SCOPES = frozenset(("fileContent", "referenceableParamGroup", "spectrum", "scan", "binaryDataArray"))


class Polarity(StrEnum):
    """The charge of the ions that were measured, as the header says."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    MIXED = "mixed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Header:
    """What the XML says: of the ``.ibd`` (UUID, checksum by algorithm), of all spectra, and of each.

    ``pixel_um`` is the width of a pixel in micrometres, None where the header is silent.
    """

    uuid: str
    checksums: Mapping[str, str]
    polarity: Polarity
    profile: bool
    pixel_um: float | None
    spectra: Rows


@dataclass(slots=True)
class _Found:
    """What a pass has met so far."""

    content: dict[str, str] = field(default_factory=dict)
    groups: dict[str, dict[str, str]] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)  # terms of polarity and kind of spectrum
    pixel: tuple[str, str] = ("", "")  # its width, and the unit of it
    rows: bytearray = field(default_factory=bytearray)


_TOLD = frozenset((_POSITIVE, _NEGATIVE, _CENTROID, _PROFILE))


def read_header(blocks: Iterable[bytes], *, file: str) -> Header:
    """Pass over the whole XML.

    Raises:
        BadInput: it is not imzML, or has no spectra.
        MalformedRecord: a spectrum lacks a term or has one that can't be; ``record`` and ``line`` say which.
        UncuttableSource: an array is compressed in a way that can't be read.
        TruncatedInput: the XML ends inside.
    """
    scan = _Scan(file)
    for block in blocks:
        scan.feed(block)
    scan.close()
    header = scan.header()
    if not len(header.spectra):
        raise BadInput(
            "this dataset has no spectra",
            why="the imzML lists none",
            hint="check the export: the spectrumList is empty",
            file=file,
        )
    return header


def read_head(read: Callable[[int, int], bytes], size: int, *, file: str) -> Header:
    """Look at the first bytes only, up to a spectrum: the header's terms and those of the first spectra.

    Raises:
        BadInput: it is not imzML.
    """
    scan = _Scan(file)
    for start in range(0, size, _HEAD_BYTES):
        scan.feed(read(start, min(start + _HEAD_BYTES, size)))
        if scan.has_spectra:
            break
    return scan.header()


class _Scan:
    """Hands the elements to the scope that they stand in."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._found = _Found()
        self._scopes: list[tuple[str, dict[str, str]]] = []
        self._group = ""
        self._root = ""
        self._pixel: tuple[str, str] | None = None
        self._arrays: list[dict[str, str]] = []

    def feed(self, block: bytes) -> None:
        """Parse what follows."""
        self._parse(block, last=False)

    def close(self) -> None:
        """Parse the end."""
        self._parse(b"", last=True)

    @property
    def has_spectra(self) -> bool:
        """Whether a spectrum was found already."""
        return bool(self._found.rows)

    def header(self) -> Header:
        """Return what was found so far."""
        found = self._found
        if self._root not in ("mzML", "indexedmzML"):
            raise _not_imzml(self._file, f"its first element is '{self._root}', not 'mzML'")
        if not found.content:
            raise _not_imzml(self._file, "it has no fileContent, so it is not known which .ibd belongs to it")
        said = found.said | (found.content.keys() & _TOLD)
        uuid = found.content.get(UUID, "").strip("{} ").replace("-", "").lower()
        checksums = {
            name: found.content[term].strip().lower() for term, name in CHECKSUMS.items() if term in found.content
        }
        rows = np.frombuffer(bytes(found.rows), ROW)
        return Header(uuid, checksums, _polarity(said), _PROFILE in said, _micrometres(*found.pixel), rows)

    def _parse(self, block: bytes, *, last: bool) -> None:
        try:
            self._parser.Parse(block, last)
        except expat.ExpatError as error:
            if last and self._root:
                raise TruncatedInput(
                    "the imzML file ends inside",
                    why=f"its XML is not closed: {expat.ErrorString(error.code)}",
                    hint="compare its size with the sender's and fetch it again",
                    file=self._file,
                    line=error.lineno,
                ) from error
            if self._root and error.code == expat.errors.codes[expat.errors.XML_ERROR_INVALID_TOKEN]:
                raise BadInput(
                    "the imzML has a character that can't be read",
                    why="that line is not in the encoding that the first line names; without a name it is UTF-8",
                    hint="put right the line, or the encoding: 'µ' is often written in ISO-8859-1",
                    file=self._file,
                    line=error.lineno,
                ) from error
            why = f"it is not XML: {expat.ErrorString(error.code)}"
            raise _not_imzml(self._file, why, line=error.lineno) from error

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "cvParam" and self._scopes:  # two of three elements
            self._scopes[-1][1][attributes.get("accession", "")] = attributes.get("value", "")
            return
        name = tag.rpartition(":")[2]
        if not self._root:
            self._root = name
        if name == "cvParam":
            if self._scopes:
                self._scopes[-1][1][attributes.get("accession", "")] = attributes.get("value", "")
            elif attributes.get("accession") in (_PIXEL_X, _PIXEL_Y) and not self._found.pixel[0]:
                self._found.pixel = attributes.get("value", ""), attributes.get("unitAccession", "")
        elif name == "referenceableParamGroupRef":
            if self._scopes:
                self._scopes[-1][1].update(self._referenced(attributes.get("ref", "")))
        elif name in _SCOPES:
            self._scopes.append((name, {}))
            if name == "referenceableParamGroup":
                self._group = attributes.get("id", "")
            elif name == "spectrum":
                self._pixel, self._arrays = None, []

    def _end(self, tag: str) -> None:
        if tag == "cvParam":
            return
        name = tag.rpartition(":")[2]
        if name not in _SCOPES or not self._scopes or self._scopes[-1][0] != name:
            return
        terms = self._scopes.pop()[1]
        if name == "fileContent":
            self._found.content = terms
        elif name == "referenceableParamGroup":
            self._found.groups[self._group] = terms
        elif name == "scan":
            self._found.said |= terms.keys() & _TOLD
            if _X in terms and _Y in terms:
                self._pixel = terms[_X], terms[_Y]
        elif name == "binaryDataArray":
            self._arrays.append(terms)
        else:
            self._found.said |= terms.keys() & _TOLD
            self._add_spectrum()

    def _referenced(self, group: str) -> dict[str, str]:
        if group not in self._found.groups:
            raise self._malformed(f"a spectrum refers to the group '{group}', which is nowhere", "")
        return self._found.groups[group]

    def _add_spectrum(self) -> None:
        if self._pixel is None:
            raise self._malformed("a spectrum has no position", "it lacks 'position x' or 'position y'")
        mz = self._array(_MZ, "m/z array")
        intensity = self._array(_INTENSITY, "intensity array")
        if mz[0] != intensity[0]:
            what = f"a spectrum has {mz[0]} m/z values but {intensity[0]} intensities"
            raise self._malformed(what, "each peak needs one of both")
        x, y = (self._whole("position", text) for text in self._pixel)
        try:
            self._found.rows += _ROW.pack(x, y, mz[0], *mz[1:], *intensity[1:])
        except struct.error as error:
            raise self._malformed("a spectrum's position or size is out of bounds", str(error)) from error

    def _array(self, term: str, name: str) -> tuple[int, int, int, int, int]:
        """Return an array's values, first byte, stored bytes, kind, and 1 if it is packed."""
        found = [terms for terms in self._arrays if term in terms]
        if len(found) != 1:
            raise self._malformed(f"a spectrum has {len(found)} arrays called '{name}'", "it needs one")
        terms = found[0]
        kinds = {_KIND_TERMS[accession] for accession in _KIND_TERMS.keys() & terms.keys()}
        if len(kinds) != 1:
            raise self._malformed(f"the {name} of a spectrum has no number type that is known", "")
        (kind,) = kinds
        packed = self._packed(terms, name)
        values = self._whole(f"external array length of the {name}", self._said(terms, _LENGTH, name), least=0)
        if not values:
            return 0, 0, 0, KINDS.index(kind), packed  # nowhere, wherever its offset is
        offset = self._whole(f"external offset of the {name}", self._said(terms, _OFFSET, name), least=0)
        stored = values * np.dtype(kind).itemsize
        if packed:
            stored = self._whole(f"external encoded length of the {name}", terms.get(_STORED, ""), least=0)
        return values, offset, stored, KINDS.index(kind), packed

    def _said(self, terms: Mapping[str, str], key: str, name: str) -> str:
        if key not in terms:
            raise self._malformed(f"the {name} of a spectrum lacks its external {_PLACE_WORDS[key]}", "")
        return terms[key]

    def _packed(self, terms: Mapping[str, str], name: str) -> int:
        for accession in _OTHER_COMPRESSIONS.keys() & terms.keys():
            raise UncuttableSource(
                f"the {name} is compressed by {_OTHER_COMPRESSIONS[accession]}, which can't be read",
                why="arrays may be stored plainly or by zlib",
                hint="export the dataset again without compression",
                **self._place(),
            )
        return 1 if _ZLIB in terms and _NO_COMPRESSION not in terms else 0

    def _whole(self, name: str, text: str, *, least: int | None = None) -> int:
        try:
            value = int(text)
        except ValueError as error:
            raise self._malformed(f"the {name} is '{text}'", "it is not a whole number") from error
        if least is not None and value < least:
            why = "it is negative: some programs count in 32 bits and overflow in files of more than 2 GiB"
            raise self._malformed(f"the {name} is {value}", why)
        return value

    def _malformed(self, what: str, why: str) -> FlowbuttonError:
        return MalformedRecord(what, why=why, hint="correct the imzML, or export the dataset again", **self._place())

    def _place(self) -> dict[str, str | int]:
        record = len(self._found.rows) // _ROW.size + 1
        return {"file": self._file, "record": record, "line": self._parser.CurrentLineNumber}


def _micrometres(width: str, unit: str) -> float | None:
    """Return a pixel's width; None where it is no length, as images are the same without it."""
    try:
        found = float(width) * _MICROMETRES[unit]
    except (ValueError, KeyError):
        return None
    return found if 0 < found < np.inf else None


def _polarity(said: Iterable[str]) -> Polarity:
    positive, negative = _POSITIVE in said, _NEGATIVE in said
    if positive and negative:
        return Polarity.MIXED
    if positive or negative:
        return Polarity.POSITIVE if positive else Polarity.NEGATIVE
    return Polarity.UNKNOWN


def _not_imzml(file: str, why: str, **where: int) -> BadInput:
    return BadInput(
        "this is not an imzML file", why=why, hint="give the .imzML; its .ibd is found beside it", file=file, **where
    )
