"""What a function's answer depends on besides its inputs: its code, and the libraries that it calls.

The digest is over syntax trees (without docstrings and positions) of the function and of everything in local modules
that it names, directly or not; third-party libraries count by distribution version. A module that can't be followed
name by name (``import *``, ``globals()``) counts whole. "Local" is what shares the function's top-level package, or its
folder. Imports nothing of flowbutton.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path
from types import ModuleType
from typing import Any


@dataclass(frozen=True, slots=True)
class CodeIdentity:
    """The digest of a code closure; what it took in, for the plan; and modules that had to be taken whole."""

    digest: str
    names: tuple[str, ...]
    libraries: tuple[str, ...]
    whole: tuple[str, ...]


@dataclass(slots=True)
class _Module:
    """One parsed local module: its top-level definitions, imports, and whether it must be taken whole."""

    name: str
    tree: ast.Module
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, tuple[str, str | None]] = field(default_factory=dict)  # alias -> (module, name or None)
    dynamic: bool = False


@cache
def identify(function: Callable[..., Any]) -> CodeIdentity:
    """Return the identity of ``function``'s code. Cached for the life of the process: code does not change under it."""
    module = inspect.getmodule(function)
    if module is None or not hasattr(function, "__qualname__") or "<locals>" in function.__qualname__:
        return _by_source(function)
    closure = _Closure(module.__name__.partition(".")[0])
    closure.take(module.__name__, function.__qualname__.partition(".")[0])
    return closure.identity()


def _by_source(function: Callable[..., Any]) -> CodeIdentity:
    """Identify a function that stands in no module (a notebook's, a local one) by its own text alone."""
    text = inspect.cleandoc(inspect.getsource(function))
    digest = hashlib.sha256(ast.dump(_stripped(ast.parse(text))).encode()).hexdigest()
    return CodeIdentity(digest, (function.__name__,), (), ())


class _Closure:
    """Follows names through local modules, each once."""

    def __init__(self, package: str) -> None:
        self._package = package
        self._seen: dict[tuple[str, str], str] = {}
        self._libraries: dict[str, str] = {}
        self._whole: set[str] = set()

    def identity(self) -> CodeIdentity:
        total = hashlib.sha256()
        for (module, name), dump in sorted(self._seen.items()):
            total.update(f"{module}\0{name}\0{dump}\0".encode())
        for library, number in sorted(self._libraries.items()):
            total.update(f"{library}=={number}\0".encode())
        names = tuple(f"{module}.{name}" for module, name in sorted(self._seen))
        libraries = tuple(f"{library} {number}" for library, number in sorted(self._libraries.items()))
        return CodeIdentity(total.hexdigest(), names, libraries, tuple(sorted(self._whole)))

    def take(self, module_name: str, name: str) -> None:
        """Take in a top-level name of a module and all that it names."""
        if (module_name, name) in self._seen:
            return
        if not self._is_local(module_name):
            self._take_library(module_name)
            return
        module = _parse(module_name)
        if module.dynamic:
            self._whole.add(module_name)
            self._seen[module_name, name] = ast.dump(module.tree)
            self._follow(module, module.tree)
        elif name in module.definitions:
            self._seen[module_name, name] = "".join(ast.dump(node) for node in module.definitions[name])
            for node in module.definitions[name]:
                self._follow(module, node)
        elif name in module.imports:
            self._take_import(*module.imports[name], attribute=None)
        elif _find(f"{module_name}.{name}") is not None:
            self._seen[module_name, name] = "module"

    def _follow(self, module: _Module, node: ast.AST) -> None:
        imports = module.imports | _imports_in(node, module.name)
        for child in ast.walk(node):
            if isinstance(child, ast.Attribute) and isinstance(child.value, ast.Name) and child.value.id in imports:
                self._take_import(*imports[child.value.id], attribute=child.attr)
            elif isinstance(child, ast.Name):
                if child.id in imports:
                    self._take_import(*imports[child.id], attribute=None)
                elif child.id in module.definitions:
                    self.take(module.name, child.id)
        for target, _name in _imports_in(node, module.name).values():
            if not self._is_local(target):
                self._take_library(target)

    def _take_import(self, module_name: str, name: str | None, *, attribute: str | None) -> None:
        if not self._is_local(module_name):
            self._take_library(module_name)
        elif name is None:
            if attribute is not None:
                self.take(module_name, attribute)
        elif _find(f"{module_name}.{name}") is not None:  # `from package import module`
            if attribute is not None:
                self.take(f"{module_name}.{name}", attribute)
        else:
            self.take(module_name, name)

    def _take_library(self, module_name: str) -> None:
        top = module_name.partition(".")[0]
        if top in sys.stdlib_module_names:
            return
        for distribution in _distributions().get(top, []):
            self._libraries[distribution] = version(distribution)

    def _is_local(self, module_name: str) -> bool:
        return module_name.partition(".")[0] == self._package


@cache
def _distributions() -> dict[str, list[str]]:
    return {name: sorted(set(found)) for name, found in packages_distributions().items()}


@cache
def _find(module_name: str) -> Path | None:
    """Return the source file of a module, None if there is no such module."""
    try:
        spec = importlib.util.find_spec(module_name)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec is not None and spec.origin not in (None, "built-in", "frozen") else None


@cache
def _parse(module_name: str) -> _Module:
    loaded: ModuleType | None = sys.modules.get(module_name)
    origin = getattr(loaded, "__file__", None)
    place = Path(origin) if origin else _find(module_name)
    text = place.read_text(encoding="utf-8") if place is not None else ""
    module = _Module(module_name, _stripped(ast.parse(text)))
    for statement in module.tree.body:
        for name in _bound_by(statement):
            module.definitions.setdefault(name, []).append(statement)
    is_package = place is not None and place.name == "__init__.py"
    module.imports = _imports_in(module.tree, module_name if not is_package else f"{module_name}.__init__")
    for child in ast.walk(module.tree):
        stars = isinstance(child, ast.ImportFrom) and any(alias.name == "*" for alias in child.names)
        calls = isinstance(child, ast.Name) and child.id in {"globals", "__import__", "exec", "eval"}
        module.dynamic = module.dynamic or stars or calls
    return module


def _bound_by(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a top-level statement binds, imports excepted."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            yield from (child.id for child in ast.walk(target) if isinstance(child, ast.Name))
    elif isinstance(statement, ast.If | ast.Try | ast.With | ast.For | ast.While):
        for inner in ast.iter_child_nodes(statement):
            if isinstance(inner, ast.stmt):
                yield from _bound_by(inner)


def _imports_in(node: ast.AST, module_name: str) -> dict[str, tuple[str, str | None]]:
    """Return what import statements inside ``node`` bind: alias → (module, name in it or None)."""
    found: dict[str, tuple[str, str | None]] = {}
    for child in ast.walk(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                target = alias.name if alias.asname else alias.name.partition(".")[0]
                found[alias.asname or target] = (target, None)
        elif isinstance(child, ast.ImportFrom):
            base = child.module or ""
            if child.level:
                parent = module_name.rsplit(".", child.level)[0]
                base = f"{parent}.{base}" if base else parent
            for alias in child.names:
                found[alias.asname or alias.name] = (base, alias.name)
    return found


def _stripped(tree: ast.Module) -> ast.Module:
    """Remove docstrings, and the decorators that only describe a stage, in place: words are not code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = [item for item in node.decorator_list if not _describes(item)]
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return tree


def _describes(decorator: ast.expr) -> bool:
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(target, ast.Name) and target.id in {"map_stage", "gather_stage"}
