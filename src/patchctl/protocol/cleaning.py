"""Clean text that a host wrote before anybody reads it: the security boundary.

Host text may hold escape sequences that move a cursor or change a title, line ends that fake a
line, bidirectional overrides that turn what follows around, and characters that nobody sees. None
of that passes here, whichever of these functions is taken:

    cleaned    one field of an answer, blanks inside as they are
    sentence   a reason, for a person
    on_screen  anything at all, on its way to a terminal: hides nothing, so nothing is cut

What comes out is one line and comes out the same again. Addresses lose who logs in with them, name
and password: a host's repositories and proxies may have both.
"""

import re

TEXT_MAX = 500
SENTENCE_MAX = 300

# Letters, digits and punctuation of left-to-right scripts, Greek to Korean. Beyond them lie symbols
# that draw a table's lines, pictures, and what most terminals have no letters for.
_STRANGE = re.compile(
    r"[^\x20-\x7e\u00a1-\u05ff\u0900-\u1fff\u2010-\u2027\u2030-\u205e\u3040-\ud7ff]"
)
# Unicode's Default_Ignorable_Code_Point: these have no shape. The format characters among them are
# not printable to Python already; these are, by their category.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_CUT = "…"
# RFC 3986 section 3.2.1: what stands before the `@` of an address; it may be a token alone.
_LOGIN = re.compile(r"(?<=://)[^\s/?#\"'<>]{1,1000}@")


def cleaned(text: str, limit: int = TEXT_MAX) -> str:
    """Clean one field: at most `limit` characters, `?` for each that may not be shown."""
    return _marked(without_logins(text.strip())[:limit]).strip()


def sentence(text: str, limit: int = SENTENCE_MAX) -> str:
    """Clean a reason: what may not be shown separates words as blanks and line ends do, `?` stands
    for strange letters, `…` for what is beyond `limit` characters."""
    # A host may send megabytes; what is read of it has room for blanks that fall away.
    line = " ".join(_marked(without_logins(text[: 8 * limit]), unseen=" ").split())
    return line if len(line) <= limit else line[: limit - 1] + _CUT


def without_logins(text: str) -> str:
    """Replace what stands before the `@` of each address by `***`; the rest stays as it is."""
    return _LOGIN.sub("***@", text) if "@" in text else text


def on_screen(text: str) -> str:
    """Escape what a terminal would obey or not show, as `\\xNN`, `\\uNNNN` or `\\UNNNNNNNN`.

    Everything else, and the length, stays: the text may be the project's own.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(ch if _seen(ch) else _escape(ch) for ch in text)


def _marked(text: str, unseen: str = "?") -> str:
    if text.isascii() and text.isprintable():
        return text
    return _STRANGE.sub("?", "".join(ch if _seen(ch) else unseen for ch in text))


def _seen(ch: str) -> bool:
    """False for control, format (bidirectional overrides), surrogate, private and unassigned
    characters, separators but the blank, and what has no shape."""
    return ch.isprintable() and not _UNSEEN.match(ch)


def _escape(ch: str) -> str:
    code = ord(ch)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
