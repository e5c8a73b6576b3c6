"""Programs as stages, run for real: what they get, what is kept, what is told when they fail."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest
from bench import Bench

from flowbutton.engine.run import Status
from flowbutton.model.errors import CommandFailed, Failure, FlowbuttonError, SpecError

HEAD = """
flowbutton: 1
name: programs
params:
  files: {type: uri, default: "in/*.txt"}
sources:
  files: {partitioner: whole, from: "${params.files}"}
"""
WORDS = (
    HEAD.replace("sources:", "  word: {type: string, default: hello}\nsources:")
    + """
stages:
  sorted:
    command: [python3, -c, "import sys; print(*sorted(open(sys.argv[1]).read().split()), sep='\\\\n')", "{file}"]
    for_each: {file: files}
    stdout: sorted.txt
  count:
    command: [python3, -c, "import sys; print(sys.stdin.read().split().count(sys.argv[1]))", "{with.word}"]
    stdin: "{words}"
    for_each: {words: sorted}
    with: {word: "${params.word}"}
    stdout: count.txt
  all: {command: [sort, -m, -o, "{out.words}", "{parts}"], gather: {parts: sorted}, outputs: {words: all.txt}}
outputs:
  all.txt: all.words
  "counts/{file}": count
"""
)


def one(command: str, rest: str = "stdout: out.txt") -> str:
    """Return a pipeline of one stage that runs a Python program on each file."""
    text = json.dumps(["python3", "-c", command, "{file}"])
    return f"{HEAD}\nstages:\n  go:\n    command: {text}\n    for_each: {{file: files}}\n    {rest}\n" + (
        'outputs: {"{file}": go}\n' if "outputs" not in rest else 'outputs: {"{file}": go.a}\n'
    )


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_programs_run_on_pieces_and_results(bench: Bench, executor: str) -> None:
    report = bench.run(WORDS, settings={"executor": executor, "workers": 2})
    assert report.status is Status.DONE
    assert bench.result("all.txt").split() == sorted([*(f"abc{n}" for n in range(1, 6)), *["hello", "world"] * 5])
    assert bench.result("counts/f1.txt") == "1\n"
    [line] = [line for line in report.ledger if line.stage == "sorted"]
    assert (line.emitted, line.consumed, line.unit) == (5, 5, "files")
    assert bench.run(WORDS, settings={"executor": executor}).ran == 0
    assert bench.run(WORDS, word="world").ran == 5


def test_a_program_sees_a_folder_of_its_own_and_little_of_the_environment(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWBUTTON_PLANTED", "secret")
    # The Python itself: a launcher on the PATH may add variables of its own.
    monkeypatch.setenv("PATH", f"{Path(sys.base_prefix)}/bin", prepend=os.pathsep)
    program = "import os, json; print(json.dumps([os.listdir(), sorted(os.environ), os.environ['TZ']]))"
    bench.run(one(program), settings={"executor": "processes"})
    files, names, zone = json.loads(bench.result("f1.txt"))
    assert files == ["out.txt", "in"] or files == ["in", "out.txt"]
    assert set(names) - {"LC_CTYPE"} <= {"HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ"}
    assert zone == "UTC"


def test_equal_inputs_give_equal_bytes_even_if_a_program_prints_its_command_line(bench: Bench) -> None:
    bench.run(one("import sys, os; print(sys.argv[1:], os.path.islink(sys.argv[1]))"))
    assert bench.result("f2.txt") == "['in/file/f2.txt'] True\n"


def test_what_a_program_prints_is_in_the_log(bench: Bench) -> None:
    program = "import sys; print('to stderr', file=sys.stderr); print('to stdout'); open('a.txt', 'w').write('x')"
    bench.run(one(program, "outputs: {a: a.txt}"), settings={"executor": "processes"})
    text = b"".join(
        place.read_bytes() for place in (bench.folder / ".flowbutton/records").rglob("*") if place.is_file()
    )
    assert b"to stderr" in text
    assert b"to stdout" in text
    assert b"$ python3 -c" in text


def test_the_log_does_not_tell_options(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "hunter2")
    text = go('[echo, "--token={with.token}", "{file}"]', "{file: files}").replace(
        "stdout: o", 'stdout: o, with: {token: "${env:TOKEN}"}'
    )
    bench.run(text, settings={"executor": "processes"})
    assert bench.result("f1.txt") == "--token=hunter2 in/file/f1.txt\n"
    kept = [place for place in (bench.folder / ".flowbutton").rglob("*") if place.is_file()]
    assert any(b"--token={with.token}" in place.read_bytes() for place in kept)
    logs = [
        place for place in kept if b"$ echo" in place.read_bytes() and b"$ echo --token=hunter2" in place.read_bytes()
    ]
    assert not logs


def go(command: str, items: str) -> str:
    """Return a pipeline of one stage."""
    stage = f"go: {{command: {command}, for_each: {items}, stdout: o}}"
    return HEAD + f'stages:\n  {stage}\noutputs: {{"{{file}}": go}}\n'


def failed(bench: Bench, text: str, executor: str = "processes", **params: str) -> FlowbuttonError:
    """Return the first error of a run that fails."""
    report = bench.run(text, settings={"executor": executor, "workers": 1}, **params)
    assert report.status is Status.FAILED
    return report.failures[0].error


def test_a_program_that_fails_tells_its_last_words(bench: Bench) -> None:
    error = failed(bench, one("import sys; print('the cause', file=sys.stderr); sys.exit(3)"))
    assert isinstance(error, CommandFailed)
    assert error.failure is Failure.BUG
    assert error.what == "the program 'python3' left with exit code 3"
    assert error.why == "the cause"
    assert error.where["exit_code"] == 3
    assert str(error.where["command"]).startswith("python3 -c")


@pytest.mark.parametrize(
    ("program", "what", "failure"),
    [
        ("import os; os.kill(os.getpid(), 11)", "the program 'python3' was ended by signal 11", Failure.BUG),
        ("import os; os.kill(os.getpid(), 9)", "the program 'python3' was killed", Failure.RESOURCE),
    ],
)
def test_how_a_program_ended_is_told(bench: Bench, program: str, what: str, failure: Failure) -> None:
    text = one(program, "stdout: out.txt\n    retries: 0")
    error = failed(bench, text)
    assert (error.what, error.failure) == (what, failure)


def test_an_output_that_is_not_written_is_told(bench: Bench) -> None:
    error = failed(bench, one("open('b.txt', 'w').close()", "outputs: {a: a.txt}"))
    assert error.what == "the program 'python3' did not write a.txt"
    assert "wrote: b.txt" in error.why


def test_a_program_that_writes_into_its_input_is_told(bench: Bench) -> None:
    error = failed(bench, one("import sys; open(sys.argv[1], 'a').write('more')"))
    assert error.what.startswith("the program 'python3' wrote into its input in/file/f")
    assert "let the program write to an output" in error.hint


def test_time_and_memory_of_programs_are_measured(bench: Bench) -> None:
    program = "held = bytearray(200_000_000); sum(range(2_000_000)); print(len(held))"
    bench.run(one(program), settings={"executor": "processes", "workers": 1})
    rows = [line.split("\t") for line in (bench.folder / ".flowbutton/runs/latest/trace.tsv").read_text().splitlines()]
    columns = {name: number for number, name in enumerate(rows[0])}
    tasks = [row for row in rows[1:] if row[columns["stage"]] == "go"]
    assert max(int(row[columns["peak_rss_bytes"]]) for row in tasks) > 200_000_000
    assert min(float(row[columns["cpu_s"]]) for row in tasks) > 0.02


def test_very_long_output_keeps_its_begin_and_its_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowbutton.stages.command.LOG_BYTES", 4096)
    error = failed(bench, one("raise SystemExit('begin' + 'x' * 100_000 + '\\nwhy')"), executor="serial")
    assert error.why.endswith("why")
    [text] = [log.read_text() for log in (bench.folder / ".flowbutton/runs/latest/logs").iterdir()]
    assert "begin" in text
    assert "bytes left out" in text
    assert text.count("x") < 5000


def test_a_time_limit_ends_the_program_and_what_it_started(bench: Bench) -> None:
    mark = bench.folder / "pids"
    # A shell, which has told both long before its time is over.
    program = json.dumps(["sh", "-c", f"sleep 600 & echo $$ $! > {mark}; wait", "{file}"])
    stage = f"{{command: {program}, for_each: {{file: files}}, stdout: o, retries: 0, resources: {{timeout: 2s}}}}"
    text = HEAD + f'stages:\n  go: {stage}\noutputs: {{"{{file}}": go}}\n'
    bench.file("f1.txt", "x")
    for number in range(2, 6):
        (bench.folder / f"in/f{number}.txt").unlink()
    error = failed(bench, text)
    assert error.failure is Failure.RESOURCE
    for pid in mark.read_text().split():
        assert not alive(int(pid))


def alive(pid: int) -> bool:
    """Return whether a process runs; a dead one that nobody has reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_program_that_is_replaced_runs_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = bench.folder / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    text = go('[shout, "{file}"]', "{file: files}")
    for said in ("one", "another"):
        script = folder / "shout"
        script.write_text(f"#!/bin/sh\necho {said}\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        assert bench.run(text).ran >= 5
        assert bench.result("f1.txt") == f"{said}\n"
        assert bench.run(text).ran == 0


def test_sample_names_that_look_like_options_are_refused(bench: Bench) -> None:
    bench.file("-rf", "x")
    text = go('[echo, "{name}"]', "{name: files.file}")
    error = failed(bench, text, files=str(bench.folder / "in/*"))
    assert error.what == "the value '-rf' of '{name}' begins with '-'"


def test_a_missing_program_is_told_before_anything_runs(bench: Bench) -> None:
    text = go('[pythno3, "{file}"]', "{file: files}")
    with pytest.raises(SpecError) as caught:
        bench.run(text)
    [problem] = caught.value.problems
    assert problem.what == "there is no program 'pythno3'"
    assert problem.hint == "did you mean 'python3'?"
