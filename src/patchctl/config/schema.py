"""Make the JSON Schema of patchctl.yml, for editors, from the models that the loader uses.

`python -m patchctl.config.schema > schema/patchctl.schema.json` writes the published schema.
"""

import enum
import sys
import types
from typing import Any, Union, get_args, get_origin

import msgspec

from ..models import grammar
from ..models.hooks import EVERYTHING
from ..models.policy import Amount
from ..models.words import duration
from .exceptions_file import Day, Statement
from .exclude_entries import Pattern
from .hook_entries import HookEntry, Sees
from .settings import Count, File, Percent, RingName, Seconds
from .settings_help import MEANING

_PERCENTAGE = {"type": "string", "pattern": "^(0?[0-9]{1,2}|100)%$"}

# Type -> the schema of the values that the loader's reader for it accepts.
_WRITTEN: dict[Any, dict[str, Any]] = {
    Seconds: {
        "description": "A duration such as 30s, 10m, 1h30m or 14d.",
        "anyOf": [{"const": 0}, {"type": "string", "pattern": "^([0-9]{1,9}[smhd])+$"}],
    },
    Amount: {
        "description": "A number of hosts, or a percentage such as 5%.",
        "anyOf": [{"type": "integer", "minimum": 0}, _PERCENTAGE],
    },
    Percent: {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 100}, _PERCENTAGE]},
    RingName: {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,62}$"},
    Pattern: {
        "type": "string",
        "pattern": f"^{grammar.PATTERNS['package pattern'].pattern}$",
    },
    Statement: {"type": "string", "pattern": "\\S"},
    Day: {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
    Count: {"type": "integer", "minimum": 1, "maximum": 1000},
    Sees: {
        "type": ["array", "string"],
        "items": {"type": "string"},
        "pattern": f"^{EVERYTHING}$",
    },
    str: {"type": "string"},
    bool: {"type": "boolean"},
}


def schema() -> dict[str, Any]:
    """Return the whole schema. It checks shapes; the loader also compares entries."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "patchctl.yml",
    }
    # An empty file is valid: all keys have defaults.
    return {**head, **_struct(File, ""), "type": ["object", "null"]}


def text() -> str:
    """Return the schema as text, as it is published."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode() + "\n"


def _struct(shape: Any, path: str) -> dict[str, Any]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    rest = fields.pop("rest", None)
    spec: dict[str, Any] = {
        "type": "object",
        "properties": {name: _property(field, f"{path}{name}") for name, field in fields.items()},
        "additionalProperties": False,
    }
    if rest:
        kind = _value(get_args(rest.type)[1], path)
        spec["additionalProperties"] = {**kind, "description": MEANING[f"{path}*"][0]}
    required = [name for name, field in fields.items() if field.required]
    return {**spec, "required": required} if required else spec


def _property(field: Any, path: str) -> dict[str, Any]:
    """Return a key's type, meaning and example, and its default where that does not depend on other
    keys.
    """
    spec = {**_value(field.type, path)}
    meaning, example = MEANING[path]
    spec["description"] = (
        f"{meaning} {written}" if (written := spec.get("description")) else meaning
    )
    if example is not None:
        spec["examples"] = [example]
    default = field.default
    if isinstance(default, (str, int, tuple)) and default != "":
        plain = msgspec.to_builtins(default)
        spec["default"] = in_file(plain) if field.type is Seconds else plain
    return spec


def in_file(seconds: int) -> str | int:
    """Return the duration as it is written in the file: 14d, 1h, 30s; 0 stays 0."""
    return duration(seconds) if seconds else 0


def _value(kind: Any, path: str) -> dict[str, Any]:
    if get_origin(kind) in (Union, types.UnionType):
        (kind,) = (item for item in get_args(kind) if item is not type(None))
    if kind in _WRITTEN:
        return _WRITTEN[kind]
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _value(get_args(kind)[0], f"{path}[]")}
    if issubclass(kind, enum.StrEnum):
        return {"enum": [member.value for member in kind]}
    spec = _struct(kind, f"{path}.")
    # The keys are described for the mapping; the short form is text.
    return {**spec, "type": ["object", "string"]} if kind is HookEntry else spec


if __name__ == "__main__":
    sys.stdout.write(text())
