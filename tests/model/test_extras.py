"""The extra that an error names is the one that brings the library to who wants it."""

import importlib
import sys
import tomllib
from pathlib import Path

import pytest

from flowbutton.model import extras
from flowbutton.model.extras import extra_with, libraries_of, missing_extra
from flowbutton.model.registry import registered
from flowbutton.stages.define import find_stage

DECLARED = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["optional-dependencies"]
REQUIREMENTS = [f"{line}; extra == '{extra}'" for extra, lines in DECLARED.items() for line in lines]


def test_the_libraries_of_an_extra_are_read_with_the_versions_it_takes():
    read = libraries_of(["click>=8", "redis[hiredis]>=5.1; extra == 'redis'", 'pysam==0.24.1; extra == "genomics"'])
    assert read == {"": {"click": ">=8"}, "redis": {"redis": ">=5.1"}, "genomics": {"pysam": "==0.24.1"}}


@pytest.mark.parametrize(
    ("library", "wanted_by", "extra"),
    [
        ("numpy", "fastq", "genomics"),
        ("numpy", "imzml", "metabolomics"),
        ("numpy", "lidar", "geospatial"),
        ("numpy", "geospatial", "geospatial"),
        ("pythoncdt", "", "geospatial"),
        ("obstore", "web", "web"),
        ("obstore", "s3", "s3"),
        ("numpy", "", "all"),
        ("pytest", "fastq", None),
        ("nobodys", "fastq", None),
    ],
)
def test_the_extra_is_that_of_who_wants_the_library(library: str, wanted_by: str, extra: str | None) -> None:
    assert extra_with(library, wanted_by, libraries_of(REQUIREMENTS)) == extra


def test_every_partitioner_that_needs_a_library_has_its_extra():
    ours = {name for name, point in registered("partitioners").items() if point.value.startswith("flowbutton.")}
    assert ours - {*extras._OF_PARTITIONERS} == {"whole"}


def test_a_users_own_module_gets_the_library_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wants_scipy.py").write_text("import scipy\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(Exception, match="needs the library 'scipy'") as caught:
        find_stage("wants_scipy:f")
    assert caught.value.hint == "run: pip install scipy"


def test_a_module_of_ours_gets_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    monkeypatch.delitem(sys.modules, "flowbutton.partitioners.las_points", raising=False)
    with pytest.raises(ModuleNotFoundError) as caught:
        importlib.import_module("flowbutton.partitioners.las_points")
    assert missing_extra(caught.value, "partitioner 'lidar'", wanted_by="lidar").hint.endswith(
        "'flowbutton[geospatial]'"
    )
