"""Encode values as canonical JSON, and make content digests.

A value has the same encoding on each machine and with each Python: UTF-8, sorted keys, no
insignificant spaces, no floats (their text form differs between implementations; RFC 8785 section
3.2.2.3 needs a complete ECMAScript number printer for them).
"""

import hashlib
from typing import Any

import msgspec


def encode(value: Any) -> bytes:
    """Return the canonical JSON of a model or of plain builtins.

    Raises TypeError for a float anywhere inside: that is a bug of the caller.
    """
    plain = msgspec.to_builtins(value)
    refuse_floats(plain)
    return msgspec.json.encode(plain, order="sorted")


def digest(value: Any) -> str:
    """Return `sha256:<64 hex digits>` of the canonical encoding."""
    return digest_bytes(encode(value))


def digest_bytes(data: bytes) -> str:
    """Return `sha256:<64 hex digits>` of raw bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


# The types that `to_builtins` gives besides floats and containers. Most values have one of these
# types, and one set comparison for all values of a container is much faster than a call for each.
_PLAIN = frozenset({str, int, bool, type(None)})


def refuse_floats(value: Any) -> None:
    """Raise TypeError where plain builtins have, at any depth, a float or a key that is no text."""
    if isinstance(value, float):
        raise TypeError(f"canonical JSON has no floats: {value!r}")
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"canonical JSON has only text keys: {key!r}")
        value = value.values()
    elif not isinstance(value, (list, tuple)):
        return
    if not _PLAIN.issuperset(map(type, value)):
        for item in value:
            if type(item) not in _PLAIN:
                refuse_floats(item)
