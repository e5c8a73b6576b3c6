"""One stage's arguments: each bound once, in a way and with a type that its function takes.

Here: the checks, and the bindings that are left when they hold. Not here: names (`dag.wires`), the relation between
two types (`dag.fits`). Imports `model`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flowbutton.dag.fits import (
    bare,
    column_fits,
    fits,
    is_bundle,
    item_type,
    outputs_fit,
    reader_fits,
    show_type,
    table_fits,
)
from flowbutton.dag.graph import TABLE, Binding, BindingKind
from flowbutton.dag.problems import Path, Problems
from flowbutton.dag.spec import Spec
from flowbutton.dag.wires import Code, Wire
from flowbutton.model.bundle import Parts
from flowbutton.model.command import shown
from flowbutton.model.near import closest, did_you_mean
from flowbutton.model.stage import Parameter, StageDefinition

_GATHERS = "its argument takes many values (Sequence or Parts)"


def bind(stage: str, wires: Sequence[Wire], spec: Spec, code: Code, problems: Problems) -> tuple[Binding, ...]:
    """Return the bindings of a stage in the order of its function's arguments; what does not fit is a problem."""
    definition = code.definitions[stage]
    _Check(stage, definition, wires, spec, code, problems).all()
    order = {name: number for number, name in enumerate(definition.inputs)}
    bound = sorted((wire for wire in wires if wire.argument in order), key=lambda wire: order[wire.argument])
    return tuple(_binding(wire) for wire in bound)


def _binding(wire: Wire) -> Binding:
    match: tuple[str, ...] = ()
    overlap: tuple[str, ...] | None = None
    if wire.gather is not None:
        match = wire.gather.match or ()
        overlap = tuple(wire.gather.overlap.split(".")) if wire.gather.overlap else None
    return Binding(wire.argument, wire.kind, wire.producer, match, overlap)


