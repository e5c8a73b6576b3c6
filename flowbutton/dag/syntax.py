"""What is said of text that is no YAML: the parser's findings in the words of people who write pipelines.

A parser notices a mistake where it can't go on, which is rarely where the mistake is: an open brace is told where it
was opened, a line without a colon where it begins.

Imports PyYAML.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import yaml

from flowbutton.dag.problems import Position

_CLOSING = {"{": "}", "[": "]"}
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # as YAML counts lines
_ESCAPES = "in \"double quotes\" a backslash begins an escape; use 'single quotes' where it is meant as itself"


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a text, and where."""

    position: Position
    what: str
    hint: str
    why: str = ""


def position_of(mark: yaml.Mark) -> Position:
    """Return a place of PyYAML, which counts from 0."""
    return Position(mark.line + 1, mark.column + 1)


def mistake(error: yaml.MarkedYAMLError, text: str) -> Mistake:
    """Tell what the parser found."""
    found = _Found(error, _BREAK.split(text))
    for pattern, tell in _TOLD:
        if pattern.search(f"{error.context or ''}; {error.problem or ''}"):
            return tell(found)
    return Mistake(found.at, error.problem or "this is no YAML", "check the indentation, colons and quotes around it")


class _Found:
    """A finding of the parser: what it says, where it noticed, and where what it was reading had begun."""

    def __init__(self, error: yaml.MarkedYAMLError, lines: list[str]) -> None:
        noticed = error.problem_mark or error.context_mark
        self.problem, self.lines = error.problem or "", lines
        self.at = position_of(noticed) if noticed else Position(1, 1)
        self.begun = position_of(error.context_mark) if error.context_mark else self.at

    def line(self, number: int) -> str:
        """Return a line's text; lines are counted from 1."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def last_open(self) -> Position:
        """Return where the innermost brace or bracket stands that is open where the parser is; else that place."""
        stack: list[Position] = []
        for number, line in enumerate(self.lines[: self.at.line], 1):
            for column, char in enumerate(line, 1):
                if (number, column) >= self.at:
                    break
                if char in _CLOSING:
                    stack.append(Position(number, column))
                elif char in _CLOSING.values() and stack:
                    stack.pop()
        return stack[-1] if stack else self.at

    def char(self, place: Position) -> str:
        """Return the character at a place."""
        return self.line(place.line)[place.column - 1 : place.column]


def _open(found: _Found) -> Mistake:
    """Something stands in braces or brackets that can't be there: they were not closed, or a text needs quotes."""
    begun = found.begun if found.char(found.begun) in _CLOSING else found.last_open()
    opened, here = found.char(begun), found.char(found.at)
    closing = _CLOSING.get(opened, "}")
    if "expected the node content" in found.problem and here and here in "}],:":
        return Mistake(found.at, f"a value is missing before this '{here}'", "write it, or remove what is left of it")
    if here == "{" and found.line(found.at.line)[found.at.column - 2 : found.at.column - 1] == "$":
        at = Position(found.at.line, found.at.column - 1)
        return Mistake(at, f"a placeholder inside {opened} {closing} needs quotes", 'write "${params.NAME}"')
    if found.at.line == begun.line and here == ":":
        hint = "put quotes around a text that contains a colon, a comma or a brace"
        return Mistake(found.at, f"a colon stands in a text inside {opened} {closing}", hint)
    return Mistake(begun, f"this '{opened}' is not closed", f"add the '{closing}' that belongs to it")


def _quote(found: _Found) -> Mistake:
    quote = found.char(found.begun)
    return Mistake(found.begun, f"this quote is not closed: {quote}", f"add the {quote} at the end of the text")


def _block(found: _Found) -> Mistake:
    """A line can't stand where it stands: it closes what was not open, lacks its colon, or is badly indented."""
    here, line = found.char(found.at), found.line(found.at.line)
    begins = len(line) - len(line.lstrip()) + 1
    if here and here in "}]":
        return Mistake(found.at, f"this '{here}' closes nothing", "remove it")
    if found.at.column == begins:
        return _indented(found)
    before = line[: found.at.column - 1].strip()
    if re.fullmatch(r"[\w.-]+( \{.*)?", before):
        return Mistake(Position(found.at.line, begins), "a colon is missing on this line", "write 'name: value'")
    hint = "a value in quotes ends with them: check the quotes of this line and the one before"
    return Mistake(found.at, "there is something after the end of a value", hint)


def _indented(found: _Found) -> Mistake:
    """The line's first word is where no key can be; the lines above say which columns would do."""
    first = 1 if found.begun == found.at else found.begun.line
    depths = [_depth(found.line(number)) for number in range(found.at.line - 1, first - 1, -1)]
    known = sorted({depth for depth in depths if depth is not None})
    here = found.at.column - 1
    near = min(known, key=lambda depth: (abs(depth - here), -depth), default=None)
    if near == here:
        hint = "begin each line with '- ', or none"
        return Mistake(found.at, "a list and a mapping can't stand at one depth", hint)
    if near is None:
        return Mistake(found.at, "this line is not indented as its neighbours are", "align it with them")
    hint = f"it is indented by {here}; {near} would fit the lines above"
    return Mistake(found.at, "this line is not indented as its neighbours are", hint)


