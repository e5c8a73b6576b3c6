"""What a function without a module to import depends on: a script's, a notebook's, a lambda, a closure.

It is followed as it is loaded, not as it is written: bytecode (without docstrings and positions), default values, the
variables that it closes over and the globals that it names, each followed in turn. What lies in a module is identified
as `stages.code` does; a library counts by version. A value that nothing here can describe counts by its pickled bytes,
and is noted: equal values may have other bytes in another session, and then run again.
Imports `flowbutton.model`, `stages.code`.
"""

from __future__ import annotations

import dataclasses
import functools
import pickle
import sys
import sysconfig
import types
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path, PurePath
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from flowbutton.model.canonical import Json, digest_bytes, digest_json
from flowbutton.model.errors import OptionError
from flowbutton.model.stage import StageDefinition
from flowbutton.stages.code import CodeIdentity, identify, identify_module

_PLAIN = (bool, int, float, complex, str, bytes, PurePath, types.NoneType, types.EllipsisType)
_HAS_DOCSTRING = 0x4000000  # of co_flags, since Python 3.13
_HIDDEN = frozenset(
    ("__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__firstlineno__", "__static_attributes__",
     "__dataclass_fields__", "__dataclass_params__")
)  # fmt: skip


def identify_value(function: Callable[..., Any], hints: Mapping[str, Any]) -> tuple[CodeIdentity, tuple[str, ...]]:
    """Return the identity of a function that is sent by value, and notes on what counts by its pickled bytes.

    Args:
        function: A Python function.
        hints: Its annotations, evaluated: how arguments are read depends on them.

    Raises:
        OptionError: it holds a value that can't be described and can't be pickled.
    """
    follower = _Follower()
    described: Json = [follower.describe(function), {name: follower.describe(hint) for name, hint in hints.items()}]
    digest = digest_json("by value", [described, dict(follower.parts), dict(sorted(follower.libraries.items()))])
    return CodeIdentity(digest, follower.parts, follower.libraries), tuple(follower.notes)


class _Follower:
    """Describes values as JSON; functions and classes are parts of their own, named where they are used."""

    def __init__(self) -> None:
        self.parts: dict[str, str] = {}
        self.libraries: dict[str, str] = {}
        self.notes: list[str] = []
        self._names: dict[int, str] = {}
        self._kept: list[object] = []  # what is alive keeps its id

    def describe(self, value: object, name: str = "") -> Json:
        """Return what tells a value from others; ``name`` is how it is called, for notes."""
        if isinstance(value, _PLAIN):
            return [type(value).__name__, str(value) if isinstance(value, PurePath) else repr(value)]
        if isinstance(value, tuple | list):
            return [type(value).__name__, [self.describe(item, name) for item in value]]
        if isinstance(value, dict):
            return ["dict", [[self.describe(key, name), self.describe(item, name)] for key, item in value.items()]]
        if isinstance(value, set | frozenset):
            return ["set", sorted(digest_json("item", self.describe(item, name)) for item in value)]
        if isinstance(value, types.ModuleType):
            return self._library(value.__name__)
        if isinstance(value, StageDefinition):
            return ["stage", value.uses, value.version, self.describe(value.function, name)]
        if get_origin(value) is not None:
            return ["type", self.describe(get_origin(value)), [self.describe(item) for item in get_args(value)]]
        if isinstance(value, functools.partial):
            return ["partial", self.describe(value.func), self.describe(value.args), self.describe(value.keywords)]
        if isinstance(value, types.MethodType):
            return ["method", self.describe(value.__func__), self.describe(value.__self__, name)]
        if isinstance(value, Enum):
            return ["enum", self.describe(type(value)), value.name]
        return self._named(value) or self._pickled(value, name)

    def _named(self, value: object) -> Json:
        """Describe what has a name: by the module that has it, else by what it is made of; None for what has none."""
        module, qualname = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
        if isinstance(value, types.BuiltinFunctionType | type) and module in (None, "builtins"):
            return ["builtin", str(qualname)]
        if isinstance(module, str) and isinstance(qualname, str) and importable(value):
            if _is_library(module):
                return [self._library(module), qualname]
            found = identify(value)
            self.parts.update(found.parts)
            self.libraries.update(found.libraries)
            return ["code", module, qualname]
        if isinstance(value, types.FunctionType):
            return self._part(value, f"{module}:{qualname}", lambda: self._function(value))
        if isinstance(value, type):
            return self._part(value, f"{module}:{qualname}", lambda: self._class(value))
        return None

    def _part(self, value: object, name: str, make: Callable[[], Json]) -> Json:
        """Describe a function or class once; where it names itself again, its name stands."""
        if id(value) not in self._names:
            while name in self.parts:
                name += "'"  # a second lambda, say
            self._names[id(value)] = name
            self._kept.append(value)
            self.parts[name] = ""
            self.parts[name] = digest_json("part", make())
        return ["part", self._names[id(value)]]

    def _function(self, function: types.FunctionType) -> Json:
        code = function.__code__
        names = sorted(_names_of(code) & function.__globals__.keys())
        cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
        return [
            _code(code),
            self.describe(function.__defaults__),
            self.describe(function.__kwdefaults__),
            {name: self.describe(function.__globals__[name], name) for name in names},
            {name: self.describe(_content(cell), name) for name, cell in cells},
        ]

    def _class(self, kind: type) -> Json:
        own = {name: value for name, value in vars(kind).items() if not (name in _HIDDEN or name.startswith("_abc_"))}
        fields: dict[str, Json] = {}
        if issubclass(kind, BaseModel):  # what pydantic adds follows from the fields
            own = {name: value for name, value in own.items() if not name.startswith("__") or callable(value)}
            for name, field in kind.model_fields.items():
                default = None if field.is_required() else self.describe(field.default, name)
                made = self.describe(field.default_factory, name)
                fields[name] = [self.describe(field.annotation), default, made, repr(field.metadata)]
        elif dataclasses.is_dataclass(kind):
            for item in dataclasses.fields(kind):
                defaults = [part for part in (item.default, item.default_factory) if part is not dataclasses.MISSING]
                fields[item.name] = [self.describe(item.type), self.describe(defaults, item.name)]
        members = {name: self._member(value, f"{kind.__qualname__}.{name}") for name, value in sorted(own.items())}
        return [[self.describe(base) for base in kind.__bases__], members, fields]

    def _member(self, value: object, name: str) -> Json:
        if isinstance(value, staticmethod | classmethod):
            return [type(value).__name__, self.describe(value.__func__, name)]
        if isinstance(value, property):
            return ["property", *(self.describe(part) for part in (value.fget, value.fset, value.fdel))]
        if isinstance(value, types.MemberDescriptorType | types.GetSetDescriptorType):
            return ["slot", value.__name__]
        return self.describe(value, name)

    def _library(self, module: str) -> Json:
        found = identify_module(module)
        self.parts.update(found.parts)
        self.libraries.update(found.libraries)
        return ["module", module]

    def _pickled(self, value: object, name: str) -> Json:
        try:
            data = pickle.dumps(value, protocol=5)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise OptionError(
                f"'{name or type(value).__name__}' can't be sent to workers",
                why=f"{type(value).__name__}: {error}",
                hint="open files, locks and connections inside the function, or make it an input",
            ) from error
        self.notes.append(f"'{name}' ({type(value).__name__}) counts by its pickled bytes")
        return ["pickle", type(value).__qualname__, digest_bytes(data)]


