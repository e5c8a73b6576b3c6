"""Every exit code, as a shell sees it, and what is printed with it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable

import pytest

from flowbutton.model.errors import MalformedRecord
from flowbutton.ui.cli import call
from flowbutton.ui.errors import guarded
from flowbutton.ui.exits import Exit


@pytest.fixture
def inside(place, monkeypatch) -> Callable[..., int]:
    """The command in this process, for what ends before anything runs: a process each would take a second."""
    monkeypatch.chdir(place.folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    monkeypatch.delitem(sys.modules, "texts", raising=False)
    return lambda *arguments: call(arguments)


def test_a_failed_task_is_1_with_cause_place_stage_and_log(place):
    place.write("in/bad.txt", "refuse\n")
    ended = place.call("run", "texts.yaml")
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[:2] == [
        "error: the stage's code raised ValueError",
        "  why:   the text says refuse",
    ]
    assert re.search(r"code:  \S+texts\.py:\d+, in count\n", ended.stderr)
    assert re.search(r"task:  count\[file=bad.txt,ordinal=2\], number \d\n", ended.stderr)
    assert "piece: of files: in/bad.txt, bytes 0 to 7, 1 record, 7 B\n" in ended.stderr
    assert "    reading a bad text\n" in ended.stderr
    assert "/error.json" in ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout
    assert "count: failed:" in ended.stdout
    assert ended.stdout.splitlines()[-1].startswith("failed: ")
    assert not (place.folder / "results").exists()


def test_quiet_prints_the_failure_all_the_same(place):
    place.write("in/bad.txt", "refuse\n")
    ended = place.call("run", "texts.yaml", "-q")
    assert "the text says refuse" in ended.stderr
    assert len(ended.stdout.splitlines()) == 1


def test_tolerated_failures_are_5_with_their_number(place):
    text = (place.folder / "texts.yaml").read_text()
    place.write("texts.yaml", text.replace("for_each: {file: files}}", "for_each: {file: files}, on_error: continue}"))
    place.write("in/bad.txt", "refuse\n")
    place.write("in/worse.txt", "refuse again\n")
    ended = place.call("run", "texts.yaml")
    assert ended.returncode == 5
    assert "1 other task failed too" in ended.stderr
    assert ended.stdout.splitlines()[-1].startswith("done but for 2 failed tasks: 6 tasks ran")
    assert not (place.folder / "results/total.json").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["rnu", "texts.yaml"], "did you mean 'run'"),
        (["run"], "PIPELINE is missing"),
        (["run", "texts.yaml", "--executor", "threads"], "there is no executor called 'threads'"),
        (["plan", "texts.yaml", "--store", "gopher://x"], "there is no store called 'gopher'"),
        (["run", "texts.yaml", "--workers", "0"], "0 is not a valid number"),
        (["run", "texts.yaml", "--profile", "won"], "did you mean 'one'?"),
        (["run", "texts.yaml", "-p", "fils=x"], "did you mean 'files'?"),
        (["run", "texts.yaml", "-p", "files"], "'files' is not name=value"),
        (["run", "texts.yaml", "-p", "waits=maybe"], "'maybe' is not a bool"),
        (["run", "texts.yaml", "--params-file", "in/a.txt"], "is not a mapping"),
    ],
)
def test_what_is_asked_wrongly_is_2_with_a_hint(inside, capsys, arguments, told):
    assert inside(*arguments) == 2
    said = capsys.readouterr().err
    assert told in said
    assert "Traceback" not in said


def test_all_problems_of_a_pipeline_are_told_at_their_places(place):
    text = (place.folder / "texts.yaml").read_text()
    place.write(
        "texts.yaml",
        text.replace("gather: {parts: count}", "gather: {parts: cuont}").replace("type: bool", "type: bol"),
    )
    for command in ("validate", "run"):
        ended = place.call(command, "texts.yaml")
        assert ended.returncode == 2
        assert "texts.yaml:6:17: params.waits.type: 'bol' is not one of" in ended.stderr
        assert ended.stdout == ""
    place.write("texts.yaml", text.replace("gather: {parts: count}", "gather: {parts: cuont}"))
    ended = place.call("validate", "texts.yaml")
    assert re.search(
        r"^texts\.yaml:11:\d+: stages\.total\.gather\.parts.*cuont.*\n.*cuont.*\n[ |]+\^\n.*did you mean 'count'",
        ended.stderr,
    )
    assert ended.stderr.splitlines()[-1] == "error: the pipeline has 1 problem"


def test_a_valid_pipeline_is_one_line(place):
    ended = place.call("validate", "texts.yaml")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (
        ended.stdout
        == "texts.yaml: ok: texts, 1 source, 2 stages, 1 output; dropped by 'when': wait, waited, waited.json\n"
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "text.yaml"], "did you mean 'texts.yaml'?"),
        (["run", "genomic"], "did you mean 'genomics'?"),
        (["run", "in"], "it is a folder"),
        (["plan", "texts.yaml", "-p", "files=nothing/*.txt"], "nothing/*.txt"),
        (["run", "texts.yaml", "--params-file", "texts.yml"], "did you mean 'texts.yaml'?"),
        (["status"], "there are no runs"),
    ],
)
def test_what_is_missing_is_4_with_a_hint(inside, capsys, arguments, told):
    assert inside(*arguments) == 4
    said = capsys.readouterr().err
    assert told in said
    assert "Traceback" not in said


def test_an_unknown_run_is_4_and_the_nearest_is_named(place):
    place.call("run", "texts.yaml", "-q")
    [run] = [folder.name for folder in (place.folder / ".flowbutton/runs").glob("*-*-*")]
    ended = place.call("status", run[:-1])
    assert ended.returncode == 4
    assert f"did you mean '{run}'?" in ended.stderr


def test_an_error_as_data_is_told_in_its_words(capsys):
    def refuse() -> int:
        raise MalformedRecord(
            "a read has 151 bases but 97 qualities",
            why="the file ends inside this record",
            hint="fetch it again",
            file="lane2_R1.fastq.gz",
            record=48_112,
            byte=9_437_184,
        )

    assert guarded(refuse) == Exit.FAILED
    assert capsys.readouterr().err.splitlines() == [
        "error: a read has 151 bases but 97 qualities",
        "  why:   the file ends inside this record",
        "  where: lane2_R1.fastq.gz, record 48,112, byte 9,437,184",
        "  hint:  fetch it again",
    ]


def test_a_fault_of_ours_is_70_and_the_traceback_goes_to_a_file(capsys):
    def fault() -> int:
        raise ZeroDivisionError("a fault that nobody foresaw")

    assert guarded(fault) == 70
    told = capsys.readouterr().err
    assert "a fault of flowbutton itself: ZeroDivisionError: a fault that nobody foresaw" in told
    assert "Traceback" not in told
    kept = re.search(r"report it with the file (\S+)", told)
    assert kept is not None
    with open(kept[1], encoding="utf-8") as file:  # noqa: PTH123
        assert "in fault\n" in file.read()


def test_a_refusal_of_the_system_is_told_without_blame(place):
    ended = place.call("run", "texts.yaml", "--results", "long" * 99)  # no file system takes such a name
    assert ended.returncode == 1
    assert "error: the system refused: longlong" in ended.stderr
    assert "fault of flowbutton" not in ended.stderr


def test_help_is_0_and_names_every_command(capsys):
    assert call(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in ("run", "plan", "validate", "status"))
