"""Text that never leaves its width: what the live screen is made of. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from .columns import width_of


@dataclass(frozen=True)
class Span:
    """Text in one style: a name such as `red` or `bold`, "" for none."""

    text: str
    style: str = ""


Line = tuple[Span, ...]
"""A line of the screen. Its text was cleaned and fits the width."""


def plain(line: Line) -> str:
    """The text of a line."""
    return "".join(span.text for span in line)


def cut(text: str, width: int) -> str:
    """The text in at most `width` columns; `…` stands where something is missing."""
    if width_of(text) <= width:
        return text
    if width < 2:
        return "…"[:width]
    head = _first(text, width - 1)
    return f"{head}…" if width_of(head) < width else "…"


def padded(text: str, width: int) -> str:
    """The text, cut or with blanks, in exactly `width` columns."""
    text = cut(text, width)
    return text + " " * (width - width_of(text))


def wrap(text: str, width: int, indent: str = "", *, most: int = 0) -> list[str]:
    """Lines of at most `width` columns; the first keeps the blanks that it begins with, the others
    are indented. Words stay whole where they fit. With `most`, at most so many lines, of which the
    last is cut."""
    words = text.lstrip(" ")
    begin = " " * (len(text) - len(words))
    if max(width_of(indent), width_of(begin)) > width // 2:
        indent = begin = ""
    lines = [begin]
    for word in words.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1].strip() else f"{lines[-1]}{word}"
        if width_of(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1].strip():
            lines.append(indent)
        lines[-1] += word
        while width_of(lines[-1]) > width:
            head = _first(lines[-1], width)
            lines[-1], rest = head, lines[-1][len(head) :]
            lines.append(indent + rest)
    if most and len(lines) > most:
        rest = " ".join(line.strip() for line in lines[most - 1 :])
        lines = [*lines[: most - 1], cut(f"{indent if most > 1 else ''}{rest}", width)]
    return lines


def chunks(text: str, width: int) -> list[str]:
    """The whole text in lines of at most `width` columns, wherever they break: for names, of which
    nothing may be missing."""
    lines = []
    while width_of(text) > width:
        head = _first(text, width)
        lines.append(head)
        text = text[len(head) :]
    return [*lines, text]


def styled(rows: Sequence[str], style: str = "") -> list[Line]:
    """A line for each row, in one style."""
    return [(Span(row, style),) for row in rows]


def _first(text: str, width: int) -> str:
    """As much of the text as fits; one character at least, so that a loop over it ends."""
    if text.isascii():
        return text[: max(1, width)]
    used = 0
    for number, character in enumerate(text):
        used += width_of(character)
        if used > width:
            return text[: max(1, number)]
    return text
