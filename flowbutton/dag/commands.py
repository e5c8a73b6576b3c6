"""``command:`` stages of a pipeline file: their placeholders checked, and put together as a `Command`.

Here: every problem at its place. Not here: whether the program is there (`stages.command`). Imports `model`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from flowbutton.dag.problems import Path, Problems
from flowbutton.dag.spec import Spec, StageSpec
from flowbutton.model.command import LIST, OUT, WITH, Command, Feed, Slot, Template, parse_template
from flowbutton.model.near import closest, did_you_mean
from flowbutton.model.partitioner import Partitioner, WritesFiles

_SHELL = {"|", ">", ">>", "<", "2>", "&&", "||", ";", "&"}
"""What a shell would read; no program is likely to want one of these alone."""
_BRACES = "write {{ and }} for braces of the program's own"


def command_of(name: str, spec: Spec, partitioners: Mapping[str, Partitioner], problems: Problems) -> Command | None:
    """Return the command of a stage; None, and problems, where it does not hold together."""
    before = len(problems)
    found = _Check(name, spec, problems).command()
    _check_readers(name, spec, found, partitioners, problems)
    return found if len(problems) == before else None


class _Check:
    """One stage's command, its placeholders against what the stage declares."""

    def __init__(self, name: str, spec: Spec, problems: Problems) -> None:
        self._at: Path = ("stages", name)
        self._stage, self._problems = spec.stages[name], problems
        self._inputs = dict(_feeds(self._stage, spec))
        self._outputs = _outputs(self._stage)
        self._used: set[str] = set()

    def command(self) -> Command:
        stage = self._stage
        argv = stage.command or ()
        for number, text in enumerate(argv):
            self._element(text, (*self._at, "command", number), is_program=number == 0)
        self._check_stdin()
        self._check_names()
        self._check_outputs()
        self._check_use()
        return Command(
            argv=argv,
            inputs=self._inputs,
            options=tuple(sorted(stage.options)),
            outputs=self._outputs,
            stdin=stage.stdin,
            stdout=stage.stdout,
            version=stage.version or 1,
        )

    def _element(self, text: str, path: Path, *, is_program: bool = False) -> Template:
        if text in _SHELL:
            hint = "name a shell where one is wanted: [bash, -c, 'cat \"$1\" | wc -w', bash, '{file}']"
            self._problems.add(path, f"'{text}' means nothing here: no shell reads a command", hint=hint)
        if "${" in text:
            hint = "name it under 'with', and write {with.NAME} here"
            self._problems.add(path, "params can't stand in a command", hint=hint)
            return ()
        try:
            parts = parse_template(text)
        except ValueError as error:
            self._problems.add(path, str(error), hint=f"{{name}} names an argument; {_BRACES}")
            return ()
        slots = [part for part in parts if isinstance(part, Slot)]
        if is_program and slots:
            hint = "name the program; a script of yours is an argument of it: [python3, '{script}', ...]"
            self._problems.add(path, "the program can't be a placeholder", hint=hint)
        for slot in slots:
            self._slot(slot, path, alone=len(parts) == 1)
        return parts

    def _slot(self, slot: Slot, path: Path, *, alone: bool) -> None:
        if slot.name == OUT:
            self._known("output", ".".join(slot.path), self._outputs, slot, path)
        elif slot.name == WITH:
            if self._known("option", ".".join(slot.path), self._stage.options, slot, path):
                self._used.add(f"{WITH}.{slot.path[0]}")
        elif self._known("argument", slot.name, self._inputs, slot, path):
            self._used.add(slot.name)
            if self._inputs[slot.name] is Feed.RESULTS and slot.path != (LIST,) and not (alone and not slot.path):
                hint = f"let {{{slot.name}}} stand alone, or write {{{slot.name}.{LIST}}} for a file that lists them"
                self._problems.add(path, f"'{slot}' is many files", hint=hint)
            elif self._inputs[slot.name] is Feed.RESULT and slot.path:
                hint = f"write {{{slot.name}}}, and choose an output where it is bound"
                self._problems.add(path, f"'{slot}' is one file", hint=hint)

    def _known(self, kind: str, name: str, known: Iterable[str], slot: Slot, path: Path) -> bool:
        if name in known:
            return True
        names = [found for found in known if found]
        self._used |= {near for near in [closest(name, names)] if kind == "argument" and near is not None}
        hint = did_you_mean(name, names) if names else f"the stage has no {kind} with a name"
        if kind == "argument":
            hint += f"; {_BRACES}" if names else "; bind it under for_each, share or gather"
        self._problems.add(path, f"'{slot}' names no {kind} of the stage", hint=hint)
        return False

    def _check_stdin(self) -> None:
        if self._stage.stdin is None:
            return
        path = (*self._at, "stdin")
        parts = self._element(self._stage.stdin, path)
        slot = parts[0] if len(parts) == 1 else None
        feed = self._inputs.get(slot.name) if isinstance(slot, Slot) else None
        is_file = feed in (Feed.PIECE, Feed.RESULT) or (isinstance(slot, Slot) and slot.path == (LIST,))
        if parts and not is_file:
            bare = self._stage.stdin in self._inputs
            self._used |= {self._stage.stdin} if bare else set()
            hint = f"write '{{{self._stage.stdin}}}'" if bare else "write {argument} of one file"
            self._problems.add(path, f"'{self._stage.stdin}' is not one file", hint=hint)

    def _check_names(self) -> None:
        for name in self._inputs:
            if name in (OUT, WITH) or parse_or_none(f"{{{name}}}") != (Slot(name, ()),):
                hint = "a letter first, then letters, digits, _ and -; not 'out' or 'with'"
                self._problems.add(self._at, f"'{name}' can be no argument of a command", hint=hint, key=True)
            if name in self._stage.options:
                what = f"'{name}' is an argument and an option of the command"
                self._problems.add((*self._at, "with", name), what, hint="rename one of them", key=True)
        for name in self._outputs:
            if name and not name.isidentifier():
                hint = "a letter first, then letters, digits and _"
                self._problems.add((*self._at, "outputs", name), f"'{name}' is no output's name", hint=hint, key=True)

    def _check_outputs(self) -> None:
        if not self._outputs:
            what = "the command has no output"
            hint = "add 'outputs: {name: file}', or 'stdout: file' to keep what it prints"
            self._problems.add((*self._at, "command"), what, hint=hint, key=True)
        files = [*self._outputs.values(), *([self._stage.stdout] if self._stage.stdout else [])]
        for file in dict.fromkeys(files):
            path = PurePosixPath(file)
            if path.is_absolute() or ".." in path.parts or file.startswith("-") or path.name in ("", "."):
                place = "outputs" if file in self._outputs.values() and self._stage.outputs is not None else "stdout"
                hint = "write a file's name; the program runs in a folder of its own"
                self._problems.add((*self._at, place), f"'{file}' is no file of the working folder", hint=hint)
        if len(set(self._outputs.values())) < len(self._outputs):
            self._problems.add((*self._at, "outputs"), "two outputs are one file", hint="give each its own")

    def _check_use(self) -> None:
        """What is bound and not named is a forgotten placeholder, or should not be waited for."""
        for word, bound in (
            ("for_each", self._stage.for_each), ("share", self._stage.share), ("gather", self._stage.gather),
        ):  # fmt: skip
            for name in bound:
                if name not in self._used and word != "for_each":
                    what = f"the command does not name '{{{name}}}'"
                    self._problems.add((*self._at, word, name), what, hint="name it, or remove it", key=True)
        if self._stage.for_each and not self._used & self._stage.for_each.keys():
            name = next(iter(self._stage.for_each))
            what = f"the command does not name '{{{name}}}', so all of its tasks would do the same"
            self._problems.add((*self._at, "for_each", name), what, hint="name it in the command", key=True)
        for name in self._stage.options:
            if f"{WITH}.{name}" not in self._used:
                what = f"the command does not name '{{{WITH}.{name}}}'"
                self._problems.add((*self._at, "with", name), what, hint="name it, or remove it", key=True)


