"""Functions of a script that is run, in worker processes: sent by value, known again in the next run, never stored."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = '''\
from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

from pydantic import BaseModel

import flowbutton
from flowbutton import map_stage, reduces
from flowbutton.partitioners.whole import WholeFile


class Words(BaseModel):
    """Words of a text."""

    words: int


class Both(NamedTuple):
    """Two outputs."""

    count: Words
    shout: str


def helper(text: str) -> list[str]:
    return [word for word in text.split() if word != LEFT_OUT]


LEFT_OUT = sys.argv[1]


@map_stage("script.count", ledger=reduces("file"))
def count(file: WholeFile, *, least: int) -> Both:
    """Count words."""
    words = [word for word in helper(file.read().decode()) if len(word) >= least]
    print("counting", len(words))
    return Both(Words(words=len(words)), " ".join(words).upper())


def made(bonus: int):
    def add(parts: Sequence[Words]) -> Words:
        return Words(words=sum(part.words for part in parts) + bonus)

    return add


pipeline = flowbutton.load("words.yaml", stages={"my.count": count, "my.add": made(int(sys.argv[2]))})
report = pipeline.run(executor="processes", workers=2)
print(report.ran, report.files["total.json"].read_text())
'''


def call(place: Path, *arguments: str) -> str:
    """Run the script as a script."""
    ended = subprocess.run(
        [sys.executable, "script.py", *arguments], cwd=place, capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_functions_of_a_script_run_in_workers(place: Path) -> None:
    (place / "words.yaml").write_text((place / "words.yaml").read_text().replace("parts: count", "parts: count.count"))
    (place / "script.py").write_text(SCRIPT)
    assert call(place, "", "0") == '5 {"words":4}'  # two texts are looked at, two are counted, one sum
    assert call(place, "", "0") == '0 {"words":4}'
    (place / "script.py").write_text(SCRIPT.replace("def helper", "# a comment\ndef helper"))
    assert call(place, "", "0") == '0 {"words":4}'
    assert call(place, "one", "0") == '3 {"words":3}'  # a global that a helper names
    assert call(place, "one", "5") == '1 {"words":8}'  # a variable that a closure holds
    kept = [path for path in (place / ".flowbutton").rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if b"cloudpickle" in path.read_bytes()]
