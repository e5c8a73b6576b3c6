"""Each page of the documents works as it stands: its files are written, its commands run, and the site builds.

A block with a title is a file of that name; `sh` is run, in the order of the page; `text` is only shown.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from documents import PAGES, ROOT, Block, blocks

from flowbutton.model.errors import FlowbuttonError
from flowbutton.samples.genomics import write_genomics
from flowbutton.ui.catalog import installed_partitioners, installed_stages
from flowbutton.ui.cli import commands

pytestmark = pytest.mark.slow

CI_RUNS_IT = "python3 -m venv .venv"
"""The first line of the README's two commands."""


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A folder as the pages suppose it: a sheet, its reads, a reference, the known variants."""
    folder = tmp_path_factory.mktemp("data")
    write_genomics(folder, sizes=[("chr1", 60_000)])
    for made, named in (("reads.tsv", "samples.tsv"), ("reference.fa", "ref.fa"), ("truth.vcf.gz", "known.vcf.gz")):
        (folder / made).rename(folder / named)
    return folder


def pages_to_run() -> list[Path]:
    return [page for page in PAGES if any(is_run(block) for block in blocks() if block.page == page)]


def is_run(block: Block) -> bool:
    return block.language == "sh" and not block.text.startswith(CI_RUNS_IT)


def title(block: Block) -> str | None:
    found = re.search(r'title="([^"]+)"', block.about)
    return found and found[1]


@pytest.mark.parametrize("page", pages_to_run(), ids=lambda page: page.stem)
def test_a_page_works_from_its_first_line_to_its_last(page, data, tmp_path):
    shutil.copytree(data, tmp_path, dirs_exist_ok=True)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for block in blocks():
        if block.page != page:
            continue
        if name := title(block):
            place = tmp_path / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(block.text)
        elif is_run(block):
            ended = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.text],
                cwd=tmp_path,
                env={**os.environ, "PATH": path},
                capture_output=True,
                text=True,
            )
            assert ended.returncode == 0, f"{block}\n{ended.stdout}{ended.stderr}"


def test_the_site_builds_without_a_warning_and_tells_of_all_there_is(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    site = tmp_path / "site/reference"
    for page, names in {
        "commands": commands.commands,
        "stages": [entry.name for entry in installed_stages().entries],
        "partitioners": [entry.name for entry in installed_partitioners().entries],
        "exceptions": [kind.__name__ for kind in all_errors(FlowbuttonError)],
    }.items():
        text = (site / f"{page}.html").read_text(encoding="utf-8")
        assert [name for name in names if name not in text] == []


def all_errors(kind: type[FlowbuttonError]) -> list[type[FlowbuttonError]]:
    below = [found for child in kind.__subclasses__() for found in all_errors(child)]
    return [*(child for child in kind.__subclasses__() if child.__module__ == kind.__module__), *below]
