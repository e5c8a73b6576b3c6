"""A failure as it is told, and one task of a run repeated alone by the command that the report names."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

READING = """\
from flowbutton.partitioners.fastq_reads import FastqReads
from flowbutton.stages.define import map_stage

@map_stage("reading.check")
def check(reads: FastqReads) -> str:
    text = b"".join(reads.text()).decode()
    if "!" in text:
        raise ValueError("a letter that is none")
    return text
"""
SECRET = "correct-horse-battery"


def failed(place, *arguments: str) -> list[dict]:
    """Run to a failure; return what ``error.json`` holds."""
    place.write("in/bad.txt", "refuse\n")
    assert place.call("run", "texts.yaml", "-q", *arguments).returncode == 1
    return json.loads((place.folder / ".flowbutton/runs/latest/error.json").read_text())


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_error_json_says_what_the_report_says(place):
    [told] = failed(place)
    assert (told["stage"], told["key"], told["class"]) == ("count", {"file": "bad.txt", "ordinal": 2}, "bug")
    bad = str(place.folder / "in/bad.txt")
    assert told["pieces"] == [
        {
            "source": "files",
            "records": 1,
            "bytes": 7,
            "places": [{"file": bad, "bytes": [0, 7], "records": None}],
        }
    ]
    assert told["log"] == "reading a bad text\n"
    assert 'raise ValueError("the text says refuse")' in told["traceback"]
    again = subprocess.run(
        [sys.executable, "-m", *shlex.split(told["repeat"])],
        env=place.env,
        capture_output=True,
        text=True,
        cwd="/",
        check=False,
    )
    assert again.returncode == 1
    assert "ValueError: the text says refuse" in again.stderr


def test_the_command_of_the_report_repeats_the_task_alone(place):
    place.write("in/bad.txt", "refuse\n")
    report = place.call("run", "texts.yaml").stderr
    [command] = re.findall(r"redo:  flowbutton (debug \S+ \d+)\n", report)
    before = files_of(place.folder / ".flowbutton")
    again = place.call(*command.split())
    assert again.returncode == 1
    assert again.stdout.splitlines()[1:] == ["reading a bad text"], "its prints are seen"
    assert re.search(r'File "\S+/texts.py", line \d+, in count\n +raise ValueError', again.stderr)
    assert files_of(place.folder / ".flowbutton") == before, "nothing is written"


def test_a_repaired_stage_succeeds_and_nothing_is_committed(place):
    failed(place)
    text = (place.folder / "texts.py").read_text()
    place.write("texts.py", text.replace('if "refuse" in text:', 'if "refuses" in text:'))
    again = place.call("debug", "latest", "count[file=bad.txt]")
    assert (again.returncode, again.stderr) == (0, "")
    assert "it succeeded" in again.stdout
    assert "result: json, 11 bytes, digest" in again.stdout
    ended = place.call("run", "texts.yaml", "-q")
    assert "done: 4 tasks ran, 3 reused" in ended.stdout, "all of count has new code; debug left no record"


def test_the_debugger_opens_where_the_task_failed(place):
    failed(place)
    asked = subprocess.run(
        place.command("debug", "latest", "count[file=bad.txt]", "--pdb"),
        cwd=place.folder,
        env=place.env,
        input="p text\nq\n",
        text=True,
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert asked.returncode == 1
    assert "(Pdb) 'refuse\\n'" in asked.stdout


@pytest.mark.parametrize(
    ("task", "code", "told"),
    [
        ("1", 4, "is done; a run keeps the calls of the first 100 tasks that failed"),
        ("99", 4, "the run has no task '99'"),
        ("cuont", 4, "its stages: files, count"),
        ("files", 2, "'files' means 3 tasks"),
    ],
)
def test_a_task_that_can_not_be_repeated_is_told_with_those_that_can(place, task, code, told):
    failed(place)
    ended = place.call("debug", "latest", task)
    assert ended.returncode == code
    assert told in ended.stderr


def test_a_gather_is_repeated_with_what_it_gathered(place):
    text = (place.folder / "texts.yaml").read_text()
    place.write("texts.yaml", text.replace("texts:add", "texts:add_few"))
    place.call("run", "texts.yaml", "-q")
    again = place.call("debug", "latest", "total")
    assert again.returncode == 1
    assert "adding 2 parts" in again.stdout
    assert "ValueError: 2 are too many" in again.stderr


def test_a_secret_of_the_environment_is_in_no_file_of_the_run_and_debug_has_it(place):
    text = (place.folder / "texts.yaml").read_text()
    place.write(
        "texts.yaml",
        text.replace("texts:count", "texts:knock").replace(
            "for_each: {file: files}}\n  total", 'for_each: {file: files}, with: {word: "${env:DOOR}"}}\n  total'
        ),
    )
    place.env["DOOR"] = SECRET
    ended = place.call("run", "texts.yaml")
    assert (ended.returncode, SECRET in ended.stdout + ended.stderr) == (1, False)
    assert "${env:DOOR} is not the word" in ended.stderr
    run = Path(os.path.realpath(place.folder / ".flowbutton/runs/latest"))
    kept = files_of(run)
    call, *_ = [name for name in kept if name.startswith("calls/")]
    assert not [name for name, data in kept.items() if SECRET.encode() in data]
    assert b"${env:DOOR}" in kept[call]
    again = place.call("debug", run.name, Path(call).stem)
    assert f"{SECRET} is not the word" in again.stderr, "in one's own terminal it is told"
    del place.env["DOOR"]
    without = place.call("debug", run.name, Path(call).stem)
    assert without.returncode == 2
    assert "the environment variable 'DOOR' is not set" in without.stderr


def test_the_piece_of_a_fastq_source_is_told_by_reads_and_bytes(place):
    reads = "".join(f"@r{number}\nACGT\n+\nIIII\n" for number in range(10)).replace("r7\nACGT", "r7\nBAD!")
    place.write("reads.fastq", reads)
    place.write("reading.py", READING)
    place.write(
        "reads.yaml",
        """\
flowbutton: 1
name: reads
sources:
  reads: {partitioner: fastq, from: reads.fastq, with: {size: 60}}
stages:
  check: {uses: "reading:check", for_each: {reads: reads}}
outputs:
  "{ordinal}.txt": check
""",
    )
    ended = place.call("run", "reads.yaml", "-q", "--workers", "1")
    assert ended.returncode == 1
    [first, last] = map(
        int, re.findall(r"piece: of reads: reads.fastq, records (\d+) to (\d+), bytes", ended.stderr)[0]
    )
    assert first <= 8 <= last < 11
