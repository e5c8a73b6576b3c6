"""What is wrong with an imzML dataset is told before or while it is read, with its place."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from flowbutton.model.errors import BadInput, MalformedRecord, MissingInput, TruncatedInput, UncuttableSource
from flowbutton.model.pieces import Source
from flowbutton.partitioners.imzml import Imzml, ImzmlSpectra
from flowbutton.samples.imzml_files import FileLayout, PixelSpectrum, write_imzml
from flowbutton.testing.partitioners import CutSource, MemoryAccess


def pixel(x: int, mz: list[float], intensity: list[float]) -> PixelSpectrum:
    return PixelSpectrum(x, 1, np.array(mz), np.array(intensity))


GOOD = [pixel(1, [100.0, 200.0], [5.0, 6.0]), pixel(2, [150.0], [7.0])]


def cut(path: Path) -> CutSource:
    return CutSource(Imzml(), Source("spectra", str(path), {}), MemoryAccess(path.parent))


def read(path: Path) -> None:
    source = cut(path)
    for piece in source.pieces({}):
        list(cast(ImzmlSpectra, source.open(piece)).spectra())


def edited(path: Path, change: Callable[[str], str]) -> Path:
    text = path.read_text()
    new = change(text)
    assert new != text
    path.write_text(new)
    return path


def without(term: str) -> Callable[[str], str]:
    return lambda text: re.sub(rf'<cvParam[^>]*accession="{term}"[^>]*/>', "", text)


def valued(term: str, value: str, *, number: int = 0) -> Callable[[str], str]:
    """Return an edit of the term's value where it stands for the time ``number``."""

    def change(text: str) -> str:
        found = [*re.finditer(rf'accession="{term}" name="[^"]*" value="([^"]*)"', text)][number]
        return text[: found.start(1)] + value + text[found.end(1) :]

    return change


@pytest.mark.parametrize(
    ("change", "kind", "match"),
    [
        (lambda _: "", BadInput, "not an imzML"),
        (lambda _: "no XML\n", BadInput, "not XML"),
        (lambda _: "<html></html>", BadInput, "its first element is 'html'"),
        (lambda text: text.replace("fileContent", "fileSomething"), BadInput, "no fileContent"),
        (lambda text: text[: text.index("<spectrum ")], TruncatedInput, "ends inside"),
        (lambda text: text[: text.index("<spectrum ") + 400], TruncatedInput, "ends inside"),
        (lambda text: re.sub(r"<spectrum .*</spectrum>", "", text, flags=re.DOTALL), BadInput, "no spectra"),
        (valued("IMS:1000080", "{00000000-0000-0000-0000-000000000000}"), BadInput, "belongs to another imzML"),
        (valued("IMS:1000091", "0" * 40), BadInput, "SHA1 differs"),
        (without("IMS:1000050"), MalformedRecord, "no position"),
        (valued("IMS:1000051", "one"), MalformedRecord, "position is 'one'"),
        (valued("IMS:1000051", "99999999999"), MalformedRecord, "out of bounds"),
        (without("MS:1000514"), MalformedRecord, "0 arrays called 'm/z array'"),
        (without("MS:1000521"), MalformedRecord, "no number type"),
        (without("IMS:1000102"), MalformedRecord, "lacks its external offset"),
        (valued("IMS:1000102", "-20"), MalformedRecord, "negative.*32 bits"),
        (valued("IMS:1000103", "many"), MalformedRecord, "length of the m/z array is 'many'"),
        (valued("IMS:1000103", "1"), MalformedRecord, "1 m/z values but 2 intensities"),
        (valued("IMS:1000102", "5000"), MalformedRecord, "beyond the end of the .ibd"),
        (lambda text: text.replace("MS:1000576", "MS:1002312"), UncuttableSource, "numpress linear"),
        (lambda text: text.replace('ref="spectrum"', 'ref="nowhere"'), MalformedRecord, "refers to the group"),
    ],
)
def test_an_xml_that_is_wrong(tmp_path: Path, change: Callable[[str], str], kind: type[BadInput], match: str) -> None:
    path = write_imzml(tmp_path / "x.imzML", GOOD)
    with pytest.raises(kind, match=match) as caught:
        read(edited(path, change))
    assert str(caught.value.where["file"]).startswith(str(tmp_path / "x"))
    assert caught.value.hint


def test_a_malformed_spectrum_is_named(tmp_path: Path) -> None:
    path = edited(write_imzml(tmp_path / "x.imzML", GOOD), valued("IMS:1000102", "6000", number=2))
    with pytest.raises(MalformedRecord) as caught:
        read(path)
    assert caught.value.where == {"file": str(path), "record": 2, "byte": 6000}
    path = edited(write_imzml(tmp_path / "x.imzML", GOOD), valued("IMS:1000051", "", number=1))
    with pytest.raises(MalformedRecord) as caught:
        read(path)
    line = int(caught.value.where["line"])
    assert path.read_text().splitlines()[line - 1] == "</binaryDataArrayList></spectrum>"


def test_an_ibd_that_was_cut(tmp_path: Path) -> None:
    path = write_imzml(tmp_path / "x.imzML", GOOD)
    ibd = path.with_suffix(".ibd")
    ibd.write_bytes(ibd.read_bytes()[:-3])
    with pytest.raises(TruncatedInput, match="ends inside the intensity array") as caught:
        read(path)
    assert caught.value.where == {"file": str(ibd), "record": 2, "byte": ibd.stat().st_size}


