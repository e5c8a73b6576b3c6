"""The inputs of a program as files, and its command line with the placeholders put in.

Every placeholder becomes a part of one element, so that no value can add another; there is no shell. Text from data
that would be taken for an option is refused. Not here: running it (`stages.command`), the grammar (`model.command`).
Imports `flowbutton.model`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowbutton.model.canonical import Json, canonical
from flowbutton.model.command import LIST, OUT, WITH, Command, Feed, Slot, parse_template
from flowbutton.model.errors import BadInput

Scalar = bool | int | float | str
Option = Scalar | list[Scalar] | None


@dataclass(frozen=True, slots=True)
class Files:
    """An argument that is files, by part; ``""`` for one without parts. Gathered ones are in ``many``."""

    parts: Mapping[str, Path]
    many: Sequence[Path] | None = None


def place_input(name: str, feed: Feed, value: Any, work: Path) -> Any:
    """Put an argument's files under ``in/``; return them, or the value that it is."""
    if feed is Feed.VALUE:
        return value
    folder = work / "in" / name
    folder.mkdir(parents=True)
    if feed is Feed.PIECE:
        return Files(value.as_files(folder))
    if feed is Feed.RESULT:
        return Files({"": _linked(value, folder / name)})
    return Files({}, [_linked(path, folder / f"{number:06}") for number, path in enumerate(value, start=1)])


def _linked(path: Path, place: Path) -> Path:
    """Link a file, with its own extension."""
    named = place.with_name(place.name + "".join(path.suffixes))
    named.symlink_to(path)
    return named


@dataclass(frozen=True, slots=True)
class CommandLine:
    """The command line of one task: its placeholders, and what they stand for."""

    command: Command
    inputs: Mapping[str, Any]
    options: Mapping[str, Option]
    work: Path

    def elements(self) -> list[str]:
        """Return the elements, the program first."""
        return [text for template in self.command.argv for text in self._element(template)]

    def shown(self) -> list[str]:
        """Return the elements as a log may show them: options may hold what is secret, so their names stand."""
        return [
            text
            for template in self.command.argv
            for text in ([template] if f"{{{WITH}." in template else self._element(template))
        ]

    def file(self, template: str) -> Path:
        """Return the file that a template of one placeholder names."""
        return self.work / self._element(template)[0]

    def _element(self, template: str) -> list[str]:
        """Return the element of a template: one, several for a list that stands alone, none if a value is null."""
        parts = parse_template(template)
        found = [[part] if isinstance(part, str) else self._texts(part, alone=len(parts) == 1) for part in parts]
        if any(not texts for texts in found):
            return []
        made = found[0] if len(found) == 1 else ["".join(text for texts in found for text in texts)]
        if isinstance(parts[0], Slot):
            _refuse_options(made, parts[0], self._raw(parts[0]))
        return made

    def _raw(self, slot: Slot) -> object:
        return self.options[slot.path[0]] if slot.name == WITH else self.inputs.get(slot.name)

    def _texts(self, slot: Slot, *, alone: bool) -> list[str]:
        if slot.name == OUT:
            return [self.command.outputs[slot.path[0] if slot.path else ""]]
        value = self._raw(slot)
        if isinstance(value, Files):
            return self._paths(slot, value)
        if slot.name != WITH and not slot.path and isinstance(value, list | dict):
            return [self._json(slot.name, value)]
        for step in slot.path if slot.name != WITH else ():
            value = _attribute(value, step, slot)
        if value is None:
            return []
        if isinstance(value, list) and alone:
            return [_text(item, slot) for item in value]
        return [_text(value, slot)]

    def _paths(self, slot: Slot, files: Files) -> list[str]:
        if files.many is not None:
            chosen = [self._list(slot.name, files.many)] if slot.path == (LIST,) else list(files.many)
            return [str(path.relative_to(self.work)) for path in chosen]
        part = ".".join(slot.path)
        if part not in files.parts:
            there = ", ".join(str(Slot(slot.name, (name,) if name else ())) for name in files.parts)
            raise BadInput(
                f"'{slot}' is no file of what '{slot.name}' is bound to",
                why=f"its files are: {there}",
                hint="single reads are one file, pairs in two files are r1 and r2",
                argument=slot.name,
            )
        return [str(files.parts[part].relative_to(self.work))]

    def _json(self, name: str, value: Json) -> str:
        """Write a value that is more than a text; return the file's name."""
        place = self.work / "in" / f"{name}.json"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(canonical(value))
        return str(place.relative_to(self.work))

    def _list(self, name: str, paths: Sequence[Path]) -> Path:
        place = self.work / "in" / f"{name}.list"
        place.write_text("".join(f"{path.relative_to(self.work)}\n" for path in paths))
        return place


def _attribute(value: object, step: str, slot: Slot) -> object:
    if not isinstance(value, Mapping) or step not in value:
        there = ", ".join(value) if isinstance(value, Mapping) else f"it is {value!r}"
        raise BadInput(f"'{slot}' is not in the item", why=f"there is: {there}", hint="", argument=slot.name)
    return value[step]


def _text(value: object, slot: Slot) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str) and "\0" not in value:
        return value
    raise BadInput(
        f"the value of '{slot}' can't be put on a command line",
        why=f"it is {value!r}",
        hint="name a text or a number; a list stands alone in its element",
        argument=slot.name,
    )


def _refuse_options(texts: Sequence[str], slot: Slot, raw: object) -> None:
    """Refuse text from data that the program would take for an option; a negative number is none."""
    if isinstance(raw, Files) or (isinstance(raw, int | float) and not isinstance(raw, bool)):
        return
    for text in texts:
        if text.startswith("-"):
            raise BadInput(
                f"the value {text!r} of '{slot}' begins with '-'",
                why="the program would take it for an option",
                hint=f"write --name={slot} as one element, or rename it in the data",
                argument=slot.name,
            )