def importable(value: object) -> bool:
    """Return whether another process finds the very same thing by module and name."""
    module, qualname = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
    if not isinstance(module, str) or module == "__main__" or "<" in qualname:
        return False
    found: object = sys.modules.get(module)
    for name in qualname.split("."):
        found = getattr(found, name, None)
    return found is value or (isinstance(found, StageDefinition) and found.function is value)


def _is_library(module: str) -> bool:
    """Return whether a module was installed, and not linked to its source as one that is worked on."""
    top = module.partition(".")[0]
    file = getattr(sys.modules.get(top), "__file__", None)
    if top == "flowbutton":  # what is named of it counts by its code, as in functions of modules
        return False
    if top in sys.stdlib_module_names or file is None:
        return True
    places = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    return any(Path(file).is_relative_to(place) for place in places)


def _content(cell: types.CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not bound yet
        return None


def _names_of(code: types.CodeType) -> set[str]:
    inner = (item for item in code.co_consts if isinstance(item, types.CodeType))
    return {*code.co_names}.union(*(_names_of(item) for item in inner))


def _code(code: types.CodeType) -> Json:
    """Describe bytecode without its words: docstring, file, lines, the function's name."""
    constants = [_constant(item) for item in code.co_consts]
    if _has_docstring(code):
        constants[0] = None
    return [
        f"{sys.version_info.major}.{sys.version_info.minor}",
        code.co_code.hex(),
        code.co_exceptiontable.hex(),
        constants,
        [[*code.co_names], [*code.co_varnames], [*code.co_freevars], [*code.co_cellvars]],
        [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & ~_HAS_DOCSTRING],
    ]


def _has_docstring(code: types.CodeType) -> bool:
    if sys.version_info >= (3, 13):
        return bool(code.co_flags & _HAS_DOCSTRING)
    # The first constant is kept free for it, but not in what has no docstring: lambdas, comprehensions.
    return not code.co_name.startswith("<") and bool(code.co_consts) and isinstance(code.co_consts[0], str)


def _constant(item: object) -> Json:
    if isinstance(item, types.CodeType):
        return _code(item)
    if isinstance(item, frozenset):
        return ["frozenset", sorted(repr(part) for part in item)]
    if isinstance(item, tuple):
        return ["tuple", [_constant(part) for part in item]]
    return [type(item).__name__, repr(item)]
