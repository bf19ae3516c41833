"""Make keys of rpm's versions: rpm-version(7), and librpm for the rest.

A part is runs of letters and runs of digits; all other characters but `~` and `^` only separate.
At each position `~` is lowest, then the end, `^`, letters, digits. Bytes of a key:

    00            the end of a run of letters
    01            ~
    02            the end of a part
    03            ^
    41..5a 61..7a letters
    80..fe, ff    numbers

A version without a release sorts before all its releases, as in librpm, because nothing follows it.
(`Requires:` ignores the release where one side has none; a key cannot.)
"""

import re

from .tokens import InvalidVersionError, Key, Pieces, number

_END = b"\x02"
_MARKS = {"~": b"\x01", "^": b"\x03"}

# librpm refuses only empty text. Text without a version, or with a space, is from a broken feed.
_VERSION = re.compile(r"(?:([0-9]*):)?+([^\x00-\x20\x7f]+)")
_split = re.compile(r"[0-9]+|[A-Za-z]+|[~^]").findall


def _number(digits: str) -> bytes:
    return number(digits, base=0x80, top=0xFF)


def _piece(piece: str) -> bytes:
    if piece[0] in _MARKS:
        return _MARKS[piece[0]]
    if piece[0].isdigit():
        return _number(piece)
    return piece.encode() + b"\0"


_PIECES = Pieces(_piece)
_EPOCHS = Pieces(_number)
_piece_of = _PIECES.__getitem__


def key(version: str) -> Key:
    """The key of `[epoch:]version[-release]`; no epoch is epoch 0, characters beyond ASCII count as
    dots.

    Text before a colon that is no number is a part of the version, as in librpm.
    """
    match = _VERSION.fullmatch(version)
    if match is None:
        raise _invalid(version)
    epoch, rest = match.groups(default="")
    upstream, dash, release = rest.rpartition("-")
    if not dash:
        return Key(b"".join((_EPOCHS[epoch], *map(_piece_of, _split(rest)), _END)))
    if not upstream:
        raise _invalid(version)
    return Key(
        b"".join(
            (
                _EPOCHS[epoch],
                *map(_piece_of, _split(upstream)),
                _END,
                *map(_piece_of, _split(release)),
                _END,
            )
        )
    )


def _invalid(version: str) -> InvalidVersionError:
    why = "expected [epoch:]version[-release] without spaces"
    return InvalidVersionError("rpm", version, why)
