"""Outputs: the names under which results are published, and the alternatives that make them.

Imports `model`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from flowbutton.dag.bind import key_columns
from flowbutton.dag.graph import OutputNode, Producer
from flowbutton.dag.problems import Path, Positions, Problems
from flowbutton.dag.spec import Spec
from flowbutton.dag.wires import Code, find_producer
from flowbutton.model.near import did_you_mean

_COLUMN = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_]\w*")
SUFFIX = "suffix"
"""In braces in an output's name: the extension that the stage gave its file (an index is ``.bai`` or ``.csi``)."""


def check_files(spec: Spec, problems: Problems) -> None:
    """Report an output that is a file where another one needs a folder."""
    for name in spec.outputs:
        for number in range(1, len(parts := name.split("/"))):
            folder = "/".join(parts[:number])
            if folder in spec.outputs:
                what = f"'{folder}' is an output, so it can't be a folder too"
                problems.add(("outputs", name), what, hint="rename one of them", key=True)


def find_alternatives(name: str, spec: Spec, code: Code, optional: set[str], problems: Problems) -> list[Producer]:
    """Return the producers that an output names, checked; ``optional`` are the stages that `when` may drop."""
    path = ("outputs", name)
    if problems.touched(path):
        return []
    if name.startswith("/") or {"", ".", ".."} & {*name.split("/")}:
        what, why = f"'{name}' is not a file name", "outputs stay in the results folder, which --results names"
        problems.add(path, what, why=why, hint="write file.txt or folder/file.txt", key=True)
    if {*"{}"} & {*_COLUMN.sub("", name)} or not all(_NAME.fullmatch(column) for column in _COLUMN.findall(name)):
        problems.add(path, f"the braces in '{name}' hold no column's name", hint="write {column}", key=True)
        return []
    found: list[Producer] = []
    for number, text in enumerate(spec.outputs[name]):
        at = (*path, number) if len(spec.outputs[name]) > 1 else path
        if name in spec.stages and text.partition(".")[0] == name and "." in text:
            hint = f"write '{text}: {name}': the file's name comes first, then the stage"
            problems.add(path, f"'{text}' names no result", hint=hint)
            continue
        if found and found[-1].name not in optional:
            what = f"this alternative is never taken: '{found[-1]}' is always there"
            problems.add(at, what, hint="put it before, or remove it")
        producer = find_producer(text, spec, code, problems, at)
        if producer is None:
            continue
        if producer.name in spec.sources:
            problems.add(at, f"'{text}' is a source, and outputs are results of stages", hint="name a stage")
            continue
        _check_one_file(producer, code, problems, at)
        _check_columns(name, producer, spec, code, problems)
        found.append(producer)
    return found


def _check_one_file(producer: Producer, code: Code, problems: Problems, path: Path) -> None:
    definition = code.definitions.get(producer.name)
    if producer.output is None and definition is not None and set(definition.outputs) != {""}:
        names = ", ".join(f"{producer.name}.{output}" for output in definition.outputs)
        problems.add(path, f"stage '{producer.name}' has several outputs", hint=f"choose one: {names}")


def _check_columns(name: str, producer: Producer, spec: Spec, code: Code, problems: Problems) -> None:
    """A stage of many tasks gives many files, so their name holds key columns; one of one task gives one."""
    path = ("outputs", name)
    columns = [column for column in _COLUMN.findall(name) if column != SUFFIX]
    many = bool(spec.stages[producer.name].for_each)
    known = key_columns(producer.name, spec, code) if many else None
    if many and not columns:
        example = min(known or {"ordinal"}, key=lambda column: (column == "ordinal", column))
        what = f"stage '{producer.name}' has a task per item, but the output has one name"
        problems.add(path, what, hint=f"put a key column into the name: {{{example}}}", key=True)
    if columns and not many:
        what = f"stage '{producer.name}' has one task, so there is no '{{{columns[0]}}}'"
        problems.add(path, what, hint="remove it from the name", key=True)
    for column in columns if known is not None else ():
        if column not in known:  # type: ignore[operator]
            what = f"the items of stage '{producer.name}' have no key column '{column}'"
            problems.add(path, what, hint=did_you_mean(column, known or ()), key=True)


def outputs_left(
    alternatives: Mapping[str, list[Producer]], dropped: set[str], positions: Positions
) -> tuple[OutputNode, ...]:
    """Return the outputs that have an alternative left after `when`."""
    left = {
        name: tuple(producer for producer in producers if producer.name not in dropped)
        for name, producers in alternatives.items()
    }
    return tuple(
        OutputNode(name, producers, positions.of_key(("outputs", name)).line)
        for name, producers in left.items()
        if producers
    )
