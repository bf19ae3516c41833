"""Write and read a `patch.lock`: the JSON of `{digest, body, about}`, verified when read.

A file has one field a line, in canonical order, so that git shows what changed. The digest is that
of the canonical encoding, so spaces and line ends do not count: files from before, which are one
line, are read as they were.
"""

import msgspec

from ..errors import IntegrityError, InvalidInputError
from ..models import canonical
from ..models.plan import Plan
from .check import check
from .freeze import VERSION


class _Raw(msgspec.Struct):
    digest: str
    body: msgspec.Raw


class _Version(msgspec.Struct):
    version: int


def encode(plan: Plan) -> bytes:
    """Sorted JSON, one field a line, with a newline at its end. Equal plans are equal bytes."""
    return msgspec.json.format(canonical.encode(plan), indent=1) + b"\n"


def decode(data: bytes, where: str) -> Plan:
    """Return the plan in `data`; `where` names its source in errors.

    Raises InvalidInputError where it is no plan, has another format version, or cannot be right
    (see `check`), IntegrityError where the digest of the body is not the one that it states.
    """
    try:
        raw = msgspec.json.decode(data, type=_Raw)
        version = msgspec.json.decode(raw.body, type=_Version).version
        body = canonical.digest(msgspec.json.decode(raw.body))
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError, RecursionError) as error:
        raise _no_plan(where, error) from error
    if version != VERSION:
        raise InvalidInputError(
            f"plan format {version} is not known to this patchctl",
            where=where,
            hint="make the plan again, or use the patchctl that made it",
        )
    if raw.digest != body:
        raise _changed(where, raw.digest)
    try:
        plan = msgspec.json.decode(data, type=Plan)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _no_plan(where, error) from error
    if canonical.digest(plan.body) != body:  # a default is written out, or an int as a float
        raise _changed(where, raw.digest)
    check(plan, where)
    return plan


def _no_plan(where: str, error: Exception) -> InvalidInputError:
    cause = " ".join(str(error).split())[:300]  # it may quote parts of the file
    return InvalidInputError(
        f"no plan: {cause}", where=where, hint="name a file made by `patchctl plan create`"
    )


def _changed(where: str, digest: str) -> IntegrityError:
    return IntegrityError(
        f"{where}: the content does not have the plan's digest {digest[:19]!a}",
        hint="it was changed after it was made; make a new plan instead of editing one",
    )