def parse_or_none(text: str) -> Template | None:
    """Return the parts of a text, None if its braces don't fit."""
    try:
        return parse_template(text)
    except ValueError:
        return None


def _feeds(stage: StageSpec, spec: Spec) -> Iterator[tuple[str, Feed]]:
    """Yield in what form each argument comes: the file alone tells."""
    for argument, text in stage.for_each.items():
        yield argument, _feed(text, spec, one_by_one=True)
    for argument, text in stage.share.items():
        yield argument, _feed(text, spec, one_by_one=False)
    for argument in stage.gather:
        yield argument, Feed.RESULTS


def _feed(text: str, spec: Spec, *, one_by_one: bool) -> Feed:
    name, dot, _ = text.partition(".")
    if name in spec.sources:
        return Feed.VALUE if dot else Feed.PIECE
    makes_items = one_by_one and name in spec.stages and not spec.stages[name].for_each
    return Feed.VALUE if makes_items else Feed.RESULT


def _outputs(stage: StageSpec) -> dict[str, str]:
    if isinstance(stage.outputs, str):
        return {"": stage.outputs}
    if stage.outputs is not None:
        return dict(stage.outputs)
    return {"": stage.stdout} if stage.stdout is not None else {}


def _check_readers(
    name: str, spec: Spec, command: Command, partitioners: Mapping[str, Partitioner], problems: Problems
) -> None:
    stage = spec.stages[name]
    for word, bound in (("for_each", stage.for_each), ("share", stage.share)):
        for argument, text in bound.items():
            partitioner = partitioners.get(text) if command.inputs[argument] is Feed.PIECE else None
            if partitioner is None or issubclass(partitioner.reader, WritesFiles):
                continue
            what = f"a piece of '{text}' can't be handed to a program as files"
            why = f"{partitioner.reader.__name__}, the reader of partitioner '{partitioner.name}', can't write them"
            hint = "write a stage in Python for it"
            problems.add(("stages", name, word, argument), what, why=why, hint=hint)
