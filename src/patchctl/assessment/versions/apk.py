"""Make keys of Alpine's versions: `number{.number}{letter}{_suffix{number}}{~hash}{-rnumber}`.

apk-tools 2 and 3 differ. This is the order of 2 (Alpine up to 3.22), because 2 reads every version
that Alpine has released: 3 does not take digits after a letter (`6.6.2p1`) for a version. Where
both read a version they differ only in components with leading zeros: 2 sorts `1.010` after
`1.02`, 3 before. Hashes, and `1.0.r2` before `1.0r2`, are from 3.

The order at each position: _alpha _beta _pre _rc, the end, -r, ~hash, a number of the suffix, _cvs
_svn _git _hg _p, an empty component before a letter, a letter, digits after it, a component. A key
has for each piece a byte for that rank, from 01 to 0a, and its value. A number is a byte 40 plus
the count of its digits, then the digits.
"""

import re

from .tokens import InvalidVersionError, Key, Pieces, number

_PRE, _END, _REVISION, _HASH, _SUFFIX_NUMBER, _POST, _HOLLOW, _LETTER, _DIGITS, _COMPONENT = (
    bytes((rank,)) for rank in range(1, 11)
)
_PRE_SUFFIXES = ("_alpha", "_beta", "_pre", "_rc")
_POST_SUFFIXES = ("_cvs", "_svn", "_git", "_hg", "_p")
_SUFFIXES = {
    **{name: _PRE + bytes((rank,)) for rank, name in enumerate(_PRE_SUFFIXES)},
    **{name: _POST + bytes((rank,)) for rank, name in enumerate(_POST_SUFFIXES)},
}
_ZERO = b"\x40"
_MAX_DIGITS = 19  # apk-tools keeps a number in 64 bits

_VERSION = re.compile(
    r"(?=\.*[0-9a-z])(?:[0-9.]|[a-z](?![a-z.]))+"
    rf"(?:(?:{'|'.join(_PRE_SUFFIXES + _POST_SUFFIXES)})[0-9]*)*"
    r"(?:~[0-9a-f]+)?(?:-r[0-9]*)?"
)
_split = re.compile(r"\.[a-z]|\.?[0-9]+|\.|[a-z]|_[a-z]+[0-9]*|~[0-9a-f]+|-r[0-9]*").findall
_hash = re.compile("~[0-9a-f]+")
_too_long = re.compile(f"[0-9]{{{_MAX_DIGITS + 1}}}").search


def _number(digits: str) -> bytes:
    return number(digits, base=0x40, top=0xFF)


def _component(digits: str) -> bytes:
    if not digits.startswith("0"):
        return _COMPONENT + _number(digits)
    # `05` comes after `0` and before `1`; `00` and `005`, with one zero more, before all of these.
    extra = len(digits) - len(digits.lstrip("0")) - 1
    return _COMPONENT + bytes((_ZERO[0] - extra,)) + _DIGITS + _number(digits)


def _piece(piece: str) -> bytes:
    first, rest = piece[0], piece[1:]
    if first == ".":
        if rest.isalpha():
            return _HOLLOW + _ZERO + _LETTER + rest.encode()
        return _component(rest)
    if first.isdigit():
        return _DIGITS + _number(piece)
    if first == "_":
        name = piece.rstrip("0123456789")
        digits = piece[len(name) :]
        return _SUFFIXES[name] + (_SUFFIX_NUMBER + _number(digits) if digits else b"")
    if first == "~":
        return _HASH + rest.encode() + b"\0"
    if first == "-":
        return _REVISION + _number(piece[2:])
    return _LETTER + first.encode()


_PIECES = Pieces(_piece)
_piece_of = _PIECES.__getitem__
_NO_NUMBER = _DIGITS + _ZERO


def key(version: str) -> Key:
    """The key of a full Alpine version, with its `-r`."""
    if _VERSION.fullmatch(version) is None:
        raise InvalidVersionError(
            "apk", version, "expected number{.number}{letter}{_suffix{number}}{~hash}{-rnumber}"
        )
    if len(version) > _MAX_DIGITS and _too_long(_hash.sub("", version)):
        raise InvalidVersionError("apk", version, f"a number of over {_MAX_DIGITS} digits")
    start = b"" if version[0].isdigit() else _NO_NUMBER
    return Key(b"".join((start, *map(_piece_of, _split(version)), _END)))
