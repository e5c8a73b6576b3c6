"""``flowbutton clean``: what it removes, and what it never does."""

from __future__ import annotations

import gzip
import json
import os
import re
import time
from pathlib import Path

from flowbutton.stores.leases import CLEANING, hold
from flowbutton.stores.local import LocalStore

PLAIN_GZIP = """\
flowbutton: 1
name: lengths
params:
  least: {type: int, default: 1}
sources:
  reads: {partitioner: fastq, from: reads.fastq.gz, with: {size: 40}}
stages:
  length: {uses: "lengths:length", for_each: {reads: reads}, with: {least: "${params.least}"}}
outputs:
  "{ordinal}.txt": length
"""
LENGTHS = """\
from flowbutton.partitioners.fastq_reads import FastqReads
from flowbutton.stages.define import map_stage

@map_stage("lengths.length")
def length(reads: FastqReads, *, least: int) -> str:
    return str(max(least, len(b"".join(reads.text()))))
"""


def files(folder: Path) -> set[str]:
    return {str(place.relative_to(folder)) for place in folder.rglob("*") if place.is_file()}


def store(place) -> Path:
    return place.folder / ".flowbutton"


def run(place, *arguments: str) -> str:
    ended = place.call("run", "texts.yaml", "-q", *arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def clean(place, *arguments: str) -> str:
    ended = place.call("clean", "--grace", "0s", *arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def three_runs(place) -> None:
    """A run, another with more files, and one with less: the last one needs some of each."""
    run(place)
    place.write("in/c.txt", "five six\n")
    run(place)
    (place.folder / "in/a.txt").unlink()
    run(place)


def test_after_cleaning_the_same_command_has_nothing_to_run(place):
    three_runs(place)
    before = files(store(place))
    told = clean(place)
    gone = before - files(store(place))
    assert re.search(r"gone: 2 runs \(\S+ to \S+\)", told)
    assert any(name.startswith("records/") and "/packs/" in name for name in gone)
    assert "nothing to do: all 5 tasks are done" in run(place)
    place.write("in/a.txt", "one two three\n")
    assert "done: 3 tasks ran, 4 reused" in run(place), "what only the old runs needed runs again"
    assert json.loads((place.folder / "results/total.json").read_text()) == {"count": 6}


def test_after_cleaning_all_everything_runs_again_with_equal_results(place):
    run(place)
    before = (place.folder / "results/total.json").read_bytes()
    told = clean(place, "--all")
    assert "; 0 B stay" in told
    assert all(name.startswith("leases/") for name in files(store(place)))
    assert (place.folder / "results/total.json").read_bytes() == before, "results are not touched"
    (place.folder / "results/total.json").unlink()
    assert "done: 5 tasks ran, 0 reused" in run(place)
    assert (place.folder / "results/total.json").read_bytes() == before


def test_the_dry_run_says_what_the_act_does_and_does_nothing(place):
    three_runs(place)
    before = files(store(place))
    planned = clean(place, "-n")
    assert files(store(place)) == before
    assert clean(place) == planned.replace("would go", "gone")
    assert clean(place, "-n").startswith("would go: 0 B in all"), "what is left is needed"


def test_what_is_young_stays_unless_told(place):
    run(place)
    ended = place.call("clean", "--all")
    assert "of it only since it is young (--grace)" in ended.stdout
    assert any("/packs/" in name for name in files(store(place)))
    assert "nothing to do" in run(place), "its records were not removed, though its run was"


def test_files_of_others_stay(place):
    run(place)
    names = ["notes.txt", "objects/mine", "objects/ab/readme", "runs/latest/notes.txt", "~tmp/scratch", "samples/x"]
    for name in names:
        place_of = store(place) / name
        place_of.parent.mkdir(exist_ok=True, parents=True)
        place_of.write_text("mine")
    runs = Path(os.path.realpath(store(place) / "runs/latest"))
    clean(place, "--all")
    assert [*runs.iterdir()] == [runs / "notes.txt"]
    assert all((store(place) / name).exists() for name in names if "latest" not in name)


def test_what_killed_writers_left_goes(place):
    run(place)
    old, young = (store(place) / "~tmp" / (letter * 32) for letter in "ab")
    old.write_bytes(b"x" * 5000)
    young.write_bytes(b"x")
    os.utime(old, (time.time() - 7200,) * 2)
    ended = place.call("clean")
    assert "left by killed writers, 1 file, 4.9 KiB" in ended.stdout
    assert (old.exists(), young.exists()) == (False, True)


def test_a_run_at_work_is_not_disturbed(place):
    started = place.start_waiting()
    before = {name for name in files(store(place)) if not name.startswith("~tmp/")}  # but what is being written
    ended = place.call("clean", "--all", "--grace", "0s")
    assert ended.returncode == 3
    assert f"it is held by process {started.pid} on " in ended.stderr
    assert files(store(place)) >= before
    assert place.call("clean", "-n").returncode == 0, "looking is allowed"
    waiting = place.start("clean", "--all", "--grace", "0s", "--on-conflict", "wait")
    place.gate.touch()
    assert started.wait(timeout=300) == 0
    told, errors = waiting.communicate(timeout=300)
    assert waiting.returncode == 0, errors
    assert "gone: 1 run" in told


def test_a_run_waits_for_who_cleans(place):
    lease = {"beside": lambda: [], "ttl_s": 30.0, "wait_s": 0.0}
    with hold(LocalStore(store(place)), CLEANING, **lease):
        refused = place.call("run", "texts.yaml")
        assert refused.returncode == 3
        assert "the store is being cleaned" in refused.stderr
        waiting = place.start("run", "texts.yaml", "-q", "--on-conflict", "wait")
        assert waiting.stderr is not None
        assert waiting.stderr.readline().startswith("waiting: the store is being cleaned")
    told, errors = waiting.communicate(timeout=300)
    assert (waiting.returncode, errors) == (0, "")
    assert "done: 5 tasks ran" in told


def test_a_run_by_name_by_age_and_by_size(place):
    three_runs(place)
    first, second, third = sorted(name.name for name in (store(place) / "runs").glob("*-*-*"))
    assert "would go: 1 run (" + third in clean(place, "-n", "latest")
    assert "run" not in clean(place, "-n", "--older-than", "1d").splitlines()[0]
    assert f"2 runs ({first} to {second})" in clean(place, "-n", "--older-than", "0s")
    assert "run" not in clean(place, "-n", "--keep", "1GiB").splitlines()[0]
    small = place.call("clean", "--keep", "1KiB", "--grace", "0s")
    assert f"2 runs ({first} to {second})" in small.stdout
    assert "more than 1.0 KiB stay: the latest runs need it" in small.stderr
    assert place.call("status", "--all").stdout.startswith(third)
    assert place.call("clean", "nonsense").returncode == 4
    assert place.call("clean", "--older-than", "soon").returncode == 2


def test_a_failed_run_can_be_debugged_and_resumed_after_cleaning(place):
    run(place)
    text = (place.folder / "texts.yaml").read_text()
    place.write("texts.yaml", text.replace("texts:add", "texts:add_few"))
    place.write("in/c.txt", "five six\n")
    assert place.call("run", "texts.yaml", "-q").returncode == 1
    clean(place)
    again = place.call("debug", "latest", "total")
    assert "ValueError: 3 are too many" in again.stderr
    place.write("texts.yaml", text)
    assert "done: 1 task ran, 6 reused" in run(place)


def test_objects_that_only_an_index_refers_to_stay(place):
    reads = "".join(f"@r{number}\nACGT\n+\nIIII\n" for number in range(10))
    (place.folder / "reads.fastq.gz").write_bytes(gzip.compress(reads.encode(), mtime=0))
    place.write("lengths.yaml", PLAIN_GZIP)
    place.write("lengths.py", LENGTHS)
    assert place.call("run", "lengths.yaml", "-q").returncode == 0
    clean(place)
    again = place.call("run", "lengths.yaml", "-q", "-p", "least=2")
    assert again.returncode == 0, again.stderr
    assert "1 reused" in again.stdout, "the index is, and the text that it kept is there"
