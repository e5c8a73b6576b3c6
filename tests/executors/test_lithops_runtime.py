"""Runtimes of Lithops: the libraries of this flowbutton in these versions, before what Lithops puts in."""

from __future__ import annotations

import platform
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement

from flowbutton.executors.lithops_runtime import BACKENDS, EXTRAS, build_command, runtime_files, versions_here
from flowbutton.model.errors import OptionError

PYTHON = ".".join(platform.python_version_tuple()[:2])


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_runtime_has_this_python_and_these_libraries(backend: str) -> None:
    files = runtime_files(backend, EXTRAS)
    required = {found.name: str(found.specifier) for found in map(Requirement, files["requirements.txt"].splitlines())}
    assert required.items() >= {"flowbutton": f"=={version('flowbutton')}", "pysam": f"=={version('pysam')}"}.items()
    assert required.keys() == versions_here().keys()
    *_, last = files
    assert build_command(backend, files) == f"lithops runtime build -b {backend} -f {last} NAME"
    if last != "requirements.txt":
        lines = files[last].splitlines()
        assert any(line.lower().startswith("from") and f"python:{PYTHON}-" in line for line in lines)
        ours = next(number for number, line in enumerate(lines) if "-r /requirements.txt" in line)
        theirs = next(number for number, line in enumerate(lines) if "lithops_" in line and ".zip" in line)
        assert ours < theirs


def test_a_runtime_has_only_what_was_asked_for() -> None:
    required = runtime_files("k8s", ["genomics"])["requirements.txt"].splitlines()
    assert required[0] == f"flowbutton[genomics]=={version('flowbutton')}"
    assert any(line.startswith("pysam==") for line in required)
    assert not any(line.startswith(("rasterio", "boto3", "IsoSpecPy", "pytest")) for line in required)


def test_a_wheel_goes_into_the_image() -> None:
    files = runtime_files("aws_lambda", ["s3"], wheel="flowbutton-1-py3-none-any.whl")
    assert files["requirements.txt"].splitlines()[0] == "flowbutton[s3] @ file:///flowbutton-1-py3-none-any.whl"
    assert "COPY requirements.txt flowbutton-1-py3-none-any.whl /\n" in files["Dockerfile"]


@pytest.mark.parametrize(
    ("backend", "extras", "wheel", "told"),
    [
        ("localhost", (), None, "it runs the Python that is here"),
        ("aws_lamda", (), None, "did you mean 'aws_lambda'?"),
        ("k8s", ("genomic",), None, "did you mean 'genomics'?"),
        ("gcp_functions", (), "x.whl", "it is made of requirements alone"),
    ],
)
def test_what_makes_no_runtime_is_told(backend: str, extras: tuple[str, ...], wheel: str | None, told: str) -> None:
    with pytest.raises(OptionError) as caught:
        runtime_files(backend, extras, wheel)
    assert told in str(caught.value)
