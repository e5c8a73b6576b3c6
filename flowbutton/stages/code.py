"""What a function's answer depends on besides its inputs: its code, and the libraries that it calls.

The digest is over syntax trees (without docstrings and positions) of the function and of everything in local modules
that it names, directly or not; third-party libraries count by distribution version. A module that can't be followed
name by name (``import *``, ``globals()``, a module used as a value) counts whole. "Local" is what shares the function's
top-level package, or lies in its folder and belongs to no installed distribution; and flowbutton itself, so that a new
version of it changes the identity only of what uses the readers and types that changed.
Imports `stages.syntax`, `stages.libraries`.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

import flowbutton
from flowbutton.stages.libraries import names_of, providers
from flowbutton.stages.syntax import bound_by, imported, imports_in, names_in, stripped

_OURS = flowbutton.__name__


@dataclass(frozen=True, slots=True)
class CodeIdentity:
    """The digest of a code closure, and what it took in, for the plan.

    ``parts`` are digests of what was followed, by ``module:name``; a module that was taken whole is ``module:*``.
    ``libraries`` are versions by distribution.
    """

    digest: str
    parts: Mapping[str, str]
    libraries: Mapping[str, str]


@runtime_checkable
class Identified(Protocol):
    """A function that knows its own identity, since no source text tells it: a program, say."""

    def code_identity(self) -> CodeIdentity:
        """Return what the answer depends on besides inputs and options."""


@dataclass(frozen=True, slots=True)
class Witness:
    """What an identity was found from: while it holds, the identity does.

    ``sources`` are digests of the source texts that were read, by module. ``places`` are the files that names of
    modules meant, None where there was no such module.
    """

    sources: Mapping[str, str]
    places: Mapping[str, str | None]

    def holds(self) -> bool:
        """Return whether all modules are where they were, with the text that they had."""
        return all(_shown(_source_of(name)) == place for name, place in self.places.items()) and all(
            _source_digest(name) == digest for name, digest in self.sources.items()
        )


@dataclass(slots=True)
class _Module:
    """One parsed local module: its top-level definitions, imports, and whether it must be taken whole."""

    name: str
    digest: str  # of its source text
    tree: ast.Module
    importer: str  # what relative imports start from
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, tuple[str, str | None]] = field(default_factory=dict)  # alias -> (module, name or None)
    stars: list[str] = field(default_factory=list)  # modules of which all names are imported
    dynamic: bool = False


@dataclass(frozen=True, slots=True)
class _Facts:
    """What one definition is and names: a digest of its tree, names with the attributes after them, its imports."""

    digest: str
    names: tuple[tuple[str, tuple[str, ...]], ...]
    imports: dict[str, tuple[str, str | None]]


@cache
def identify(function: Callable[..., Any]) -> CodeIdentity:
    """Return the identity of ``function``'s code. Cached for the life of the process: code does not change under it."""
    if isinstance(function, Identified):
        return function.code_identity()
    name = global_name(function)
    return _by_source(function) if name is None else follow(*name)[0]


def global_name(function: Callable[..., Any]) -> tuple[str, str] | None:
    """Return the module of a function and its top-level name there; None where its identity is told in another way."""
    module = None if isinstance(function, Identified) else inspect.getmodule(function)
    if module is None or not hasattr(function, "__qualname__") or "<locals>" in function.__qualname__:
        return None
    return module.__name__, function.__qualname__.partition(".")[0]


def follow(module: str, name: str) -> tuple[CodeIdentity, Witness]:
    """Return the identity of a top-level name of a module, and what it was found from."""
    closure = _Closure(module.partition(".")[0])
    closure.take(module, name)
    return closure.identity(), closure.witness()


@cache
def identify_module(name: str) -> CodeIdentity:
    """Return the identity of a module as a whole: a library by its version, a local one by all of its code."""
    top = name.partition(".")[0]
    closure = _Closure("" if top in sys.stdlib_module_names or top in providers() else top)
    closure.take_whole(name)
    return closure.identity()


