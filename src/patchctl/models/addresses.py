"""Check web addresses of files, and show them without their secrets."""

from urllib.parse import SplitResult, urlsplit, urlunsplit

from ..errors import InvalidInputError


def shown(address: str) -> str:
    """Return the address without user, password, query and fragment, for messages and records."""
    parts = split(address)
    where = parts.netloc.rpartition("@")[2]
    query = "…" if parts.query else ""
    return urlunsplit(SplitResult(parts.scheme, where, parts.path, query, ""))


def check(address: str) -> None:
    """Raise InvalidInputError where this is not an http or https address."""
    parts = split(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInputError(
            f"{shown(address)}: is not an http or https address", hint="write https://host/path"
        )


def split(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        _ = parts.port  # raises ValueError where it is no number
    except ValueError as error:
        # A password may be in any part of a malformed address, so it is not repeated.
        raise InvalidInputError("an address cannot be read", hint="write https://host/path") from (
            error
        )
    return parts
