"""What the documents say is what the program does: their examples run, and their tables are complete."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from flowbutton.dag.spec import Param, SourceSpec, StageSpec
from flowbutton.ui.cli import commands
from flowbutton.ui.exits import Exit

ROOT = Path(__file__).resolve().parents[2]


def block(document: str, language: str) -> str:
    """Return the first code block of a language."""
    found = re.search(rf"^```{language}\n(.*?)^```$", (ROOT / document).read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_the_examples_of_pipeline_and_stage_run_together(place):
    place.write("words.yaml", block("docs/language.md", "yaml"))
    place.write("words.py", block("docs/writing-a-stage.md", "python"))
    shutil.move(place.folder / "in", place.folder / "texts")
    ended = place.call("run", "words.yaml", "-q")
    assert ended.returncode == 0, ended.stderr
    assert json.loads((place.folder / "results/total.json").read_text()) == {"words": 4}


def test_every_exit_code_is_in_the_table():
    told = re.findall(r"^\| (\d+) \|", (ROOT / "docs/cli.md").read_text(), re.MULTILINE)
    assert [int(code) for code in told] == sorted(Exit)


def test_every_command_and_option_is_told():
    text = (ROOT / "docs/cli.md").read_text()
    for name, command in commands.commands.items():
        assert f"| `{name}" in text
        for option in (option for option in command.params if option.param_type_name == "option"):
            assert any(spelling in text for spelling in option.opts), f"{name} {option.opts}"


@pytest.mark.parametrize("model", [Param, SourceSpec, StageSpec])
def test_every_field_of_the_language_is_told(model):
    text = (ROOT / "docs/language.md").read_text()
    for name, field in model.model_fields.items():
        assert f"`{field.alias or name}`" in text or f"`{field.alias or name}:`" in text


def test_ci_finds_both_commands_of_the_readme():
    script = (ROOT / ".ci/run").read_text()
    function = re.search(r"^command_of\(\) \{.*?^\}$", script, re.MULTILINE | re.DOTALL)
    assert function is not None

    def command(name: str) -> str:
        called = ["bash", "-euc", f"{function[0]}\ncommand_of {name}"]
        return subprocess.run(called, cwd=ROOT, check=True, capture_output=True, text=True).stdout

    assert command("run").splitlines()[-1] == ".venv/bin/flowbutton run pipelines/genomics.yaml"
    assert command("test").splitlines()[-1] == '.venv/bin/pytest -n 2 -m "not slow"'
    assert command("none") == ""


def test_links_between_documents_lead_somewhere():
    for document in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
