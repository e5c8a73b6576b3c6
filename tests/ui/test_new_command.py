"""``flowbutton new`` writes packages that work at once, and overwrites nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from installed import pip_install

from flowbutton.ui.cli import call
from flowbutton.ui.exits import Exit
from flowbutton.ui.new_command import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_has_the_name(capsys, monkeypatch, tmp_path, kind):
    monkeypatch.chdir(tmp_path)
    assert call(["new", kind, "sea_ice"]) == Exit.DONE
    told = capsys.readouterr().out
    files = [path for path in Path("sea_ice").rglob("*") if path.is_file()]
    assert {Path("sea_ice/sea_ice.yaml"), Path("sea_ice/sea_ice/__init__.py"), Path("sea_ice/pyproject.toml")} <= {
        *files
    }
    for path in files:
        assert f"  {path.relative_to('sea_ice')}\n" in told
        text = path.read_text()
        assert not any(word in text + str(path) for word in ("newname", "NewName", "new-name")), path
        if path.suffix == ".py":
            compile(text, str(path), "exec")


def test_a_partitioner_is_named_as_classes_and_packages_are(tmp_path):
    assert call(["new", "partitioner", "sea_ice", "--folder", str(tmp_path / "here")]) == Exit.DONE
    project = (tmp_path / "here/pyproject.toml").read_text()
    assert 'name = "flowbutton-sea-ice"' in project
    assert 'sea_ice = "sea_ice.partitioner:SeaIce"' in project


@pytest.mark.parametrize("there", ["a file", "a folder with something"])
def test_nothing_is_overwritten(capsys, tmp_path, there):
    target = tmp_path / "target"
    kept = target if there == "a file" else target / "sea_ice.yaml"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("mine")
    assert call(["new", "stage", "sea_ice", "--folder", str(target)]) == Exit.USAGE
    assert "nothing is overwritten" in capsys.readouterr().err
    assert kept.read_text() == "mine"
    assert [*kept.parent.iterdir()] == [kept]


def test_an_empty_folder_is_taken(tmp_path):
    assert call(["new", "stage", "sea_ice", "--folder", str(tmp_path)]) == Exit.DONE
    assert (tmp_path / "sea_ice.yaml").is_file()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Sea-Ice", "a letter first: sea_ice"),
        ("1st", "a letter first: st"),
        ("...", "a letter first\n"),
        ("class", "is taken"),
        ("json", "is taken"),
        ("numpy", "an installed package"),
        ("genomics", "stages or a partitioner are called so"),
        ("fastq", "stages or a partitioner are called so"),
    ],
)
def test_names_that_can_not_be_are_refused(capsys, monkeypatch, tmp_path, name, told):
    monkeypatch.chdir(tmp_path)
    assert call(["new", "stage", name]) == Exit.USAGE
    assert told in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def test_a_folder_that_can_not_be_written_is_told(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert call(["new", "stage", "sea_ice", "--folder", str(tmp_path / "file" / "below")]) == Exit.USAGE
    assert "a file can't be written" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_passes_its_tests_and_runs(tmp_path, kind):
    package = tmp_path / "package"
    assert call(["new", kind, "sea_ice", "--folder", str(package)]) == Exit.DONE
    env = {**os.environ, "PYTHONPATH": str(pip_install(package, tmp_path / "site"))}
    # Only what is installed may be found, not the folder beside the tests.
    (package / "sea_ice").rename(tmp_path / "hidden")
    for command in (["pytest", "-q", "-p", "no:cacheprovider"], ["flowbutton", "run", "sea_ice.yaml", "-q"]):
        called = [sys.executable, "-m", *command]
        ended = subprocess.run(called, cwd=package, env=env, text=True, capture_output=True, timeout=1200, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    assert (package / "results/total.json").is_file()
