"""Share between the three schemes: the key, its numbers, and a cache of encoded pieces."""

from collections.abc import Callable
from typing import NewType

from ...errors import InvalidInputError

Key = NewType("Key", bytes)

# A fleet's versions have few distinct pieces; hashes and dates are too long to be cached.
_KEPT_PIECES = 1 << 16
_KEPT_LENGTH = 16
_SHOWN = 80


class InvalidVersionError(InvalidInputError):
    """Text that the package manager does not take for a version."""

    def __init__(self, manager: str, version: str, why: str) -> None:
        shown = version if len(version) <= _SHOWN else version[:_SHOWN] + "..."
        super().__init__(f"not a version for {manager}: {shown!r}: {why}")


class Pieces(dict[str, bytes]):
    """Piece of a version -> its part of the key, which `encode` makes on first use."""

    def __init__(self, encode: Callable[[str], bytes]) -> None:
        super().__init__()
        self._encode = encode

    def __missing__(self, piece: str) -> bytes:
        encoded = self._encode(piece)
        if len(self) < _KEPT_PIECES and len(piece) <= _KEPT_LENGTH:
            self[piece] = encoded
        return encoded


def number(digits: str, base: int, top: int) -> bytes:
    """Decimal digits of any length as bytes that sort by value; no digits count as zero.

    The first byte is `base` plus the count of digits without leading zeros. A count that does not
    fit below `top` follows a byte `top` in eight bytes.
    """
    digits = digits.lstrip("0")
    count = len(digits)
    if base + count < top:
        return bytes((base + count,)) + digits.encode()
    return bytes((top,)) + count.to_bytes(8, "big") + digits.encode()
