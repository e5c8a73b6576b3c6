"""``command:`` stages in a pipeline file: each mistake at its place, before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from flowbutton.dag.graph import Graph
from flowbutton.dag.pipeline import prepare, read_pipeline
from flowbutton.dag.wires import FindPartitioner
from flowbutton.model.command import Command
from flowbutton.model.errors import SpecError
from flowbutton.model.partitioner import Reader
from flowbutton.model.registry import partitioner_named
from flowbutton.partitioners.whole import Whole
from flowbutton.stages.define import find_stage

SMALL = """\
flowbutton: 1
name: small
params: {least: {type: int, default: 2}}
sources:
  files: {partitioner: whole, from: "in/*"}
stages:
  sorted:
    command: [sort, -o, "{out.all}", "--buffer-size={with.size}", "{file}"]
    for_each: {file: files}
    with: {size: "${params.least}"}
    outputs: {all: all.txt, some: some.txt}
  joined: {command: [cat, "{parts}"], gather: {parts: sorted.all}, stdout: joined.txt}
outputs: {joined.txt: joined}
"""


def graph(text: str, find_partitioner: FindPartitioner = partitioner_named) -> Graph:
    """Return the graph of a pipeline."""
    pipeline = read_pipeline(Path("small.yaml"), text)
    return prepare(pipeline, find_stage=find_stage, find_partitioner=find_partitioner, env={}, cwd=Path("/somewhere"))


def test_a_command_is_a_stage_with_typed_arguments():
    made = graph(SMALL)
    stages = made.stages
    assert stages["sorted"].options == {"size": 2}
    assert set(stages["sorted"].definition.outputs) == {"all", "some"}
    assert stages["joined"].definition.inputs["parts"].gathers
    assert Command.at(stages["joined"].definition.uses).stdout == "joined.txt"


MISTAKES = {
    "typo in an argument": ('"{file}"]', '"{flie}", "{file}"]', [
        "8:67 stages.sorted.command[4]: '{flie}' names no argument of the stage; did you mean 'file'?; "
        "write {{ and }} for braces of the program's own",
    ]),
    "typo in an output": ("{out.all}", "{out.al}", [
        "8:25 stages.sorted.command[2]: '{out.al}' names no output of the stage; did you mean 'all'?",
    ]),
    "an output without its name": ("{out.all}", "{out}", [
        "8:25 stages.sorted.command[2]: '{out}' names no output of the stage; there are: all, some",
    ]),
    "typo in an option": ("{with.size}", "{with.sise}", [
        "8:38 stages.sorted.command[3]: '{with.sise}' names no option of the stage; did you mean 'size'?",
        "10:12 stages.sorted.with.size: the command does not name '{with.size}'; name it, or remove it",
    ]),
    "a param in a command": ("{with.size}", "${params.least}", [
        "8:38 stages.sorted.command[3]: params can't stand in a command; name it under 'with', and write {with.NAME} "
        "here",
        "10:12 stages.sorted.with.size: the command does not name '{with.size}'; name it, or remove it",
    ]),
    "braces of awk": ("[cat, ", '[awk, "{print $1}", ', [
        "12:27 stages.joined.command[1]: '{print $1}' is no placeholder; {name} names an argument; "
        "write {{ and }} for braces of the program's own",
    ]),
    "many files in one element": ('"{parts}"', '"--all={parts}"', [
        "12:27 stages.joined.command[1]: '{parts}' is many files; let {parts} stand alone, or write {parts.list} "
        "for a file that lists them",
    ]),
    "an input that is forgotten": ('[cat, "{parts}"]', "[cat]", [
        "12:37 stages.joined.gather.parts: the command does not name '{parts}'; name it, or remove it",
    ]),
    "items that are forgotten": (', "{file}"]', "]", [
        "9:16 stages.sorted.for_each.file: the command does not name '{file}', so all of its tasks would do the same; "
        "name it in the command",
    ]),
    "no output": (", stdout: joined.txt", "", [
        "12:12 stages.joined.command: the command has no output; add 'outputs: {name: file}', or 'stdout: file' to "
        "keep what it prints",
    ]),
    "an output elsewhere": ("some: some.txt", "some: ../some.txt", [
        "11:14 stages.sorted.outputs: '../some.txt' is no file of the working folder; write a file's name; the program "
        "runs in a folder of its own",
    ]),
    "two outputs in one file": ("some: some.txt", "some: all.txt", [
        "11:14 stages.sorted.outputs: two outputs are one file; give each its own",
    ]),
    "a program that is not there": ("[cat,", "[catt,", [
        "12:21 stages.joined.command: there is no program 'catt': no folder in PATH has it; did you mean 'cat'?",
    ]),
    "a program from an option": ("[sort, -o", '["{with.size}", -o', [
        "8:15 stages.sorted.command[0]: the program can't be a placeholder; name the program; a script of yours is an "
        "argument of it: [python3, '{script}', ...]",
    ]),
    "standard input of many files": ('stdout: joined.txt}', 'stdout: joined.txt, stdin: "{parts}"}', [
        "12:95 stages.joined.stdin: '{parts}' is not one file; write {argument} of one file",
    ]),
    "an argument called out": ("for_each: {file: files}", "for_each: {file: files}\n    share: {out: files}", [
        "10:13 stages.sorted.share.out: the command does not name '{out}'; name it, or remove it",
        "7:3 stages.sorted: 'out' can be no argument of a command; a letter first, then letters, digits, _ and -; "
        "not 'out' or 'with'",
    ]),
    "an output of a function": ("joined: {command: [cat, \"{parts}\"],", "joined: {uses: genomics.merge_quality,", [
        "12:11 stages.joined: 'stdout' belongs to a stage of a 'command'; remove it: the code of "
        "'genomics.merge_quality' says it",
    ]),
    "a stage with several outputs": ("parts: sorted.all", "parts: sorted", [
        "12:55 stages.joined.gather.parts: 'sorted' gives all (Path) and some (Path), but 'parts' takes "
        "Sequence[Path]; choose one output: sorted.all, sorted.some",
    ]),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_at_its_place(name: str) -> None:
    old, new, wanted = MISTAKES[name]
    assert SMALL.count(old) >= 1
    with pytest.raises(SpecError) as caught:
        graph(SMALL.replace(old, new, 1))
    told = []
    for problem in caught.value.problems:
        text = f"{problem.where['line']}:{problem.where['column']} {problem.where['at']}: {problem.what}"
        text += f": {problem.why}" if problem.why else ""
        told.append(f"{text}; {problem.hint}" if problem.hint else text)
    assert sorted(told) == sorted(wanted)


class Mute(Reader):
    """A reader that writes no files."""

    key: ClassVar[dict[str, str | int]] = {}
    consumed = 0


class MuteFiles(Whole):
    """Files that only Python can read."""

    reader = Mute


def test_a_reader_that_writes_no_files_is_told() -> None:
    with pytest.raises(SpecError) as caught:
        graph(SMALL, lambda _name: MuteFiles())
    [problem] = caught.value.problems
    assert problem.what == "a piece of 'files' can't be handed to a program as files"
    assert "Mute, the reader of partitioner 'whole'" in problem.why
