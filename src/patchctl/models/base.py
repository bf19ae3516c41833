"""The base of every model: frozen, keyword-only, unknown fields refused when decoded."""

from typing import dataclass_transform

import msgspec


# mypy does not inherit `frozen` from a Struct's class arguments; it does from this.
@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the models. Change one by copy: `msgspec.structs.replace`."""


class Record(Model, omit_defaults=True):
    """A model that is stored many times: fields at their default are not written."""
