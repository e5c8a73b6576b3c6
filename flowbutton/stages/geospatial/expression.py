"""Band math: expressions on the bands of a raster, parsed into nodes of our own and never run as Python.

Each band and number is cast to one floating type before anything is computed, and every step keeps that type. So
``(nir - red) / (nir + red)`` on bytes does not wrap, and is what gdal_calc gives with both bands cast to float32.

Here: grammar, named indices, evaluation. Not here: nodata, windows (`band_math`). Imports `flowbutton.model`, numpy.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flowbutton.model.errors import OptionError
from flowbutton.model.near import did_you_mean

Array = npt.NDArray[Any]

INDICES = {
    "ndvi": "(nir - red) / (nir + red)",  # Rouse et al. 1974
    "ndwi": "(green - nir) / (green + nir)",  # McFeeters 1996, doi:10.1080/01431169608948714
    "evi": "2.5 * (nir - red) / (nir + 6 * red - 7.5 * blue + 1)",  # Huete et al. 2002, reflectances of 0 to 1
    "savi": "1.5 * (nir - red) / (nir + red + 0.5)",  # Huete 1988, L = 0.5, reflectances of 0 to 1
}
"""What an expression of one word may stand for, unless a band has that name."""

_MOST_NODES = 1000
_OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
    ast.USub: np.negative,
    ast.UAdd: np.positive,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}


def _bit(value: Array, place: Array) -> Array:
    return np.asarray(np.mod(np.floor_divide(value, np.exp2(place)), value.dtype.type(2)))


def _isin(value: Array, *wanted: Array) -> Array:
    return np.asarray(np.any([value == one for one in wanted], axis=0))


def _where(condition: Array, yes: Array, no: Array) -> Array:
    return np.where(condition != 0, yes, no)


_FUNCTIONS: Mapping[str, tuple[Callable[..., Any], int, int]] = {
    "abs": (np.abs, 1, 1),
    "sqrt": (np.sqrt, 1, 1),
    "exp": (np.exp, 1, 1),
    "log": (np.log, 1, 1),
    "min": (lambda *given: np.minimum.reduce(given), 2, 20),
    "max": (lambda *given: np.maximum.reduce(given), 2, 20),
    "where": (_where, 3, 3),
    "bit": (_bit, 2, 2),
    "isin": (_isin, 2, 100),
}
"""Functions by name, with the fewest and the most arguments. ``bit(qa, 3)`` is bit 3 of a whole number, 0 or 1."""


@dataclass(frozen=True, slots=True)
class Node:
    """A band (``name``), a number (``value``), or an operation on ``inputs``."""

    name: str = ""
    value: float = 0.0
    operation: Callable[..., Any] | None = None
    inputs: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression, and the bands that it uses, sorted."""

    text: str
    root: Node
    bands: tuple[str, ...]

    def evaluate(self, bands: Mapping[str, Array], dtype: npt.DTypeLike = np.float32) -> Array:
        """Compute it pixel by pixel, in ``dtype`` at every step; what can't be computed is NaN or infinite."""
        kind = np.dtype(dtype).type
        cast = {name: bands[name].astype(kind, copy=False) for name in self.bands}
        with np.errstate(all="ignore"):
            return np.asarray(_value(self.root, cast, kind), kind)


def parse(text: str, bands: tuple[str, ...]) -> Expression:
    """Parse an expression on ``bands``, or the name of an index.

    Raises:
        OptionError: it can't be parsed, has something that is not allowed, or names an unknown band; ``column`` counts
            characters from 1.
    """
    spelled = INDICES.get(text.strip().lower(), text) if text.strip() not in bands else text
    source = spelled.strip()
    shift = len(spelled) - len(spelled.lstrip())
    try:
        tree = ast.parse(source, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        column = (getattr(error, "offset", None) or 1) + shift
        raise _bad(spelled, f"it can't be read: {getattr(error, 'msg', error)}", column) from error
    if sum(1 for _ in ast.walk(tree)) > _MOST_NODES:
        raise _bad(spelled, f"it has more than {_MOST_NODES} parts", 1)
    found: set[str] = set()
    root = _node(tree.body, _Place(spelled, source, shift), bands, found)
    if not found:
        raise _bad(spelled, "it uses no band", 1)
    return Expression(spelled, root, tuple(sorted(found)))


@dataclass(frozen=True, slots=True)
class _Place:
    """Tells columns in the text as it was given; `ast` counts bytes."""

    text: str
    source: str
    shift: int

    def error(self, node: ast.expr, why: str) -> OptionError:
        line = self.source.split("\n")[node.lineno - 1].encode()
        before = sum(len(one) + 1 for one in self.source.split("\n")[: node.lineno - 1])
        return _bad(self.text, why, before + len(line[: node.col_offset].decode("utf-8", "replace")) + self.shift + 1)


def _node(node: ast.expr, place: _Place, bands: tuple[str, ...], found: set[str]) -> Node:
    def inner(*some: ast.expr) -> tuple[Node, ...]:
        return tuple(_node(one, place, bands, found) for one in some)

    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return Node(value=float(value))
        case ast.Name(id=name):
            if name not in bands:
                raise place.error(node, f"there is no band '{name}'; {did_you_mean(name, bands, listed='bands')}")
            found.add(name)
            return Node(name=name)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return Node(operation=_OPERATORS[type(op)], inputs=inner(left, right))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
            return Node(operation=_OPERATORS[type(op)], inputs=inner(operand))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _OPERATORS:
            return Node(operation=_OPERATORS[type(op)], inputs=inner(left, right))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            if name not in _FUNCTIONS:
                raise place.error(
                    node, f"there is no function '{name}'; {did_you_mean(name, _FUNCTIONS, listed='functions')}"
                )
            function, least, most = _FUNCTIONS[name]
            if not least <= len(args) <= most:
                raise place.error(node, f"'{name}' takes {least if least == most else f'{least} to {most}'} values")
            return Node(operation=function, inputs=inner(*args))
    raise place.error(node, f"'{ast.unparse(node)[:40]}' is nothing that band math knows")


def _value(node: Node, bands: Mapping[str, Array], kind: Any) -> Any:
    if node.operation is not None:
        return np.asarray(node.operation(*(_value(one, bands, kind) for one in node.inputs)), kind)
    return bands[node.name] if node.name else kind(node.value)


def _bad(text: str, why: str, column: int) -> OptionError:
    hint = "write band math as (nir - red) / (nir + red): bands, numbers, + - * / ** comparisons, and functions "
    return OptionError(
        f"the expression '{text}' can't be used", why=why, hint=hint + ", ".join(sorted(_FUNCTIONS)), character=column
    )
