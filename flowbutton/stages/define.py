"""`@map_stage` and `@gather_stage`: a typed function becomes a stage.

Positional parameters are inputs; a ``Sequence[T]`` gathers; keyword-only parameters are options, and their names, types
and defaults make the option model. A parameter annotated `Scratch` gets an empty folder, one annotated `Tally` counts
records. The return annotation names the outputs: a ``NamedTuple`` class has one output per field, anything else is one.

The decorated function is still a function: it runs alone in a test. Imports `flowbutton.model`.
"""

from __future__ import annotations

import collections.abc
import importlib
import inspect
import pkgutil
import sys
import traceback
import typing
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from flowbutton.model.bundle import Parts
from flowbutton.model.command import ADDRESS
from flowbutton.model.errors import OptionError
from flowbutton.model.extras import missing_extra
from flowbutton.model.near import closest, did_you_mean
from flowbutton.model.registry import load, registered
from flowbutton.model.stage import LedgerRule, Parameter, Resources, Scratch, StageDefinition, Tally


class Options(BaseModel):
    """Base of all option models: strict about names, frozen.

    Their validators are built when first used: a worker uses those of one stage of a domain, and imports them all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=False, defer_build=True)


def map_stage(
    uses: str, *, version: int = 1, ledger: LedgerRule | None = None, resources: Resources | None = None
) -> Callable[[Callable[..., Any]], StageDefinition]:
    """Make a stage of a function of single inputs: one task per item.

    Args:
        uses: The registered name, ``domain.verb``.
        version: Raised by hand when the answer changes although the code that can be followed does not.
        ledger: What is promised of record counts.
        resources: What a task needs when the YAML doesn't say.
    """
    return _decorator(uses, version, ledger, resources, gathers=False)


def gather_stage(
    uses: str, *, version: int = 1, ledger: LedgerRule | None = None, resources: Resources | None = None
) -> Callable[[Callable[..., Any]], StageDefinition]:
    """Make a stage of a function with an argument that gathers: ``Sequence[T]``, or `Parts` of bundles."""
    return _decorator(uses, version, ledger, resources, gathers=True)


def _decorator(
    uses: str, version: int, ledger: LedgerRule | None, resources: Resources | None, *, gathers: bool
) -> Callable[[Callable[..., Any]], StageDefinition]:
    def decorate(function: Callable[..., Any]) -> StageDefinition:
        definition = describe(function, uses=uses, version=version, ledger=ledger, resources=resources)
        if gathers != any(parameter.gathers for parameter in definition.inputs.values()):
            word = "needs an argument of Sequence[...] or Parts" if gathers else "gathers: use @gather_stage"
            raise TypeError(f"stage {uses} {word}")
        return definition

    return decorate


def describe(
    function: Callable[..., Any], *, uses: str, version: int, ledger: LedgerRule | None, resources: Resources | None
) -> StageDefinition:
    """Read a function's signature into a `StageDefinition`.

    Raises:
        TypeError: a parameter or the return has no annotation, a parameter can't be given by its name, or the ledger
            names an argument that is not there.
    """
    hints = get_type_hints(function, include_extras=True)
    inputs: dict[str, Parameter] = {}
    options: dict[str, Any] = {}
    special: dict[Any, str] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in hints:
            raise TypeError(f"parameter '{name}' of {function.__qualname__} has no type")
        if parameter.kind not in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY):
            raise TypeError(f"parameter '{name}' of {function.__qualname__} can't be given by its name")
        hint, default = hints[name], parameter.default
        if hint is Scratch or hint is Tally:
            special[hint] = name
        elif parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            options[name] = (hint, ... if default is inspect.Parameter.empty else default)
        else:
            inputs[name] = _input(name, hint, optional=default is not inspect.Parameter.empty)
    if "return" not in hints:
        raise TypeError(f"{function.__qualname__} has no return type")
    if ledger is not None and ledger.argument not in inputs:
        raise TypeError(f"the ledger of {uses} names '{ledger.argument}', which is not an input of it")
    return StageDefinition(
        uses=uses,
        version=version,
        function=function,
        inputs=inputs,
        options=create_model(f"{function.__name__}_options", __base__=Options, **options),
        outputs=outputs_of(hints["return"]),
        ledger=ledger,
        resources=resources or Resources(),
        scratch=special.get(Scratch),
        tally=special.get(Tally),
        help=inspect.getdoc(function) or "",
    )


def _input(name: str, hint: Any, *, optional: bool) -> Parameter:
    if get_origin(hint) is collections.abc.Sequence:
        return Parameter(name, get_args(hint)[0], gathers=True, optional=optional)
    return Parameter(name, hint, gathers=hint is Parts, optional=optional)


def is_named_tuple(hint: Any) -> bool:
    """Return whether a type is a `typing.NamedTuple` class: several named outputs, or several files bound as one."""
    return isinstance(hint, type) and issubclass(hint, tuple) and hasattr(hint, "_fields")


def outputs_of(hint: Any) -> dict[str, Any]:
    """Return output names and their types: a NamedTuple's fields, or the one unnamed output ``""``."""
    return typing.get_type_hints(hint, include_extras=True) if is_named_tuple(hint) else {"": hint}


