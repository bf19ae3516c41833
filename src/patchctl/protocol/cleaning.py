"""Clean text from hosts before a person reads it. This is a security boundary.

Host text may contain escape sequences that move a cursor or change a title, line ends that fake a
line, bidirectional overrides that reverse the text after them, and invisible characters. None of
them is left in the result of any of these functions:

    cleaned    one field of an answer; blanks inside stay
    sentence   a reason, for a person
    on_screen  any text for a terminal: escapes them, and cuts nothing

The result is one line; cleaning it again changes nothing. The first two also remove login names and
passwords from addresses, since a host's repositories and proxies may have some.
"""

import re

TEXT_MAX = 500
SENTENCE_MAX = 300

# Not in here: letters, digits and punctuation of left-to-right scripts, Greek to Korean. The others
# are symbols that draw a table's lines, pictures, and characters that most terminals cannot show.
_STRANGE = re.compile(
    r"[^\x20-\x7e\u00a1-\u05ff\u0900-\u1fff\u2010-\u2027\u2030-\u205e\u3040-\ud7ff]"
)
# Unicode's Default_Ignorable_Code_Point: invisible characters. Only those that str.isprintable()
# takes for printable; it knows that the format characters among them are not.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_CUT = "…"
# RFC 3986 section 3.2.1: the part of an address before the `@`. It may be a token without a name.
_LOGIN = re.compile(r"(?<=://)[^\s/?#\"'<>]{1,1000}@")


def cleaned(text: str, limit: int = TEXT_MAX) -> str:
    """Clean one field: at most `limit` characters, with `?` for each that may not be shown."""
    return _marked(without_logins(text.strip())[:limit]).strip()


def sentence(text: str, limit: int = SENTENCE_MAX) -> str:
    """Clean a reason. Characters that may not be shown become blanks, like line ends; strange
    letters become `?`; text beyond `limit` characters becomes `…`.
    """
    # A host may send megabytes. Read only a part, with some more for blanks that are removed.
    line = " ".join(_marked(without_logins(text[: 8 * limit]), unseen=" ").split())
    return line if len(line) <= limit else line[: limit - 1] + _CUT


def without_logins(text: str) -> str:
    """Replace the part before the `@` of each address by `***`. All else stays as it is."""
    return _LOGIN.sub("***@", text) if "@" in text else text


def on_screen(text: str) -> str:
    """Escape characters that a terminal would obey or not show, as `\\xNN`, `\\uNNNN` or
    `\\UNNNNNNNN`.

    All else stays, and nothing is cut: patchctl's own text passes it too.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(ch if _seen(ch) else _escape(ch) for ch in text)


def _marked(text: str, unseen: str = "?") -> str:
    if text.isascii() and text.isprintable():
        return text
    return _STRANGE.sub("?", "".join(ch if _seen(ch) else unseen for ch in text))


def _seen(ch: str) -> bool:
    """Return False for control, format (bidirectional overrides), surrogate, private and unassigned
    characters, for separators other than the blank, and for characters without a shape.
    """
    return ch.isprintable() and not _UNSEEN.match(ch)


def _escape(ch: str) -> str:
    code = ord(ch)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
