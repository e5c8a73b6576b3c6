"""Stages that fail, hang and die: what the injected failures run. Imported by workers from this folder."""

from __future__ import annotations

import os
import signal
import sys
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

import letters

from flowbutton.model.stage import Scratch
from flowbutton.partitioners.whole import WholeFile
from flowbutton.stages.define import gather_stage, map_stage


def is_bad(file: WholeFile) -> bool:
    return "bad" in file.read().decode()


@map_stage("troubled.die")
def die(file: WholeFile) -> letters.Count:
    """Kill this process for files that hold 'bad', each time."""
    if is_bad(file):
        os.kill(os.getpid(), signal.SIGKILL)
    return letters.Count(letters={"ok": 1})


@map_stage("troubled.leave")
def leave(file: WholeFile) -> letters.Count:
    """Leave the interpreter, as a command-line tool's main function does."""
    if is_bad(file):
        sys.exit(3)
    return letters.Count(letters={"ok": 1})


@map_stage("troubled.wait")
def wait(file: WholeFile, *, gate: str) -> str:
    """Say that it began, in the folder ``gate``, and go on when the file ``open`` is there."""
    folder = Path(gate)
    (folder / f"began-{file.key['ordinal']}").touch()
    while not (folder / "open").exists():
        time.sleep(0.01)
    return file.read().decode()


@map_stage("troubled.hang")
def hang(file: WholeFile) -> str:
    """Stay in a C call for files that hold 'bad'."""
    if is_bad(file):
        time.sleep(600)
    return file.read().decode()


@map_stage("troubled.rewrite")
def rewrite(file: WholeFile, *, path: str) -> str:
    """Change the file ``path`` before reading one's own."""
    Path(path).write_text("somebody wrote this while the run was reading\n")
    return file.read().decode()


@map_stage("troubled.fill")
def fill(file: WholeFile, *, size: int) -> bytes:
    """Return ``size`` bytes that follow from the file."""
    text = file.read()
    return (text * (size // len(text) + 1))[:size]


@gather_stage("troubled.heads")
def heads(parts: Sequence[bytes]) -> str:
    """Return the beginning, the size and a checksum of each part."""
    return "".join(f"{part[:4].decode()} {len(part)} {zlib.crc32(part)}\n" for part in parts)


@gather_stage("troubled.tails")
def tails(parts: Sequence[bytes]) -> str:
    """Return the same as `heads`, by other code."""
    return "".join([f"{part[:4].decode()} {len(part)} {zlib.crc32(part)}\n" for part in parts])


@map_stage("troubled.note")
def note(file: WholeFile, scratch: Scratch, *, size: int) -> Path:
    """Return a file of ``size`` bytes."""
    place = Path(scratch) / "note.txt"
    place.write_bytes((file.read() * size)[:size])
    return place


@map_stage("troubled.as_path")
def as_path(text: Path, scratch: Scratch) -> Path:
    """Copy a small artifact that comes as a file."""
    place = Path(scratch) / "copy.txt"
    place.write_bytes(text.read_bytes())
    return place


@map_stage("troubled.talk")
def talk(total: letters.Count, *, size: int) -> int:
    """Print ``size`` bytes below Python, as C libraries do, and fail for what holds a '!'."""
    os.write(1, b"x" * (size - 4) + b"end\n")
    if "!" in total.letters:
        raise MemoryError("as if")
    return len(total.letters)