def test_an_ibd_with_other_bytes(tmp_path: Path) -> None:
    path = write_imzml(tmp_path / "x.imzML", GOOD)
    ibd = path.with_suffix(".ibd")
    data = bytearray(ibd.read_bytes())
    data[-1] ^= 1
    ibd.write_bytes(data)
    with pytest.raises(BadInput, match="SHA1 differs"):
        read(path)


def test_a_missing_ibd(tmp_path: Path) -> None:
    path = write_imzml(tmp_path / "x.imzML", GOOD)
    path.with_suffix(".ibd").unlink()
    with pytest.raises(MissingInput, match="ibd of an imzML is missing"):
        read(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1252"])
def test_an_xml_in_its_encoding(tmp_path: Path, encoding: str) -> None:
    path = write_imzml(tmp_path / "x.imzML", GOOD)
    text = re.sub(r'encoding="[^"]*"', f'encoding="{encoding.removesuffix("-sig")}"', path.read_text())
    path.write_text(text.replace("<mzML", "<!-- 5 µm -->\r\n<mzML", 1), encoding=encoding, newline="")
    read(path)


def test_an_xml_in_another_encoding_than_it_says(tmp_path: Path) -> None:
    path = write_imzml(tmp_path / "x.imzML", GOOD)
    at = path.read_bytes().index(b"</fileDescription>")
    path.write_bytes(path.read_bytes()[:at] + b"<!-- 5 \xb5m -->" + path.read_bytes()[at:])
    with pytest.raises(BadInput, match="a character that can't be read") as caught:
        read(path)
    assert "line" in caught.value.where


def test_a_long_head_before_the_first_spectrum(tmp_path: Path) -> None:
    path = write_imzml(tmp_path / "x.imzML", GOOD, FileLayout(polarity="negative"))
    edited(path, lambda text: text.replace("<fileDescription>", f"<!-- {'history ' * 50_000} --><fileDescription>"))
    (row,) = cast(list[dict[str, object]], Imzml().table(cut(path).groups))
    assert row["polarity"] == "negative"
    read(path)


@pytest.mark.parametrize("change", [without("IMS:1000102"), valued("IMS:1000102", "-1"), valued("IMS:1000102", "9999")])
def test_the_arrays_of_an_empty_spectrum_are_nowhere(tmp_path: Path, change: Callable[[str], str]) -> None:
    path = write_imzml(tmp_path / "x.imzML", [*GOOD, pixel(3, [], [])])

    def change_the_last(text: str) -> str:
        at = text.index('id="spectrum=3"')
        return text[:at] + change(text[at:])

    edited(path, change_the_last)
    read(path)


def test_an_ibd_in_capitals_is_found(tmp_path: Path) -> None:
    path = write_imzml(tmp_path / "x.imzML", GOOD)
    path.with_suffix(".ibd").rename(tmp_path / "x.IBD")
    read(path)


def test_another_suffix(tmp_path: Path) -> None:
    path = write_imzml(tmp_path / "x.imzML", GOOD).with_suffix(".ibd")
    with pytest.raises(BadInput, match=r"give the \.imzML"):
        read(path)


def test_spectra_that_are_all_empty(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"all spectra.*empty"):
        read(write_imzml(tmp_path / "x.imzML", [pixel(1, [], []), pixel(2, [], [])]))


@pytest.mark.parametrize(
    ("mz", "intensity", "match"),
    [
        (100.0, float("nan"), "an intensity of a spectrum is nan"),
        (100.0, float("inf"), "an intensity of a spectrum is inf"),
        (100.0, -1.0, r"an intensity of a spectrum is -1.0"),
        (float("nan"), 1.0, "an m/z of a spectrum is nan"),
        (-5.0, 1.0, r"an m/z of a spectrum is -5.0"),
        (0.0, 1.0, r"an m/z of a spectrum is 0.0"),
        (1e30, 1.0, r"an m/z of a spectrum is 1e\+30"),
    ],
)
def test_values_that_cannot_be(tmp_path: Path, mz: float, intensity: float, match: str) -> None:
    path = write_imzml(tmp_path / "x.imzML", [GOOD[0], pixel(2, [90.0, mz], [1.0, intensity])])
    with pytest.raises(MalformedRecord, match=match) as caught:
        read(path)
    assert caught.value.where == {"file": str(path.with_suffix(".ibd")), "record": 2, "peak": 2}


@pytest.mark.parametrize(("old", "new", "match"), [(2, 3, "hold what the header says"), (2, 1, "hold what the header")])
def test_a_packed_array_of_another_length(tmp_path: Path, old: int, new: int, match: str) -> None:
    path = write_imzml(tmp_path / "x.imzML", GOOD, FileLayout(packed=True))
    edited(path, lambda text: text.replace(f'array length" value="{old}"', f'array length" value="{new}"'))
    with pytest.raises(MalformedRecord, match=match):
        read(path)


def test_a_packed_array_that_is_none(tmp_path: Path) -> None:
    path = write_imzml(tmp_path / "x.imzML", GOOD)
    edited(path, lambda text: text.replace("MS:1000576", "MS:1000574"))
    with pytest.raises(MalformedRecord, match="a packed array is damaged") as caught:
        read(path)
    assert (caught.value.where["record"], caught.value.where["byte"]) == (1, 16)


def test_both_polarities(tmp_path: Path) -> None:
    path = write_imzml(tmp_path / "x.imzML", GOOD)
    other = '<cvParam cvRef="MS" accession="MS:1000129" name="negative scan" value=""/>'
    group = '<referenceableParamGroup id="spectrum">'
    edited(path, lambda text: text.replace(group, group + other))
    source = cut(path)
    assert source.partitioner.table(source.groups) == [
        {"file": "x.imzML", "ordinal": 0, "polarity": "mixed", "pixel_um": None}
    ]