def _by_source(function: Callable[..., Any]) -> CodeIdentity:
    """Identify a function that stands in no module (a notebook's, a local one) by its own text alone."""
    text = textwrap.dedent(inspect.getsource(function))
    digest = hashlib.sha256(ast.dump(stripped(ast.parse(text))).encode()).hexdigest()
    return CodeIdentity(digest, {function.__name__: digest}, {})


class _Closure:
    """Follows names through local modules, each once."""

    def __init__(self, package: str) -> None:
        self._package, self._folder = package, _folder_of(package)
        self._modules: set[str] = set()
        self._looked: set[str] = {package}
        self._seen: dict[tuple[str, str], str] = {}
        self._libraries: dict[str, str] = {}

    def identity(self) -> CodeIdentity:
        total = hashlib.sha256()
        for (module, name), dump in sorted(self._seen.items()):
            total.update(f"{module}\0{name}\0{dump}\0".encode())
        for library, number in sorted(self._libraries.items()):
            total.update(f"{library}=={number}\0".encode())
        parts = {f"{module}:{name}": dump for (module, name), dump in sorted(self._seen.items())}
        return CodeIdentity(total.hexdigest(), parts, dict(sorted(self._libraries.items())))

    def witness(self) -> Witness:
        names = sorted(self._modules | self._looked)
        sources = {name: _parse(name).digest for name in sorted(self._modules)}
        return Witness(sources, {name: _shown(_source_of(name)) for name in names})

    def _parsed(self, module_name: str) -> _Module:
        self._modules.add(module_name)
        return _parse(module_name)

    def take(self, module_name: str, name: str, attributes: Sequence[str] = ()) -> None:
        """Take in a top-level name of a local module and all that it names; ``attributes`` follow it where it is used.

        A name that is nowhere in the module is one of a module that makes its names when it runs: that counts whole.
        """
        module = self._parsed(module_name)
        known = name in module.definitions or name in module.imports
        if module.dynamic or not known:
            self.take_whole(module_name)
        elif name in module.definitions and (module_name, name) not in self._seen:
            facts = _facts(module_name, name)
            self._seen[module_name, name] = facts.digest
            self._follow(module, facts)
        if name in module.imports:
            self._take_import(*module.imports[name], attributes)

    def take_whole(self, module_name: str) -> None:
        """Take in all of a local module, or the version of a library.

        flowbutton's own name alone means any of its modules, which it imports when they are used: its version, too.
        """
        if module_name == _OURS or not self._is_local(module_name):
            self._take_library(module_name)
        elif (module_name, "*") not in self._seen:
            module = self._parsed(module_name)
            facts = _facts(module_name, None)
            self._seen[module_name, "*"] = facts.digest
            self._follow(module, facts)
            for base in module.stars:
                self.take_whole(base)

    def _follow(self, module: _Module, facts: _Facts) -> None:
        for name, attributes in facts.names:
            target = facts.imports.get(name) or module.imports.get(name)
            if target is not None:
                self._take_import(*target, attributes)
            if name in module.definitions:
                self.take(module.name, name)
        for module_name, _name in facts.imports.values():
            if not self._is_local(module_name):
                self._take_library(module_name)

    def _take_import(self, module_name: str, name: str | None, attributes: Sequence[str]) -> None:
        """Take in what ``from module_name import name`` means where ``.attributes`` follow; ``name`` None: the module.

        The path leads through packages and modules to a name of one; where it ends at a module, that counts whole.
        """
        if not self._is_local(module_name):
            self._take_library(module_name)
            return
        path = [*attributes] if name is None else [name, *attributes]
        if module_name == _OURS and path and path[0] in flowbutton.HOME_OF:  # it imports its names when they are used
            module_name = f"{_OURS}.{flowbutton.HOME_OF[path[0]]}"
        while path:
            module = self._parsed(module_name)
            inner = f"{module_name}.{path[0]}"
            if path[0] in module.definitions or path[0] in module.imports or self._place(inner) is None:
                self.take(module_name, path[0], path[1:])
                return
            module_name, path = inner, path[1:]
        self.take_whole(module_name)

    def _place(self, module_name: str) -> Path | None:
        self._looked.add(module_name)
        return _source_of(module_name)

    def _take_library(self, module_name: str) -> None:
        top = module_name.partition(".")[0]
        if top in sys.stdlib_module_names:
            return
        for distribution in names_of(top):
            self._libraries[distribution] = _version(distribution)

    def _is_local(self, module_name: str) -> bool:
        top = module_name.partition(".")[0]
        if top in (self._package, _OURS):
            return True
        installed = top in sys.stdlib_module_names or top in providers()
        if installed or self._folder is None:
            return False
        self._looked.add(top)
        return _folder_of(top) == self._folder