def _outside(found: _Found) -> Mistake:
    """Something stands after the document's end: a line at the left of all others, or what follows ``...``."""
    if any(line.startswith("...") for line in found.lines[: found.at.line]):
        return _second_document(found)
    return _indented(found)


def _block_text(found: _Found) -> Mistake:
    sign = found.char(found.begun)
    hint = "write the text on the next lines, indented; or put quotes around a text that begins with it"
    return Mistake(found.begun, f"after '{sign}' the line ends", hint, why=f"{sign} begins a text of several lines")


def _directive(found: _Found) -> Mistake:
    return Mistake(found.begun, "a line can't begin with %", "put quotes around the text", why="YAML reserves it")


def _no_value(found: _Found) -> Mistake:
    here = found.char(found.at) or "this"
    return Mistake(found.at, f"a value can't begin with '{here}'", "put quotes around the text, or remove the sign")


def _list_in_line(found: _Found) -> Mistake:
    return Mistake(found.at, "a list can't begin here", "begin it on the next line, or write [a, b]")


def _depth(line: str) -> int | None:
    stripped = line.lstrip(" ")
    return len(line) - len(stripped) if stripped and not stripped.startswith("#") else None


def _second_colon(found: _Found) -> Mistake:
    """A second colon in a line, or a key under a line that has a value, or none of its own colon."""
    line = found.line(found.at.line)
    key = re.match(r"\s*[^\s:#]+:\s", line)
    if key and found.at.column > key.end():
        hint = "put quotes around a text that contains a colon and a space"
        return Mistake(found.at, "a second colon on this line", hint)
    above = next((n for n in range(found.at.line - 1, 0, -1) if _depth(found.line(n)) is not None), found.at.line)
    place = Position(above, (_depth(found.line(above)) or 0) + 1)
    if ":" in found.line(above):
        return Mistake(_start(found), "this line is indented under a line that has a value already",
                       "align it with the line above, or remove the value there")  # fmt: skip
    return Mistake(place, "a colon is missing at the end of this line", f"write '{found.line(above).strip()}:'")


def _start(found: _Found) -> Position:
    return Position(found.at.line, (_depth(found.line(found.at.line)) or 0) + 1)


def _no_colon(found: _Found) -> Mistake:
    line = found.line(found.begun.line).strip()
    close = re.fullmatch(r"([\w-]+):(\S.*)", line)
    hint = f"write '{close[1]}: {close[2]}'" if close else "write 'name: value'"
    what = "a space is missing after the colon" if close else "this line has no colon"
    return Mistake(found.begun, what, hint)


def _taken(found: _Found) -> Mistake:
    here = found.char(found.at)
    if here == "\t":
        return Mistake(found.at, "a tab stands where YAML wants spaces", "indent with spaces")
    return Mistake(found.at, f"a text can't begin with {here}", "put quotes around the text", why="YAML reserves it")


def _star(found: _Found) -> Mistake:
    here = found.char(found.begun) or "*"
    why = f"{here} without quotes is {'an alias' if here == '*' else 'an anchor'} of YAML"
    return Mistake(found.begun, f"a text can't begin with {here}", "put quotes around the text", why=why)


def _unknown_alias(found: _Found) -> Mistake:
    name = found.problem.split("'")[1]
    hint = f"write &{name} before the value that is meant; or put quotes around a text that begins with *"
    return Mistake(found.at, f"there is no anchor &{name} above", hint)


def _second_anchor(found: _Found) -> Mistake:
    hint = f"the first is on line {found.begun.line}; give this one another name"
    return Mistake(found.at, "a second anchor of this name", hint)


def _second_document(found: _Found) -> Mistake:
    return Mistake(
        found.at, "a second document begins here", "a file holds one pipeline: remove the line '---' or '...' before it"
    )


def _escape(found: _Found) -> Mistake:
    place = Position(found.at.line, found.at.column - 1)
    return Mistake(place, f"'\\{found.char(found.at)}' is not an escape sequence", _ESCAPES)


_TOLD: list[tuple[re.Pattern[str], Callable[[_Found], Mistake]]] = [
    (re.compile(pattern), tell)
    for pattern, tell in (
        ("quoted scalar; found unexpected (end of stream|document separator)", _quote),
        ("found unknown escape character|expected escape sequence", _escape),
        ("while scanning an? (alias|anchor)", _star),
        ("found undefined alias", _unknown_alias),
        ("found duplicate anchor", _second_anchor),
        ("but found another document|expected a single document", _second_document),
        ("while scanning a block scalar", _block_text),
        ("while scanning a directive", _directive),
        ("expected '<document start>'", _outside),
        ("sequence entries are not allowed", _list_in_line),
        ("while parsing a block node; .*node content", _no_value),
        ("cannot start any token|expected.* indentation|found character '%'", _taken),
        ("while parsing a flow (mapping|sequence|node)", _open),
        ("mapping values are not allowed", _second_colon),
        ("could not find expected ':'", _no_colon),
        ("expected <block end>|did not find expected", _block),
    )
]
