"""What is installed, listed and described; a plug-in that does not import takes nothing else with it."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from installed import install

from flowbutton.ui.cli import call
from flowbutton.ui.exits import Exit

PLUGIN = '''
from flowbutton.model.stage import reduces
from flowbutton.partitioners.whole import WholeFile
from flowbutton.stages.define import map_stage


@map_stage("words.count", ledger=reduces("file"))
def count(file: WholeFile, least: int | None = None, *, separator: str, fold: bool = False) -> int:
    """Count words.

    Args:
        file: A text.
        separator: What stands between words.
    """
    return len(file.read().decode().split(separator))
'''


@pytest.fixture
def plugins(tmp_path):
    folder = tmp_path / "site"
    install(folder, "words-of", {"stages words": "words_plugin"}, {"words_plugin.py": PLUGIN})
    install(folder, "broken-one", {"stages broken": "broken_plugin"}, {"broken_plugin.py": "1 / 0\n"})
    install(
        folder, "lacks-one", {"partitioners lacks": "lacks_plugin:X"}, {"lacks_plugin.py": "import no_such_thing\n"}
    )
    return {"PYTHONPATH": str(folder)}


def told(capsys, *arguments):
    assert call(arguments) == Exit.DONE
    return capsys.readouterr().out


def test_every_stage_has_a_line_of_help(capsys):
    lines = told(capsys, "stages").splitlines()
    assert lines[0].startswith("flowbutton ")
    assert {line[:2] for line in lines[1:]} == {"  "}
    starts = {line.index(line[2:].split(maxsplit=1)[1]) for line in lines[1:]}
    assert len(starts) == 1, "the help is aligned"
    assert any(line.startswith("  genomics.align ") for line in lines)


def test_every_partitioner_has_a_line_of_help(capsys):
    lines = told(capsys, "partitioners").splitlines()
    names = [line.split()[0] for line in lines[1:]]
    assert names == sorted(names)
    assert {"bam", "fasta", "fastq", "regions", "whole"} <= {*names}


def test_a_stage_is_described(capsys):
    text = told(capsys, "stages", "genomics.call")
    rows = {line.split()[0]: " ".join(line.split()) for line in text.splitlines() if line.startswith("  ")}
    assert rows["alignments"].startswith("alignments Parts gathered The parts that meet the region's window")
    assert rows["fai"] == "fai Path pieces of whole Its index by position (faidx)."
    assert rows["ploidy"].startswith("ploidy int | None = null 1 or 2, for all samples")
    assert rows["flowbutton"].endswith(", module flowbutton.stages.genomics.call")
    assert "  memory 512.0 MiB + 12 × bytes in (0.1 × shared ones); no time limit" in text


def test_a_stage_is_shown_as_a_pipeline_has_it(capsys):
    text = told(capsys, "stages", "genomics.call")
    found = re.search(r"^in a pipeline\n((?:  .*\n)+)", text, re.MULTILINE)
    assert found is not None
    assert yaml.safe_load(found[1]) == {
        "call": {
            "uses": "genomics.call",
            "gather": {"alignments": "..."},
            "share": {"region": "...", "fasta": "...", "fai": "...", "samples": "..."},
        }
    }


def test_a_stage_says_which_partitioners_open_its_readers(capsys):
    facts = json.loads(told(capsys, "stages", "genomics.read_quality", "--json"))
    assert [put["partitioners"] for put in facts["inputs"]] == [["fastq"]]
    assert facts["ledger"]["of"] == "reads"


def test_a_partitioner_is_described(capsys):
    text = told(capsys, "partitioners", "bam")
    rows = {line.split()[0]: " ".join(line.split()) for line in text.splitlines() if line.startswith("  ")}
    assert rows["by"].startswith("by 'records' | 'region' = \"records\" records, or region,")
    assert rows["counts"] == "counts alignments"
    facts = json.loads(told(capsys, "partitioners", "bam", "--json"))
    assert facts["reader"]["type"] == "flowbutton.partitioners.bam.BamReads"
    assert [option["name"] for option in facts["options"]] == ["size", "by", "region_size"]


@pytest.mark.parametrize(
    ("command", "name", "meant"), [("stages", "genomics.alin", "genomics.align"), ("partitioners", "fastqs", "fastq")]
)
def test_an_unknown_name_is_a_mistake_with_a_hint(capsys, command, name, meant):
    assert call([command, name]) == Exit.USAGE
    assert f"did you mean '{meant}'?" in capsys.readouterr().err


def test_a_function_of_a_module_here_is_described(place):
    ended = place.call("stages", "texts:wait")
    assert ended.returncode == 0, ended.stderr
    assert "  gate  str  must be given" in ended.stdout
    assert "  not installed: found by its module, module texts" in ended.stdout


def test_plug_ins_are_listed_and_described(place, plugins):
    listed = json.loads(place.call("stages", "--json", env=plugins).stdout)
    words = [entry for entry in listed["installed"] if entry["name"] == "words.count"]
    assert words == [
        {"name": "words.count", "summary": "Count words.", "from": {"distribution": "words-of", "version": "0.5"}}
    ]
    text = place.call("stages", "words.count", env=plugins).stdout
    assert "  least  int | None  for_each or share, optional" in text
    assert "  count:\n    uses: words.count\n    for_each: {file: ...}\n    with: {separator: ...}\n" in text
    assert "  separator  str   must be given  What stands between words.\n  fold       bool  = false" in text


def test_a_broken_plug_in_is_told_and_breaks_nothing(place, plugins):
    ended = place.call("stages", env=plugins)
    assert ended.returncode == 0
    assert "'broken' of broken-one 0.5 can't be used: the stage 'broken' can't be imported" in ended.stdout
    assert "ZeroDivisionError: division by zero" in ended.stdout
    assert "  genomics.align" in ended.stdout
    asked = place.call("stages", "broken.one", env=plugins)
    assert (asked.returncode, "ZeroDivisionError" in asked.stderr) == (Exit.USAGE, True)


def test_a_missing_library_of_a_plug_in_is_told_with_its_cure(place, plugins):
    ended = place.call("partitioners", env=plugins)
    assert ended.returncode == 0
    assert "pip install no_such_thing" in ended.stdout
    broken = json.loads(place.call("partitioners", "--json", env=plugins).stdout)["broken"]
    assert [entry["name"] for entry in broken] == ["lacks"]


def test_a_name_that_two_packages_take_is_told(place, plugins, tmp_path):
    install(tmp_path / "site", "other-words", {"stages words": "other_plugin"}, {"other_plugin.py": PLUGIN})
    ended = place.call("stages", env=plugins)
    assert ended.returncode == 0
    told = ended.stdout[ended.stdout.index("'words' of ") :]
    assert "words-of" in told
    assert "other-words" in told
    assert "  genomics.align" in ended.stdout