@cache
def _facts(module_name: str, name: str | None) -> _Facts:
    """Read a top-level name's definitions, or a whole module, once: what is in them does not depend on who asks."""
    module = _parse(module_name)
    nodes: list[ast.AST] = [module.tree] if name is None else [*module.definitions[name]]
    dump = "".join(ast.dump(node) for node in nodes)
    return _Facts(
        digest=hashlib.sha256(dump.encode()).hexdigest(),
        names=tuple(dict.fromkeys((found, tuple(path)) for node in nodes for found, path in names_in(node))),
        imports={alias: target for node in nodes for alias, target in imports_in(node, module.importer).items()},
    )


@cache
def _version(distribution: str) -> str:
    return version(distribution)


@cache
def _find(module_name: str) -> Path | None:
    """Return the source file of a module, None if there is no such module."""
    try:
        spec = importlib.util.find_spec(module_name)
    except (ModuleNotFoundError, ValueError):  # ValueError: a module without a spec, as __main__ is
        return None
    return Path(spec.origin) if spec is not None and spec.origin not in (None, "built-in", "frozen") else None


def _source_of(module_name: str) -> Path | None:
    loaded: ModuleType | None = sys.modules.get(module_name)
    origin = getattr(loaded, "__file__", None)
    return Path(origin) if origin else _find(module_name)


def _folder_of(top: str) -> Path | None:
    """Return the folder from which a top-level module or package is imported."""
    place = _source_of(top)
    if place is None:
        return None
    return place.parent.parent if place.name == "__init__.py" else place.parent


_LOOKED_AT: dict[str, tuple[Path, tuple[int, int]]] = {}


def changed_modules() -> list[str]:
    """Return the modules whose files are not what they were when this process first looked at their code."""
    return sorted(name for name, (place, stamp) in _LOOKED_AT.items() if _stamp(place) != stamp)


def look_at(module_name: str) -> None:
    """Remember what a module's file is like, so that `changed_modules` can tell."""
    place = _source_of(module_name)
    if place is not None:
        _LOOKED_AT.setdefault(module_name, (place, _stamp(place)))


def _stamp(place: Path) -> tuple[int, int]:
    try:
        status = place.stat()
    except FileNotFoundError:
        return (0, 0)
    return status.st_size, status.st_mtime_ns


def _source(module_name: str) -> bytes:
    look_at(module_name)
    place = _source_of(module_name)
    return place.read_bytes() if place is not None else b""


@cache
def _source_digest(module_name: str) -> str:
    return hashlib.sha256(_source(module_name)).hexdigest()


def _shown(place: Path | None) -> str | None:
    return None if place is None else str(place)


@cache
def _parse(module_name: str) -> _Module:
    place, source = _source_of(module_name), _source(module_name)
    is_package = place is not None and place.name == "__init__.py"
    importer = f"{module_name}.__init__" if is_package else module_name
    digest = hashlib.sha256(source).hexdigest()
    module = _Module(module_name, digest, stripped(ast.parse(source.decode("utf-8"))), importer)
    for statement in module.tree.body:
        for name in bound_by(statement):
            module.definitions.setdefault(name, []).append(statement)
    module.imports = imports_in(module.tree, importer)
    module.stars = [base for base, name in imported(module.tree, importer) if name == "*"]
    calls = {child.id for child in ast.walk(module.tree) if isinstance(child, ast.Name)}
    module.dynamic = bool(module.stars) or not calls.isdisjoint({"globals", "__import__", "exec", "eval"})
    return module
