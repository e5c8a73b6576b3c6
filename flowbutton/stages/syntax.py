"""What a syntax tree binds, reads and imports, and which of it is no code. Pure; imports nothing of flowbutton."""

from __future__ import annotations

import ast
from collections.abc import Iterator


def bound_by(statement: ast.AST) -> Iterator[str]:
    """Yield the names that a top-level statement binds or may change (``TABLE.update(...)``), imports excepted."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            yield from (child.id for child in ast.walk(target) if isinstance(child, ast.Name))
    elif isinstance(statement, ast.Expr):
        yield from (child.id for child in ast.walk(statement) if isinstance(child, ast.Name))
    else:
        for inner in ast.iter_child_nodes(statement):
            if isinstance(inner, ast.stmt | ast.ExceptHandler | ast.match_case):
                yield from bound_by(inner)


def names_in(node: ast.AST) -> Iterator[tuple[str, list[str]]]:
    """Yield the names that are read inside ``node``, each with the attributes that follow it: ``a.b.c`` → a, [b, c]."""
    inner: set[int] = set()
    for child in ast.walk(node):  # parents come before their children
        if id(child) in inner or (isinstance(child, ast.Name) and not isinstance(child.ctx, ast.Load)):
            continue
        if isinstance(child, ast.AugAssign) and isinstance(child.target, ast.Name):
            yield child.target.id, []  # it is read, too
        attributes: list[str] = []
        found: ast.AST = child
        while isinstance(found, ast.Attribute):
            attributes.insert(0, found.attr)
            found = found.value
            inner.add(id(found))
        if isinstance(found, ast.Name):
            yield found.id, attributes
        elif attributes:
            inner.discard(id(found))  # a call's result, say: what is in it is yet to come


def imported(node: ast.AST, importer: str) -> Iterator[tuple[str, str]]:
    """Yield (module, name in it) of each ``from module import name`` inside ``node``."""
    for child in ast.walk(node):
        if isinstance(child, ast.ImportFrom):
            base = child.module or ""
            if child.level:
                parent = importer.rsplit(".", child.level)[0]
                base = f"{parent}.{base}" if base else parent
            yield from ((base, alias.name) for alias in child.names)


def imports_in(node: ast.AST, importer: str) -> dict[str, tuple[str, str | None]]:
    """Return what import statements inside ``node`` bind: alias → (module, name in it or None)."""
    found: dict[str, tuple[str, str | None]] = {}
    for child in ast.walk(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                target = alias.name if alias.asname else alias.name.partition(".")[0]
                found[alias.asname or target] = (target, None)
        elif isinstance(child, ast.ImportFrom):
            pairs = zip(child.names, imported(child, importer), strict=True)
            found.update((alias.asname or alias.name, pair) for alias, pair in pairs)
    return found


def stripped(tree: ast.Module) -> ast.Module:
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
