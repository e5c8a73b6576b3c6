"""Options: what ``with:`` gives to a stage or a partitioner, checked against the code's own signature.

Here: validation, defaults filled in, the answer as JSON. Imports `model`, pydantic.
"""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, PydanticUserError, ValidationError, create_model

from flowbutton.dag.explain import explain
from flowbutton.dag.load import whole
from flowbutton.dag.problems import Path, Problems
from flowbutton.model.canonical import Json
from flowbutton.model.docstrings import read_docstring
from flowbutton.model.partitioner import Partitioner
from flowbutton.model.units import Unfit, parse_bytes


def check_options(model: type[BaseModel], given: Mapping[str, Json], problems: Problems, path: Path) -> dict[str, Json]:
    """Return all options of ``model`` as JSON, defaults filled in; what does not fit is a problem under ``path``.

    Strict: ``"5"`` is not a number. A whole number may be written as a float (``1e6``).
    """
    text = json.dumps({name: whole(value) for name, value in given.items()})
    try:
        checked = model.model_validate_json(text, strict=True)
    except ValidationError as error:
        explain(error, model, problems, path, noun="option")
        return {}
    except PydanticUserError as error:  # of the code's author: an option's type is of no use here
        why, hint = (
            str(error).partition(". ")[0],
            "use str, int, float, bool, Literal, lists of these or pydantic models",
        )
        problems.add(path, "an option of this code has a type that YAML can't say", why=why, hint=hint)
        return {}
    return dict(checked.model_dump(mode="json"))


def check_cut_options(
    partitioner: Partitioner, given: Mapping[str, Json], problems: Problems, path: Path
) -> dict[str, Json]:
    """Return all options of a partitioner's `cut` as JSON; an int may be given as an amount of bytes (``32MiB``)."""
    model = cut_model(partitioner)
    amounts = dict(given)
    for name, value in given.items():
        field = model.model_fields.get(name)
        if field is not None and field.annotation is int and isinstance(value, str):
            try:
                amounts[name] = parse_bytes(value)
            except Unfit as error:
                problems.add((*path, name), error.what, hint=error.hint)
                del amounts[name]
    return check_options(model, amounts, problems, path)


def cut_model(partitioner: Partitioner) -> type[BaseModel]:
    """Return the model of a partitioner's options: the keyword-only parameters of its `cut`."""
    cut = type(partitioner).cut
    hints = typing.get_type_hints(cut, include_extras=True)
    fields: dict[str, Any] = {
        name: (hints.get(name, Any), ... if parameter.default is inspect.Parameter.empty else parameter.default)
        for name, parameter in inspect.signature(cut).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    config = ConfigDict(extra="forbid", frozen=True)
    return create_model(f"{partitioner.name}_options", __config__=config, **fields)


def cut_words(partitioner: Partitioner) -> Mapping[str, str]:
    """Return what the docstring of a partitioner's `cut` says of its options."""
    return read_docstring(type(partitioner).cut.__doc__).arguments
