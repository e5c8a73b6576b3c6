"""A program as a stage: the command line with its placeholders, and what they stand for.

Here: the value, its text form (by which another process makes the stage again), the grammar of placeholders.
Not here: how a pipeline file says it (`dag.commands`), running it (`stages.command`). Imports `model.canonical`.

Placeholders: ``{name}``, ``{name.part}``, ``{out}``, ``{out.name}``, ``{with.name}``; ``{{`` and ``}}`` are braces.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from flowbutton.model.canonical import canonical

ADDRESS = "command:{"
"""How the address of a command begins; no ``module:function`` does, as a brace is no letter."""
OUT, WITH, LIST = "out", "with", "list"
"""Names with a meaning in placeholders: no argument may be called ``out`` or ``with``."""

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_PATH = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")


class Feed(StrEnum):
    """In what form a command gets an argument."""

    PIECE = "piece"  # of a source: files that its reader writes
    RESULT = "result"  # of a stage: a file
    RESULTS = "results"  # gathered: files, in the order of the data
    VALUE = "value"  # of a key column, an item or a table: text, or a value with attributes


@dataclass(frozen=True, slots=True)
class Slot:
    """A placeholder: ``{reads.r1}`` is the name ``reads`` and the path ``("r1",)``."""

    name: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return "{" + ".".join((self.name, *self.path)) + "}"


Template = tuple[str | Slot, ...]


def parse_template(text: str) -> Template:
    """Split a text at its placeholders.

    Raises:
        ValueError: a brace belongs to no placeholder.
    """
    parts: list[str | Slot] = []
    plain, end = "", 0
    for match in _PLACEHOLDER.finditer(text):
        plain += text[end : match.start()]
        end = match.end()
        inside = match[1]
        if match[0] in ("{{", "}}"):
            plain += match[0][0]
        elif inside is not None and _PATH.fullmatch(inside):
            name, *path = inside.split(".")
            parts += [plain, Slot(name, tuple(path))] if plain else [Slot(name, tuple(path))]
            plain = ""
        else:
            raise ValueError(f"'{match[0]}' is no placeholder")
    plain += text[end:]
    return (*parts, plain) if plain or not parts else tuple(parts)


@dataclass(frozen=True, slots=True)
class Command:
    """A command as a pipeline file declares it, checked.

    ``argv`` are templates, the first is the program. ``inputs`` are in the order of the file, ``for_each`` first;
    ``options`` are the names under ``with``. ``outputs`` are file names in the working folder by name; ``""`` alone
    names the one output. ``stdin`` is a template of one file, ``stdout`` a file name. ``program`` is the sha256 of the
    program's file, once it was found.
    """

    argv: tuple[str, ...]
    inputs: Mapping[str, Feed]
    options: tuple[str, ...]
    outputs: Mapping[str, str]
    stdin: str | None = None
    stdout: str | None = None
    version: int = 1
    program: str = ""

    @property
    def address(self) -> str:
        """All of the command as text: what `StageDefinition.uses` is, and what enters fingerprints."""
        # Canonical JSON sorts keys, and the order of inputs says which one is counted.
        value = {**asdict(self), "inputs": [[name, feed.value] for name, feed in self.inputs.items()]}
        return ADDRESS[:-1] + canonical(value).decode()

    @classmethod
    def at(cls, address: str) -> Command:
        """Read what `address` wrote."""
        value = json.loads(address.removeprefix(ADDRESS[:-1]))
        return cls(
            argv=tuple(value["argv"]),
            inputs={name: Feed(feed) for name, feed in value["inputs"]},
            options=tuple(value["options"]),
            outputs=value["outputs"],
            stdin=value["stdin"],
            stdout=value["stdout"],
            version=value["version"],
            program=value["program"],
        )

    @property
    def counted(self) -> str | None:
        """The argument whose records the ledger counts: the first that is a piece."""
        return next((name for name, feed in self.inputs.items() if feed is Feed.PIECE), None)

    def slots(self) -> Iterator[tuple[Slot, bool]]:
        """Yield each placeholder of the command line, and whether its element begins with it."""
        for text in self.argv:
            for number, part in enumerate(parse_template(text)):
                if isinstance(part, Slot):
                    yield part, number == 0


def shown(uses: str) -> str:
    """Return how a stage's ``uses`` reads in a message: an address of a command is shown by its program."""
    return f"the command '{Command.at(uses).argv[0]}'" if uses.startswith(ADDRESS) else uses
