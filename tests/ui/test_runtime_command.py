"""``flowbutton runtime``: files for the backend of the Lithops configuration, and the command that builds it."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowbutton.ui.cli import call


@pytest.fixture(autouse=True)
def _configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lithops.yaml").write_text("lithops: {backend: k8s}\n")
    monkeypatch.setenv("LITHOPS_CONFIG_FILE", str(tmp_path / "lithops.yaml"))
    monkeypatch.chdir(tmp_path)


def test_files_are_written_for_the_configured_backend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "flowbutton-1-py3-none-any.whl").write_bytes(b"wheel")
    assert call(["runtime", "build", "--extras", "genomics", "--wheel", "flowbutton-1-py3-none-any.whl"]) == 0
    assert capsys.readouterr().out.splitlines()[:4] == [
        "wrote requirements.txt, Dockerfile in runtime",
        "now:",
        "  cd runtime",
        "  lithops runtime build -b k8s -f Dockerfile NAME",
    ]
    assert {file.name for file in (tmp_path / "runtime").iterdir()} == {
        "Dockerfile",
        "requirements.txt",
        "flowbutton-1-py3-none-any.whl",
    }


def test_files_are_shown_for_another_backend(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["runtime", "show", "--backend", "gcp_functions", "--extras", ""]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("# requirements.txt\nflowbutton==")
    assert "Dockerfile" not in shown


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--backend", "localhost"], "no runtime is built for backend 'localhost'"),
        (["--wheel", "none.whl"], "there is no such wheel"),
        (["--folder", "lithops.yaml"], "a file can't be written"),
    ],
)
def test_what_cant_be_built_is_told(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["runtime", "build", *arguments]) == 2
    assert told in capsys.readouterr().err
