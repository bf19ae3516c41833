"""The base of every model: frozen, keyword-only, unknown fields refused when decoded."""

from typing import dataclass_transform

import msgspec


# mypy does not inherit `frozen` from a Struct's class arguments, but it does from this decorator.
@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the models. `msgspec.structs.replace` makes a changed copy."""


class Record(Model, omit_defaults=True):
    """A model that is stored many times, so fields with their default value are not written."""
