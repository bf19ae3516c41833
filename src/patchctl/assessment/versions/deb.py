"""Make keys of Debian's versions: deb-version(7), Debian policy 5.6.12, and dpkg for the rest.

A part is text and number in turn, both may be empty. In text `~` sorts before the end of the text,
the end before letters, letters before all else. Bytes of a key:

    01            ~
    02..3e, 3f    the number that ends a text; also 02, the end of a part
    41..5a 61..7a letters
    a1..fd        other characters, 80 above ASCII
"""

import re

from .tokens import InvalidVersionError, Key, Pieces, number

_END = b"\x02"
_MAX_EPOCH = 2**31 - 1  # dpkg keeps it in an int
_TEXT = {
    ord(character): 1 if character == "~" else ord(character) + (0 if character.isalpha() else 0x80)
    for character in map(chr, range(0x21, 0x7F))
    if not character.isdigit()
}

# dpkg only warns of odd punctuation and of a version without a digit at its start, and compares
# them. It sorts characters beyond ASCII by whether the platform's char is signed: no usable order.
_VERSION = re.compile(r"(?:([0-9]+):)?([!-~]+)")
_split = re.compile(r"[^0-9]+[0-9]*|[0-9]+").findall


def _number(digits: str) -> bytes:
    return number(digits, base=0x02, top=0x3F)


def _piece(piece: str) -> bytes:
    text = piece.rstrip("0123456789")
    return text.translate(_TEXT).encode("latin-1") + _number(piece[len(text) :])


_PIECES = Pieces(_piece)
_EPOCHS = Pieces(_number)
_piece_of = _PIECES.__getitem__


def key(version: str) -> Key:
    """The key of `[epoch:]upstream[-revision]`; no epoch is epoch 0, no revision is `-0`."""
    match = _VERSION.fullmatch(version)
    if match is None:
        raise _invalid(version)
    epoch, rest = match.groups(default="")
    if ":" in rest and not epoch:
        raise _invalid(version)
    if len(epoch) > 9 and int(epoch) > _MAX_EPOCH:
        raise InvalidVersionError("dpkg", version, f"its epoch is above {_MAX_EPOCH}")
    upstream, dash, revision = rest.rpartition("-")
    if not dash:
        upstream, revision = rest, "0"
    elif not (upstream and revision):
        raise _invalid(version)
    return Key(
        b"".join(
            (
                _EPOCHS[epoch],
                *map(_piece_of, _split(upstream)),
                _END,
                *map(_piece_of, _split(revision)),
                _END,
            )
        )
    )


def _invalid(version: str) -> InvalidVersionError:
    why = "expected [epoch:]upstream[-revision] in ASCII without spaces, the epoch a number"
    return InvalidVersionError("dpkg", version, why)