def find_stage(uses: str) -> StageDefinition:
    """Find a stage by its registered name (``genomics.align``), as ``module:name``, or as a command's address.

    Raises:
        OptionError: there is no such stage; the hint lists those of the domain.
        MissingExtra: a library that it needs is not installed.
    """
    if uses.startswith(ADDRESS):
        from flowbutton.stages.command import command_stage  # it is made of what is defined here

        return command_stage(uses)
    if ":" in uses:
        module_name, _, attribute = uses.partition(":")
        return _local_stage(uses, module_name, attribute)
    domain, dot, rest = uses.partition(".")
    if domain not in registered("stages"):
        close = closest(domain, registered("stages")) if dot else None
        known = ", ".join(sorted(registered("stages")))
        others = f"install the package that has it, or write module:function; installed: {known}"
        hint = f"did you mean '{close}.{rest}'?" if close else others
        raise OptionError(f"there is no stage called '{uses}'", why=f"no domain '{domain}' is installed", hint=hint)
    found = stages_of(domain)
    if uses not in found:
        raise OptionError(f"there is no stage called '{uses}'", why="", hint=did_you_mean(uses, found))
    return found[uses]


def stages_of(domain: str) -> dict[str, StageDefinition]:
    """Return the stages of a registered domain by their names. Raises as `model.registry.load`."""
    items = vars(load("stages", domain)).values()
    return {item.uses: item for item in items if isinstance(item, StageDefinition)}


def _local_stage(uses: str, module_name: str, attribute: str) -> StageDefinition:
    module = _import(uses, module_name)
    target = getattr(module, attribute, None)
    if isinstance(target, StageDefinition):
        return replace(target, uses=uses)  # other processes find it by this name
    if not callable(target):
        names = [name for name, value in vars(module).items() if isinstance(value, StageDefinition)]
        what = f"module '{module_name}' has no function '{attribute}'"
        raise OptionError(what, why="", hint=did_you_mean(attribute, names, listed="stages in it"))
    try:
        return describe(target, uses=uses, version=1, ledger=None, resources=None)
    except (TypeError, NameError) as error:
        raise OptionError(f"'{uses}' can't be a stage", why=str(error), hint="give each parameter a type") from error


def _import(uses: str, module_name: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and not f"{module_name}.".startswith(f"{error.name}."):
            raise missing_extra(error, f"stage '{uses}'") from error
        raise OptionError(f"there is no module '{module_name}'", why="", hint=_hint_of_module(uses)) from error
    except (Exception, SystemExit) as error:  # the author's module runs here, and may raise anything
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = "" if last.filename.startswith("<") else f" ({Path(last.filename).name}, line {last.lineno})"
        why = f"{type(error).__name__}: {error}{place}"
        raise OptionError(f"module '{module_name}' can't be imported", why=why, hint="correct it") from error


def _hint_of_module(uses: str) -> str:
    module_name, _, attribute = uses.partition(":")
    beside = {module.name for module in pkgutil.iter_modules(sys.path[:1])}  # the pipeline's folder
    close = closest(module_name.removesuffix(".py"), beside)
    if close is not None:
        return f"did you mean '{close}:{attribute}'?"
    return "modules beside the pipeline file are found by their names"
