"""JSON Schema (draft 2020-12) of the pipeline language with all that is installed, for editors and other programs.

The models say which keys there are; `dag.schema_words` describes them; the options of stages and partitioners come from
their own signatures. What the schema refuses, `flowbutton validate` refuses too; not the other way: names that a file
defines itself, and types, are beyond a schema.

Pure: what is installed is handed in. Imports `dag.spec`, `dag.options`, `dag.fits`, `model`, pydantic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from flowbutton.dag.fits import show_type
from flowbutton.dag.options import cut_model, cut_words
from flowbutton.dag.schema_words import FIELDS, MODELS
from flowbutton.dag.spec import Spec
from flowbutton.model.docstrings import read_docstring
from flowbutton.model.partitioner import Partitioner
from flowbutton.model.stage import Parameter, StageDefinition

Schema = dict[str, Any]

_NAME = "[A-Za-z][A-Za-z0-9_-]*"
_NULL: Schema = {"type": "null"}
_TEXT: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "string", "pattern": rf"^\$\{{(params\.{_NAME}|env:[^}}]+)\}}$"}
"""A placeholder that stands alone, so its value keeps its type."""
_INSIDE: Schema = {"type": "string", "pattern": r"\$\{(params\.|env:)"}
"""A text with a placeholder in it."""
_CONDITION: Schema = {"anyOf": [{"type": "string", "pattern": rf"^\$\{{params\.{_NAME}\}}$"}, _NULL]}
_AMOUNT: Schema = {"type": "string", "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*([kKmMgGtTpP][iI]?)?[bB]?\s*$"}
_BYTES: Schema = {"anyOf": [{"type": "integer", "minimum": 0}, _AMOUNT]}
_DURATION: Schema = {"type": "string", "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*(ms|s|m|h|d)\s*$"}
_TEXTS: Schema = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}
_NAMES: Schema = {"pattern": f"^{_NAME}$"}

# Where people may write less than the model has, or a unit: what pydantic's own schema does not know of.
_FORMS: Mapping[tuple[str, str], Schema] = {
    ("Spec", "name"): {"type": "string", **_NAMES},
    ("Spec", "outputs"): {"type": "object", "minProperties": 1, "additionalProperties": _TEXTS},
    ("SourceSpec", "when"): _CONDITION,
    ("StageSpec", "when"): _CONDITION,
    ("StageSpec", "gather"): {
        "type": "object",
        "additionalProperties": {"anyOf": [_TEXT, {"$ref": "#/$defs/Gather"}]},
    },
    ("Gather", "match"): {"anyOf": [*_TEXTS["anyOf"], _NULL]},
    ("ResourcesSpec", "memory"): {"anyOf": [*_BYTES["anyOf"], {"$ref": "#/$defs/Memory"}, _NULL]},
    ("ResourcesSpec", "timeout"): {"anyOf": [_DURATION, _NULL]},
    ("Memory", "base"): {"anyOf": [*_BYTES["anyOf"], _NULL]},
    ("Memory", "per_input_byte"): {"type": ["number", "null"], "minimum": 0},
    ("Tolerate", "records"): {"anyOf": [{"type": "integer", "minimum": 0}, _WHOLE]},
}

# The values that a param's type allows; one with bounds may write them as the type's values are written.
_VALUES: Mapping[str, Schema] = {
    "string": _TEXT,
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "bytes": _BYTES,
    "duration": _DURATION,
    "choice": _TEXT,
    "uri": _TEXT,
    "list": {"type": "array"},
}
_BOUNDED = ("int", "float", "bytes", "duration")


def pipeline_schema(
    stages: Mapping[str, StageDefinition], partitioners: Mapping[str, Partitioner], executors: Iterable[str]
) -> Schema:
    """Return the schema of pipeline files for what is installed.

    Args:
        stages: Registered stages by name; functions of modules beside a file (``module:function``) are allowed too.
        partitioners: Registered partitioners by name.
        executors: Names of registered executors.
    """
    schema: Schema = Spec.model_json_schema()
    models = {"Spec": schema, **schema["$defs"]}
    for name, model in models.items():
        _describe(name, model)
    for room in ("params", "sources", "stages", "profiles"):
        schema["properties"][room]["propertyNames"] = _NAMES
    extra: Schema = {}
    models["Param"]["allOf"] = [*_param_rules()]
    models["Profile"]["properties"]["executor"]["anyOf"] = [{"enum": sorted(executors)}, _NULL]
    models["Profile"]["properties"]["executors"]["propertyNames"] = {"enum": sorted(executors)}
    _add_stages(models["StageSpec"], stages, extra)
    _add_partitioners(models["SourceSpec"], partitioners, extra)
    schema["$defs"].update(extra)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "flowbutton pipeline",
        "description": MODELS["Spec"],
        **{key: value for key, value in schema.items() if key not in ("title", "description")},
    }


def _describe(name: str, model: Schema) -> None:
    """Put our words and forms into a model's schema in place; pydantic's titles only repeat the keys."""
    model.pop("title", None)
    model["description"] = MODELS[name]
    for key, field in model["properties"].items():
        kept = {"default": field["default"]} if field.get("default") is not None else {}
        body = _FORMS.get((name, key)) or {
            part: item for part, item in field.items() if part not in ("title", "default")
        }
        model["properties"][key] = {"description": FIELDS[name][key], **body, **kept}


def _param_rules() -> Iterable[Schema]:
    for kind, value in _VALUES.items():
        fields = {"default": {"anyOf": [value, _NULL, _INSIDE if value == _TEXT else _WHOLE]}}
        bound = {"anyOf": [value, _NULL]} if kind in _BOUNDED else _NULL
        yield _rule("type", kind, {"properties": {**fields, "min": bound, "max": bound}})
    yield {
        "if": {"properties": {"type": {"const": "choice"}}},
        "then": {"required": ["choices"], "properties": {"choices": {"minItems": 1}}},
        "else": {"properties": {"choices": {"maxItems": 0}}},
    }


def _rule(key: str, value: str, then: Schema) -> Schema:
    return {"if": {"properties": {key: {"const": value}}, "required": [key]}, "then": then}


def _add_stages(model: Schema, stages: Mapping[str, StageDefinition], defs: Schema) -> None:
    known = [{"const": name, "description": read_docstring(stages[name].help).summary} for name in sorted(stages)]
    local = {"type": "string", "pattern": "^[^:]+:[^:]+$", "description": "A function: module:function"}
    model["properties"]["uses"]["anyOf"] = [*known, local, _NULL]
    model["oneOf"] = [{"required": ["uses"]}, {"required": ["command"]}]
    rules = [_rule("uses", name, _stage_rule(name, stages[name], defs)) for name in sorted(stages)]
    model |= {"allOf": rules} if rules else {}


def _stage_rule(name: str, stage: StageDefinition, defs: Schema) -> Schema:
    words = read_docstring(stage.help).arguments
    single = [put for put in stage.inputs.values() if not put.gathers]
    many = [put for put in stage.inputs.values() if put.gathers]
    gather = {"anyOf": [_TEXT, {"$ref": "#/$defs/Gather"}]}
    options = _options(f"stage {name}", stage.options, words, defs)
    return {
        "properties": {
            "for_each": _arguments(single, words, _TEXT),
            "share": _arguments(single, words, _TEXT),
            "gather": _arguments(many, words, gather),
            "with": options,
        },
        "required": (["with"] if "required" in options else [])
        + (["gather"] if any(not put.optional for put in many) else []),
    }


def _arguments(parameters: Sequence[Parameter], words: Mapping[str, str], value: Schema) -> Schema:
    properties = {
        put.name: {"description": f"{show_type(put.type)}: {words[put.name]}" if put.name in words else "", **value}
        for put in parameters
    }
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _add_partitioners(model: Schema, partitioners: Mapping[str, Partitioner], defs: Schema) -> None:
    known = [
        {"const": name, "description": read_docstring(type(partitioners[name]).__doc__).summary}
        for name in sorted(partitioners)
    ]
    body = {key: item for key, item in model["properties"]["partitioner"].items() if key != "type"}
    model["properties"]["partitioner"] = {**body, "anyOf": known} if known else {**body, "not": {}}
    rules = []
    for name, partitioner in sorted(partitioners.items()):
        options = _options(f"partitioner {name}", cut_model(partitioner), cut_words(partitioner), defs, amounts=True)
        then: Schema = {"properties": {"with": options}, "required": ["with"] if "required" in options else []}
        rules.append(_rule("partitioner", name, then))
    model |= {"allOf": rules} if rules else {}


def _options(
    owner: str, model: type[BaseModel], words: Mapping[str, str], defs: Schema, *, amounts: bool = False
) -> Schema:
    """Return the schema of ``with``; models inside it go into ``defs``. With ``amounts``, an int may have a unit."""
    made: Schema = model.model_json_schema(ref_template=f"#/$defs/{owner} {{model}}")
    for name, inner in made.pop("$defs", {}).items():
        defs[f"{owner} {name}"] = _fillable_inside(inner)
    properties: Schema = {}
    for name, field in model.model_fields.items():
        body = {key: item for key, item in made["properties"][name].items() if key not in ("title", "default")}
        if amounts and field.annotation is int:
            body = {"anyOf": [body, _AMOUNT]}
        known = {"description": words.get(name) or field.description or show_type(field.annotation)}
        if not field.is_required() and "default" in made["properties"][name]:
            known["default"] = made["properties"][name]["default"]
        properties[name] = {**known, **_fillable(body)}
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**schema, "required": required} if required else schema


def _fillable(schema: Schema) -> Schema:
    """Let ``${params.x}`` stand where a value does, and inside a text."""
    inside = _fillable_inside(schema)
    if _takes_any_text(schema):
        return inside
    texts = any(part.get("type") == "string" or "enum" in part or "const" in part for part in _members(schema))
    return {"anyOf": [inside, _INSIDE if texts else _WHOLE]}


def _fillable_inside(schema: Schema) -> Schema:
    """Do the same for the values in a list or mapping."""
    made = dict(schema)
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), dict):
            made[key] = _fillable(made[key])
    for key in ("anyOf", "oneOf", "allOf"):
        if key in made:
            made[key] = [_fillable_inside(part) for part in made[key]]
    if "prefixItems" in made:
        made["prefixItems"] = [_fillable(part) for part in made["prefixItems"]]
    if "properties" in made:
        made["properties"] = {name: _fillable(part) for name, part in made["properties"].items()}
    return made


def _takes_any_text(schema: Schema) -> bool:
    free = {"title", "description", "default", "type"}
    return any(
        not part.keys() - {"title", "description", "default"}
        or (part.get("type") == "string" and not part.keys() - free)
        for part in _members(schema)
    )


def _members(schema: Schema) -> list[Schema]:
    """Return the alternatives that a schema has, itself if it has none."""
    parts = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    return [member for part in parts for member in _members(part)] if parts else [schema]
