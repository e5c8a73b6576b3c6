"""YAML text → plain values that keep their places.

Scalars are read by the core schema of YAML 1.2, not by PyYAML's 1.1, so that nothing turns into something else:

======================================  ==============================================================
plain text                              is
======================================  ==============================================================
``null`` ``Null`` ``NULL`` ``~`` empty  null
``true`` ``false`` (also ``True``,      a bool; ``yes``, ``no``, ``on``, ``off`` are text
``TRUE``, ...)
``42`` ``-1`` ``0x1F`` ``0o17``         an int; ``0755``, ``1_000`` and ``12:30:00`` are text
``1.5`` ``1e3`` ``.5`` ``2.``           a float; ``.inf``, ``.nan`` and ``1e999`` are text: no field takes them
all else, and everything in quotes      text; ``2024-05-01`` too
======================================  ==============================================================

``0755`` differs from the core schema, which reads 755 (YAML 1.1: 493): a number that two readers understand in two ways
is kept as it was written. Keys are text. Anchors, aliases and merges (``<<``) are allowed, other tags are not.

Not here: what the values mean (`dag.spec`), what is said of text that is no YAML (`dag.syntax`). Imports PyYAML.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from flowbutton.dag.problems import Path, Position, Positions, Problems
from flowbutton.dag.syntax import mistake, position_of

NODE_LIMIT = 100_000
"""Values in a file after its aliases are put in: a few lines of aliases of aliases would fill any memory."""

_TAG = "tag:yaml.org,2002:"
_KEY_HINT = "put quotes around it; names of stages, sources and params begin with a letter"
_PLAIN = "plain"  # the tag of a scalar that has neither quotes nor a tag of its own
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_ODD = re.compile(r"[\t\ufeff?!]|[|>][-+0-9]*#|:\s*[],}]")
"""Where libyaml may take what PyYAML refuses, or tell another column."""

_NULL = re.compile(r"null|Null|NULL|~|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")

Scalar = None | bool | int | float | str


@dataclass(frozen=True, slots=True)
class Document:
    """What a YAML file says. ``value`` is None when it says nothing, or is no YAML; then ``problems`` says why."""

    value: Any
    problems: Problems

    @property
    def positions(self) -> Positions:
        """Where each key and value stands."""
        return self.problems.positions


def read_scalar(text: str) -> Scalar:
    """Read a plain scalar by the rules of this module: the same in YAML and on the command line."""
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text


def whole(value: object) -> object:
    """Take ``1e3`` for the whole number that it is; all else stays."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def load(text: str, *, file: str) -> Document:
    """Read a YAML document. Never raises for what the text says: problems are in the result."""
    keys: dict[Path, Position] = {}
    values: dict[Path, Position] = {}
    problems = Problems(Positions(file, keys, values))
    try:
        node = _compose(text)
    except (yaml.MarkedYAMLError, ReaderError) as error:
        _syntax(error, text, problems)
        return Document(None, problems)
    if node is None:
        return Document(None, problems)
    try:
        return Document(_Constructor(keys, values, problems).build(node, ()), problems)
    except _Endless as error:
        what = f"the aliases of this file expand to more than {NODE_LIMIT:,} values"
        problems.add_at(error.position, error.path, what, "", "use fewer of them")
        return Document(None, problems)


def _compose(text: str) -> yaml.Node | None:
    """Return the root of a document. Raises what PyYAML's own parser raises, whose words `dag.syntax` knows."""
    if not _ODD.search(text):
        with suppress(yaml.YAMLError, UnicodeError):  # libyaml tells other things in other words
            found: yaml.Node | None = _quick(text).get_single_node()
            return found
    return _Nodes(text).get_single_node()


class _Plain(BaseResolver):
    """No implicit types: plain scalars are read by `read_scalar`."""

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> str:
        """Mark plain scalars, which alone are not always text."""
        if kind is yaml.ScalarNode and implicit[0]:
            return _PLAIN
        return str(super().resolve(kind, value, implicit))  # type: ignore[no-untyped-call]


class _Nodes(Reader, Scanner, Parser, Composer, _Plain):
    """PyYAML up to the nodes."""

    def __init__(self, stream: str) -> None:
        Reader.__init__(self, stream)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        _Plain.__init__(self)


if yaml.__with_libyaml__:
    from yaml.cyaml import CParser  # type: ignore[attr-defined]

    class _QuickNodes(CParser, _Plain):
        """The same by libyaml, in a tenth of the time."""

        def __init__(self, stream: str) -> None:
            CParser.__init__(self, stream)
            _Plain.__init__(self)

    _quick: Callable[[str], Any] = _QuickNodes
