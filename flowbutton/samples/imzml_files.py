"""Writing imzML: the two files of a dataset, the same bytes each time.

Here: the layouts that exporters use. Not here: which spectra (`samples.metabolomics`), reading (`partitioners.imzml`).
Format: Schramm et al. 2012, doi:10.1016/j.jprot.2012.07.026. Imports numpy.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_TERMS = {
    "<f4": ("MS:1000521", "32-bit float"),
    "<f8": ("MS:1000523", "64-bit float"),
    "<i4": ("MS:1000519", "32-bit integer"),
    "<i8": ("MS:1000522", "64-bit integer"),
}
_PIXEL = (("IMS:1000046", "pixel size (x)"), ("IMS:1000047", "pixel size y"))
_POLARITIES = {"positive": ("MS:1000130", "positive scan"), "negative": ("MS:1000129", "negative scan")}


@dataclass(frozen=True, slots=True)
class PixelSpectrum:
    """A spectrum to be written: its pixel, counted from 1, and its peaks."""

    x: int
    y: int
    mz: npt.NDArray[Any]
    intensity: npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class FileLayout:
    """How arrays are stored: number types, one m/z axis for all (``continuous``), which array of a spectrum is first in
    the file, whether by zlib; ``polarity`` and ``pixel_um``, the width of a pixel in micrometres, are None where the
    header is silent."""

    mz_kind: str = "<f8"
    kind: str = "<f4"
    continuous: bool = False
    intensity_first: bool = False
    packed: bool = False
    profile: bool = False
    polarity: str | None = "positive"
    pixel_um: float | None = None


def write_imzml(path: Path, spectra: Iterable[PixelSpectrum], layout: FileLayout = FileLayout()) -> Path:
    """Write ``path`` (``name.imzML``) and the ``.ibd`` beside it; return ``path``.

    Spectra of a continuous file must all have the m/z values of the first.
    """
    identity = hashlib.md5(path.stem.encode(), usedforsecurity=False).digest()
    elements: list[str] = []
    axis: tuple[int, int, int] | None = None
    with path.with_suffix(".ibd").open("wb") as ibd:
        ibd.write(identity)
        for number, spectrum in enumerate(spectra, 1):
            places: dict[str, tuple[int, int, int]] = {}
            for name in ("intensityArray", "mzArray") if layout.intensity_first else ("mzArray", "intensityArray"):
                if name == "mzArray" and layout.continuous and axis is not None:
                    places[name] = axis
                    continue
                kind = layout.mz_kind if name == "mzArray" else layout.kind
                values = np.asarray(spectrum.mz if name == "mzArray" else spectrum.intensity).astype(kind)
                data = zlib.compress(values.tobytes(), 1) if layout.packed else values.tobytes()
                places[name] = (ibd.tell(), len(values), len(data))
                ibd.write(data)
            axis = places["mzArray"]
            elements.append(_spectrum(number, spectrum, places))
    checksum = hashlib.sha1(path.with_suffix(".ibd").read_bytes(), usedforsecurity=False).hexdigest()
    text = _document(layout, identity.hex(), checksum, elements)
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def _term(accession: str, name: str, value: object = "") -> str:
    return f'<cvParam cvRef="{accession.partition(":")[0]}" accession="{accession}" name="{name}" value="{value}"/>'


def _length(accession: str, name: str, micrometres: float) -> str:
    unit = 'unitCvRef="UO" unitAccession="UO:0000017" unitName="micrometer"/>'
    return _term(accession, name, micrometres).replace("/>", f" {unit}")


def _spectrum(number: int, spectrum: PixelSpectrum, places: dict[str, tuple[int, int, int]]) -> str:
    lines = [
        f'<spectrum id="spectrum={number}" index="{number - 1}" defaultArrayLength="0">',
        '<referenceableParamGroupRef ref="spectrum"/>',
        '<scanList count="1"><scan>',
        _term("IMS:1000050", "position x", spectrum.x),
        _term("IMS:1000051", "position y", spectrum.y),
        '</scan></scanList><binaryDataArrayList count="2">',
    ]
    for name, (offset, length, stored) in sorted(places.items(), reverse=True):
        lines += [
            f'<binaryDataArray encodedLength="0"><referenceableParamGroupRef ref="{name}"/>',
            _term("IMS:1000102", "external offset", offset),
            _term("IMS:1000103", "external array length", length),
            _term("IMS:1000104", "external encoded length", stored),
            "<binary/></binaryDataArray>",
        ]
    return "\n".join([*lines, "</binaryDataArrayList></spectrum>"])


def _document(layout: FileLayout, uuid: str, checksum: str, elements: Sequence[str]) -> str:
    packing = _term(*(("MS:1000574", "zlib compression") if layout.packed else ("MS:1000576", "no compression")))
    mode = _term(*(("IMS:1000030", "continuous") if layout.continuous else ("IMS:1000031", "processed")))
    shape = _term(*(("MS:1000128", "profile spectrum") if layout.profile else ("MS:1000127", "centroid spectrum")))
    polarity = [_term(*_POLARITIES[layout.polarity])] if layout.polarity else []
    arrays = [
        (f'<referenceableParamGroup id="{name}">', _term(*term), _term(*_TERMS[kind]), packing)
        for name, term, kind in (
            ("mzArray", ("MS:1000514", "m/z array"), layout.mz_kind),
            ("intensityArray", ("MS:1000515", "intensity array"), layout.kind),
        )
    ]
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<mzML xmlns="http://psi.hupo.org/ms/mzml" version="1.1">',
        "<fileDescription><fileContent>",
        _term("MS:1000579", "MS1 spectrum"),
        mode,
        _term("IMS:1000080", "universally unique identifier", f"{{{uuid}}}"),
        _term("IMS:1000091", "ibd SHA-1", checksum),
        "</fileContent></fileDescription>",
        '<referenceableParamGroupList count="3">',
        *(line for array in arrays for line in (*array, "</referenceableParamGroup>")),
        '<referenceableParamGroup id="spectrum">',
        shape,
        *polarity,
        "</referenceableParamGroup></referenceableParamGroupList>",
        '<softwareList count="1"><software id="flowbutton" version="1"/></softwareList>',
        '<scanSettingsList count="1"><scanSettings id="settings">',
        *(_length(*term, layout.pixel_um) for term in _PIXEL if layout.pixel_um is not None),
        "</scanSettings></scanSettingsList>",
        '<instrumentConfigurationList count="1"><instrumentConfiguration id="instrument"/>',
        "</instrumentConfigurationList>",
        '<dataProcessingList count="1"><dataProcessing id="export"/></dataProcessingList>',
        f'<run defaultInstrumentConfigurationRef="instrument" id="run"><spectrumList count="{len(elements)}">',
        *elements,
        "</spectrumList></run></mzML>",
    ]
    return "\n".join(lines) + "\n"
