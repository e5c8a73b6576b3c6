"""Programs as stages: a `Command` becomes a stage definition whose function runs the program on files.

The program runs in an empty folder. Inputs are files under ``in/``, named by argument, so that no command line and no
output holds a path of the machine; outputs are read from the folder. What a task depends on: the command line, options,
the content of inputs, the sha256 of the program's file, ``version``. Not covered: what else the program loads (shared
libraries, its own modules, configuration).

Here: finding the program, running it, its outputs. Not here: its inputs and command line (`stages.command_line`).
Imports `flowbutton.model`, `stages.command_line`, `stages.define`, `stages.code`.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, create_model

from flowbutton.model.canonical import digest_bytes
from flowbutton.model.command import WITH, Command, Feed
from flowbutton.model.errors import (
    ChangedInput,
    CommandFailed,
    FlowbuttonError,
    OptionError,
    ResourceExhausted,
)
from flowbutton.model.near import closest
from flowbutton.model.stage import AnyFile, Parameter, StageDefinition, reduces
from flowbutton.stages.code import CodeIdentity
from flowbutton.stages.command_line import CommandLine, Option, place_input
from flowbutton.stages.define import Options

RUNNER = 1
"""Raised when the same command would be run in another way: it is in every command's identity."""
PASSED_ON = ("PATH", "LD_LIBRARY_PATH")
"""What a program sees of the worker's environment."""
LOG_BYTES = 16 * 1024**2
"""What is kept of a program's output: beyond it the middle is left out."""

_SCRATCH = "(scratch)"  # no argument can be called this
_TAIL_LINES, _TAIL_CHARS = 3, 600


def command_stage(address: str) -> StageDefinition:
    """Return the stage of a command; in the driver this finds the program, whose digest is then in ``uses``.

    Raises:
        OptionError: there is no such program.
    """
    command = Command.at(address)
    if not command.program:
        address = replace(command, program=_digest_of(_find(command.argv[0]))).address
    return _stage_at(address)


@lru_cache(maxsize=256)
def _stage_at(address: str) -> StageDefinition:
    command = Command.at(address)
    counted = command.counted
    return StageDefinition(
        uses=address,
        version=command.version,
        function=RunCommand(command),
        inputs={name: _parameter(name, feed) for name, feed in command.inputs.items()},
        options=_options(command),
        outputs=dict.fromkeys(command.outputs, Path),
        ledger=None if counted is None else reduces(counted),
        scratch=_SCRATCH,
        help=f"Run {shlex.join(command.argv)}",
    )


def _parameter(name: str, feed: Feed) -> Parameter:
    is_result = feed in (Feed.RESULT, Feed.RESULTS)
    return Parameter(name, AnyFile if is_result else Any, gathers=feed is Feed.RESULTS)


def _options(command: Command) -> type[Options]:
    """Return the model of the options: those with which an element of the command line begins are no option of it."""
    leading = {slot.path[0] for slot, first in command.slots() if first and slot.name == WITH}
    safe = Annotated[Option, AfterValidator(_no_option)]
    fields: dict[str, Any] = {name: (safe if name in leading else Option, ...) for name in command.options}
    return create_model("command_options", __base__=Options, **fields)


def _no_option(value: Option) -> Option:
    for text in value if isinstance(value, list) else [value]:
        if isinstance(text, str) and text.startswith("-"):
            raise ValueError(f"{text!r} would be read as an option of the program: write --name={{with.name}}")
    return value


@dataclass(frozen=True, eq=False)  # known by its identity where it is kept
class RunCommand:
    """The function of a command stage: takes its arguments by name, and returns the files that the program wrote."""

    command: Command

    def code_identity(self) -> CodeIdentity:
        """Return what `stages.code.identify` can't find out by itself."""
        command = self.command
        line = replace(command, program="").address
        parts = {f"program {command.argv[0]}": command.program, "command line": digest_bytes(line.encode())}
        return CodeIdentity(digest_bytes(f"{RUNNER}\0{command.address}".encode()), parts, {})

    def __call__(self, **arguments: Any) -> object:
        """Run the program.

        Raises:
            CommandFailed: it left with another code than 0, could not be started, or did not write an output.
            ResourceExhausted: it was killed.
            ChangedInput: the program is not the one that the run was planned with.
            BadInput: a value can't be put on a command line.
        """
        command, scratch = self.command, Path(arguments[_SCRATCH])
        _check_program(command)
        work = scratch / "work"
        work.mkdir()
        given = {name: place_input(name, feed, arguments[name], work) for name, feed in command.inputs.items()}
        values = CommandLine(command, given, {name: arguments[name] for name in command.options}, work)
        for name in (*command.outputs.values(), *([command.stdout] if command.stdout else [])):
            (work / name).parent.mkdir(parents=True, exist_ok=True)
        links = _links(work / "in")
        _run(values, scratch)
        _check_links(links, command)
        return _outputs(command, work)


def _find(name: str) -> Path:
    found = shutil.which(name)
    if found is not None:
        return Path(found).resolve()
    if "/" in name:
        raise OptionError(
            f"there is no program '{name}' that may be run",
            why="",
            hint="check the path; a script of yours is an input: [python3, '{script}', ...]",
        )
    near = closest(name, (place.name for folder in os.get_exec_path() for place in _programs(Path(folder))))
    hint = f"did you mean '{near}'?" if near is not None else "install it, or add its folder to PATH"
    raise OptionError(f"there is no program '{name}'", why="no folder in PATH has it", hint=hint)