else:
    _quick = _Nodes


def _syntax(error: yaml.MarkedYAMLError | ReaderError, text: str, problems: Problems) -> None:
    if isinstance(error, ReaderError):
        before = text[: error.position]
        position = Position(before.count("\n") + 1, error.position - (before.rfind("\n") + 1) + 1)
        what = f"the character #x{error.character:04x} is not allowed in YAML"
        problems.add_at(position, (), what, "", "remove it")
        return
    found = mistake(error, text)
    problems.add_at(found.position, (), found.what, found.why, found.hint)


class _Endless(Exception):
    """The aliases of a file unfold to more than any pipeline needs."""

    def __init__(self, position: Position, path: Path) -> None:
        super().__init__()
        self.position, self.path = position, path


class _Constructor:
    """Turns nodes into values and notes where they stand."""

    def __init__(self, keys: dict[Path, Position], values: dict[Path, Position], problems: Problems) -> None:
        self._keys, self._values, self._problems = keys, values, problems
        self._open: set[int] = set()  # the nodes around the present one: an alias to one of them never ends
        self._count = 0

    def build(self, node: yaml.Node, path: Path) -> Any:
        position = _start(node)
        self._values[path] = position
        self._count += 1
        if id(node) in self._open:
            self._problems.add_at(position, path, "an anchor holds an alias of itself", "", "remove the alias")
            return None
        if self._count > NODE_LIMIT:
            raise _Endless(position, path)
        self._open.add(id(node))
        value = self._value(node, path)
        self._open.discard(id(node))
        return value

    def _value(self, node: yaml.Node, path: Path) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        plain = _TAG + ("map" if isinstance(node, yaml.MappingNode) else "seq")
        if node.tag != plain:
            self._refuse_tag(node, path)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        return [self.build(child, (*path, number)) for number, child in enumerate(node.value)]

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Scalar:
        if node.tag == _PLAIN:
            return read_scalar(node.value)
        if node.tag == _TAG + "str":
            return str(node.value)
        self._refuse_tag(node, path)
        return None

    def _refuse_tag(self, node: yaml.Node, path: Path) -> None:
        shown = node.tag.replace(_TAG, "!!")
        self._problems.add_at(_start(node), path, f"the tag {shown} is not allowed", "", "write the value without it")

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        merged: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key_node, value_node in node.value:
            if _is_merge(key_node):
                merged = self._merged(key_node, value_node, path) | merged
                continue
            name = self._key(key_node, path)
            if name is None:
                continue
            if name in own:
                first = _start(own[name][0])
                what = f"the key '{name}' is given twice"
                hint = f"it is already on line {first.line}; keep one of them"
                self._problems.add_at(_start(key_node), (*path, name), what, "", hint)
                continue
            own[name] = (key_node, value_node)
        value: dict[str, Any] = {}
        for key, (key_node, value_node) in (own | {n: p for n, p in merged.items() if n not in own}).items():
            self._keys[(*path, key)] = _start(key_node)
            value[key] = self.build(value_node, (*path, key))
        return value

    def _merged(self, key: yaml.Node, node: yaml.Node, path: Path) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Return the pairs that ``<<`` brings in: of a mapping, or of a list of them, where the first wins."""
        found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        if isinstance(node, yaml.MappingNode) and id(node) not in self._open:
            self._open.add(id(node))
            for key_node, value_node in node.value:
                if _is_merge(key_node):
                    found = self._merged(key_node, value_node, path) | found
                elif (name := self._key(key_node, path)) is not None:
                    found[name] = (key_node, value_node)
            self._open.discard(id(node))
        elif isinstance(node, yaml.SequenceNode) and all(isinstance(child, yaml.MappingNode) for child in node.value):
            for child in reversed(node.value):
                found |= self._merged(key, child, path)
        else:
            what, hint = "<< brings in a mapping, and this is none", "write <<: *name of an anchored mapping"
            self._problems.add_at(_start(key), path, what, "", hint)
        return found

    def _key(self, node: yaml.Node, path: Path) -> str | None:
        if isinstance(node, yaml.ScalarNode):
            text = self._scalar(node, path)
            if isinstance(text, str):
                return text
        shown = f"'{node.value}'" if isinstance(node, yaml.ScalarNode) else "this"
        self._problems.add_at(_start(node), path, f"{shown} is a key, and keys are text", "", _KEY_HINT)
        return None


def _start(node: yaml.Node) -> Position:
    return position_of(node.start_mark)


def _is_merge(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == _PLAIN and node.value == "<<"