@dataclass(frozen=True, slots=True)
class _Check:
    stage: str
    definition: StageDefinition
    wires: Sequence[Wire]
    spec: Spec
    code: Code
    problems: Problems

    def all(self) -> None:
        self._arguments()
        for wire in self.wires:
            parameter = self.definition.inputs.get(wire.argument)
            if parameter is None:
                continue
            {BindingKind.ITEM: self._item, BindingKind.SHARE: self._share, BindingKind.GATHER: self._gather}[wire.kind](
                wire, parameter
            )
        self._mode()
        self._fan_in()

    def _arguments(self) -> None:
        """Every argument is one of the function's, bound once; every needed one is bound."""
        spec, inputs = self.spec.stages[self.stage], self.definition.inputs
        seen: set[str] = set()
        misspelt: set[str | None] = set()
        for word, arguments in (("for_each", spec.for_each), ("share", spec.share), ("gather", spec.gather)):
            for argument in arguments:
                path = ("stages", self.stage, word, argument)
                if argument not in inputs:
                    what = f"{shown(self.definition.uses)} has no argument '{argument}'"
                    if argument in self.definition.options.model_fields:
                        self.problems.add(path, what, hint="it is an option: write it under 'with'", key=True)
                    else:
                        self.problems.add(path, what, hint=did_you_mean(argument, inputs), key=True)
                        misspelt.add(closest(argument, inputs))
                elif argument in seen:
                    self.problems.add(path, f"the argument '{argument}' is bound twice", hint="keep one", key=True)
                seen.add(argument)
        for name, parameter in inputs.items():
            words = "gather" if parameter.gathers else "for_each or share"
            if name not in seen and name in spec.options:
                what = f"'{name}' is an argument of {shown(self.definition.uses)}, not an option"
                self.problems.add(("stages", self.stage, "with", name), what, hint=f"bind it under {words}", key=True)
            elif name not in seen | misspelt and not parameter.optional:
                what = f"the argument '{name}' of {shown(self.definition.uses)} is not bound"
                hint = f"bind it under {words}; it takes {self._wants(parameter)}"
                self.problems.add(("stages", self.stage), what, hint=hint, key=True)

    def _item(self, wire: Wire, parameter: Parameter) -> None:
        name, output = wire.producer.name, wire.producer.output
        if parameter.gathers:
            self._add(wire.path, f"'{wire.argument}' can't take one item", _GATHERS, "bind it under gather")
        elif name in self.spec.sources:
            if output == TABLE:
                self._add(wire.path, f"'{wire.producer}' is one value, not many", "", "bind it under share")
            elif output is not None:
                self._fit(wire, parameter, column_fits(parameter.type), "a text or a whole number")
            else:
                self._pieces(wire, parameter)
        elif self.spec.stages[name].for_each:
            self._result(wire, parameter)
        else:
            self._items(wire, parameter)

    def _share(self, wire: Wire, parameter: Parameter) -> None:
        name, output = wire.producer.name, wire.producer.output
        if parameter.gathers:
            self._add(wire.path, f"'{wire.argument}' can't take one value", _GATHERS, "bind it under gather")
        elif name in self.spec.sources:
            if output == TABLE:
                self._fit(wire, parameter, table_fits(parameter.type), "a list of rows")
            elif output is not None:
                hint = "bind it under for_each"
                self._add(wire.path, f"'{wire.producer}' is a column of many values", "", hint)
            else:
                self._pieces(wire, parameter)
        elif self.spec.stages[name].for_each:
            what = f"stage '{name}' has a task per item, so there is no one value to share"
            self._add(wire.path, what, "", "bind it under gather, or under for_each")
        else:
            self._result(wire, parameter)

    def _gather(self, wire: Wire, parameter: Parameter) -> None:
        if not parameter.gathers:
            why = f"it takes {self._wants(parameter)}"
            hint = "bind it under share or for_each; what gathers takes a Sequence[...] or Parts"
            self._add(wire.path, f"'{wire.argument}' can't gather", why, hint)
        elif wire.producer.name in self.spec.sources:
            hint = "bind a source under for_each or share"
            self._add(wire.path, f"'{wire.producer}' is a source, which can't be gathered", "", hint)
        elif parameter.type is Parts:
            made = self._made(wire)
            if made is not None and not (set(made) == {""} and is_bundle(made[""])):
                self._fit(wire, parameter, False, _show_outputs(made))
        else:
            self._result(wire, parameter)
        self._match(wire)
        self._overlap(wire, parameter)

    def _pieces(self, wire: Wire, parameter: Parameter) -> None:
        partitioner = self.code.partitioners.get(wire.producer.name)
        if partitioner is not None:
            reader = partitioner.reader
            self._fit(wire, parameter, reader_fits(reader, parameter.type), f"pieces read by {reader.__name__}")

    def _result(self, wire: Wire, parameter: Parameter) -> None:
        made = self._made(wire)
        if made is not None:
            self._fit(wire, parameter, outputs_fit(made, parameter.type), _show_outputs(made))

    def _items(self, wire: Wire, parameter: Parameter) -> None:
        made = self._made(wire)
        if made is None:
            return
        items = item_type(made[""]) if set(made) == {""} else None
        if items is None:
            what = f"stage '{wire.producer.name}' has one task, and makes no items to go through"
            self._add(wire.path, what, f"it gives {_show_outputs(made)}", "bind it under share")
        else:
            self._fit(wire, parameter, fits(items, parameter.type), f"items of {show_type(items)}")

    def _made(self, wire: Wire) -> dict[str, Any] | None:
        """Return the types of the outputs that a wire carries; None where the stage's code was not found."""
        definition = self.code.definitions.get(wire.producer.name)
        if definition is None:
            return None
        output = wire.producer.output
        return dict(definition.outputs) if output is None else {"": definition.outputs[output]}

    def _match(self, wire: Wire) -> None:
        match = wire.gather.match if wire.gather is not None else None
        if not match:
            return
        path = (*wire.path, "match")
        spec = self.spec.stages[self.stage]
        if not spec.for_each:
            what = "'match' needs something to match with"
            self._add(
                path, what, "the stage has no for_each, so its one task has no key", "add a for_each, or gather all"
            )
            return
        columns = key_columns(self.stage, self.spec, self.code)
        for column in match if columns is not None else ():
            if column not in (columns or ()):
                what = f"the items of stage '{self.stage}' have no key column '{column}'"
                self._add(path, what, "", did_you_mean(column, columns or ()))

    def _overlap(self, wire: Wire, parameter: Parameter) -> None:
        overlap = wire.gather.overlap if wire.gather is not None else None
        if not overlap:
            return
        path = (*wire.path, "overlap")
        argument, *attributes = overlap.split(".")
        if parameter.type is not Parts:
            what = f"'overlap' selects parts of bundles, but '{wire.argument}' takes {self._wants(parameter)}"
            self._add(path, what, "", "annotate it as Parts, or gather all")
        items = self.spec.stages[self.stage].for_each
        item = self.definition.inputs.get(argument)
        if argument not in items:
            self._add(path, f"'{argument}' is no argument under for_each", "", did_you_mean(argument, items))
        elif item is not None and attributes and not _has(item.type, attributes[0]):
            what = f"{show_type(item.type)} has no '{attributes[0]}'"
            self._add(path, what, "", did_you_mean(attributes[0], getattr(bare(item.type), "model_fields", {})))

    def _mode(self) -> None:
        spec = self.spec.stages[self.stage]
        known = [argument for argument in spec.for_each if argument in self.definition.inputs]
        if len(known) > 1 and spec.mode is None:
            what = f"stage '{self.stage}' goes through {len(known)} things at once, and does not say how"
            hint = "add 'mode: zip' (first with first, second with second) or 'mode: cross' (each with each)"
            self._add(("stages", self.stage, "for_each"), what, "", hint)

    def _fan_in(self) -> None:
        """A tree merges merged results again: so the function takes what it gives."""
        spec = self.spec.stages[self.stage]
        if spec.fan_in is None:
            return
        path = ("stages", self.stage, "fan_in")
        if len(spec.gather) != 1:
            hint = "remove it" if not spec.gather else "gather the others in a stage of their own"
            self._add(path, "'fan_in' needs one argument under gather", f"there are {len(spec.gather)}", hint)
            return
        parameter = self.definition.inputs.get(next(iter(spec.gather)))
        if parameter is None:
            return
        if parameter.type is Parts or not outputs_fit(self.definition.outputs, parameter.type):
            why = f"it takes {self._wants(parameter)} and gives {_show_outputs(self.definition.outputs)}"
            what = f"{shown(self.definition.uses)} can't gather in a tree"
            self._add(path, what, why, "remove 'fan_in', or let the function return the type that it gathers")

    def _fit(self, wire: Wire, parameter: Parameter, fitting: bool, given: str) -> None:
        if not fitting:
            what = f"'{wire.producer}' gives {given}, but '{wire.argument}' takes {self._wants(parameter)}"
            made = self._made(wire) if wire.producer.name in self.spec.stages else None
            several = made is not None and set(made) != {""}
            names = ", ".join(f"{wire.producer.name}.{output}" for output in made or ())
            self._add(wire.path, what, "", f"choose one output: {names}" if several else self._who_gives(parameter))

    def _who_gives(self, parameter: Parameter) -> str:
        """Return a hint: the stages that give what an argument takes."""
        names = [
            name if not output else f"{name}.{output}"
            for name, definition in self.code.definitions.items()
            for output, kind in definition.outputs.items()
            if name != self.stage and bare(kind) is not Any and fits(kind, parameter.type)
        ]
        return f"what gives it: {', '.join(names)}" if names else ""

    def _wants(self, parameter: Parameter) -> str:
        shown = show_type(parameter.type)
        return f"Sequence[{shown}]" if parameter.gathers and parameter.type is not Parts else shown

    def _add(self, path: Path, what: str, why: str, hint: str) -> None:
        self.problems.add(path, what, why=why, hint=hint)


def key_columns(stage: str, spec: Spec, code: Code) -> set[str] | None:
    """Return the key columns that a stage's items may have, None where only data tell."""
    producers = [*spec.stages[stage].for_each.values()]
    passed = {stage}  # stages of one circle go through each other
    while len(producers) == 1:
        name = producers[0].partition(".")[0]
        if name in passed or name not in spec.stages or not spec.stages[name].for_each:
            break
        passed.add(name)
        producers = [*spec.stages[name].for_each.values()]
    if len(producers) == 1 and producers[0] in code.partitioners:
        return {*code.partitioners[producers[0]].columns} or None
    columns: set[str] = set()
    for text in producers:
        name, dot, column = text.partition(".")
        if name not in spec.sources or not dot or column == TABLE:
            return None
        columns.add(column)
    return columns


def _has(kind: Any, attribute: str) -> bool:
    kind = bare(kind)
    return kind is Any or attribute in getattr(kind, "model_fields", {}) or hasattr(kind, attribute)


def _show_outputs(made: Any) -> str:
    if set(made) == {""}:
        return show_type(made[""])
    return " and ".join(f"{name} ({show_type(kind)})" for name, kind in made.items())