def _programs(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # PATH may name what is not there
        return []


def _check_program(command: Command) -> None:
    """Refuse a program that is not the one whose digest the run was planned with."""
    program = _find(command.argv[0])
    if _digest_of(program) != command.program:
        raise ChangedInput(
            f"the program '{command.argv[0]}' is not the one that the run was planned with",
            why="it was replaced since, or this machine has another version",
            hint="run again; let all machines have the same version",
            file=str(program),
        )


def _digest_of(program: Path) -> str:
    status = program.stat()
    return _digest(program, status.st_size, status.st_mtime_ns)


@cache
def _digest(program: Path, _size: int, _mtime_ns: int) -> str:
    with program.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _run(values: CommandLine, scratch: Path) -> None:
    line, command, log = values.elements(), values.command, scratch / "log"
    (scratch / "tmp").mkdir()
    begin = log.write_bytes(f"$ {shlex.join(values.shown())}\n".encode(errors="surrogateescape"))
    try:
        code = _run_to_its_end(line, command, values, scratch, log)
    except OSError as error:
        raise _not_started(line, error) from error
    finally:
        _replay(log)
    if code:
        raise _failed(line, code, log, begin)


def _run_to_its_end(line: Sequence[str], command: Command, values: CommandLine, scratch: Path, log: Path) -> int:
    with ExitStack() as opened:
        told = opened.enter_context(log.open("ab"))
        stdin = stdout = None
        if command.stdin is not None:
            stdin = opened.enter_context(values.file(command.stdin).open("rb"))
        if command.stdout is not None:
            stdout = opened.enter_context((values.work / command.stdout).open("wb"))
        # In the worker's own process group: who stops the worker stops the program, and what that started.
        with subprocess.Popen(
            line,
            cwd=values.work,
            env=_environment(scratch),
            stdin=stdin or subprocess.DEVNULL,
            stdout=stdout or told,
            stderr=told,
        ) as process:
            try:
                return process.wait()
            except BaseException:
                process.kill()  # a Ctrl-C, where tasks run in the driver
                raise


def _links(folder: Path) -> dict[Path, tuple[int, int]]:
    """Return what the files are like that inputs are links to."""
    found = [place for place in folder.glob("*/*") if place.is_symlink()]
    return {place: _stamp(place) for place in found}


def _stamp(place: Path) -> tuple[int, int]:
    status = place.stat()
    return status.st_size, status.st_mtime_ns


def _check_links(links: Mapping[Path, tuple[int, int]], command: Command) -> None:
    """Refuse what a program has made if it wrote through a link: into the store, or into the user's own file."""
    for place, stamp in links.items():
        if place.is_symlink() and _stamp(place) != stamp:
            raise CommandFailed(
                f"the program '{command.argv[0]}' wrote into its input {place.relative_to(place.parents[2])}",
                why=f"that is a link to {place.readlink()}, which is changed now",
                hint="restore that file if it is yours, and let the program write to an output",
                file=str(place.readlink()),
            )


def _environment(scratch: Path) -> dict[str, str]:
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    fixed = {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    return {**passed, **fixed, **dict.fromkeys(("HOME", "TMPDIR"), str(scratch / "tmp"))}


def _replay(log: Path) -> None:
    """Print what the program printed, so that it is in the task's log; of very much the middle is left out."""
    sys.stdout.flush()
    size = log.stat().st_size
    with log.open("rb") as file, os.fdopen(os.dup(1), "wb") as sink:
        if size > LOG_BYTES:
            sink.write(file.read(LOG_BYTES // 16))
            sink.write(f"\n[... {size - LOG_BYTES} bytes left out ...]\n".encode())
            file.seek(LOG_BYTES // 16 - LOG_BYTES, os.SEEK_END)
        shutil.copyfileobj(file, sink)


def _not_started(line: Sequence[str], error: OSError) -> FlowbuttonError:
    hint = "check that it is a program of this machine, and may be run"
    if error.errno == errno.E2BIG:
        hint = "let the program read the names from a file: {argument.list}"
    return CommandFailed(f"the program '{line[0]}' can't be started", why=str(error.strerror), hint=hint)


def _failed(line: Sequence[str], code: int, log: Path, begin: int) -> FlowbuttonError:
    with log.open("rb") as file:
        file.seek(max(begin, log.stat().st_size - 4096))
        text = file.read().decode("utf-8", "replace")
    lines = [told for told in text.splitlines() if told.strip()][-_TAIL_LINES:]
    why = " | ".join(lines)[-_TAIL_CHARS:] or "it printed nothing"
    shown = shlex.join(line)
    if code == -9:
        return ResourceExhausted(
            f"the program '{line[0]}' was killed",
            why="the system's out-of-memory killer does that",
            hint="give the stage more under resources: memory",
            command=shown,
        )
    ended = f"left with exit code {code}" if code > 0 else f"was ended by signal {-code}"
    hint = "its whole output is in the task's log"
    return CommandFailed(f"the program '{line[0]}' {ended}", why=why, hint=hint, command=shown, exit_code=code)


def _outputs(command: Command, work: Path) -> object:
    for name, file in command.outputs.items():
        if not (work / file).is_file():
            there = sorted(str(path.relative_to(work)) for path in work.rglob("*") if path.is_file())
            wrote = ", ".join(path for path in there if not path.startswith("in/")) or "nothing"
            raise CommandFailed(
                f"the program '{command.argv[0]}' did not write {file}",
                why=f"it left with exit code 0, and wrote: {wrote}",
                hint=f"write {{out{'.' if name else ''}{name}}} on the command line, or correct the name under outputs",
                output=file,
            )
    if set(command.outputs) == {""}:
        return work / command.outputs[""]
    return namedtuple("Outputs", command.outputs)(**{name: work / file for name, file in command.outputs.items()})
