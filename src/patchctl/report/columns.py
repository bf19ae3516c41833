"""Lay out tables as text. Names stay whole; on a narrow terminal free text is cut or wrapped."""

import unicodedata
from collections.abc import Iterator, Sequence

GAP = "  "
# Columns that are cut: free text, lists, and digests, of which the beginning is enough to name one.
_FREE = frozenset(
    {"REASON", "WHY", "GROUPS", "COMMENT", "OUTCOME", "REMARKS", "PLAN", "DIGEST", "TRANSACTION"}
)
# Columns of which nothing may be missing: they go on in the next line.
_WRAPPED = frozenset({"VALUE", "WHAT IT DOES", "WHAT IS WRONG", ""})
_LEAST = 12
_INDENT = "    "


def layout(
    header: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None
) -> list[str]:
    """Return the lines of a table. `width` is the number of columns of the terminal; None keeps
    every cell whole.

    Free text is cut with `…` between words, or wrapped below itself. Where that is not enough the
    last columns stand below the first ones, indented. Only a cell that is wider than the terminal
    makes a line too wide.
    """
    widths = [
        max([width_of(title), *(width_of(row[column]) for row in rows)])
        for column, title in enumerate(header)
    ]
    if width is not None:
        _narrow(header, widths, width)
    shelves = _shelves(widths, width)
    lines = []
    for row in (list(header), *rows):
        parts = [_parts(cell, widths[column], header[column]) for column, cell in enumerate(row)]
        for number, shelf in enumerate(shelves):
            indent = _INDENT if number else ""
            chosen = [(parts[column], widths[column]) for column in shelf]
            printed = list(_row(chosen))
            # A row has a first line, though it may be empty, and no empty ones below it.
            lines += [indent + line for line in printed if line or number == 0]
    return lines


def _row(cells: Sequence[tuple[list[str], int]]) -> Iterator[str]:
    """The lines of cells beside each other; each cell is its lines and its width."""
    for number in range(max((len(part) for part, _ in cells), default=0)):
        texts = [(part[number] if number < len(part) else "", size) for part, size in cells]
        padded = (text + " " * (size - width_of(text)) for text, size in texts)
        yield GAP.join(padded).rstrip()


def _shelves(widths: Sequence[int], width: int | None) -> list[list[int]]:
    """The columns that stand beside each other, first those of the first line of a row."""
    shelves: list[list[int]] = [[]]
    used = 0
    for column, size in enumerate(widths):
        if width is not None and shelves[-1] and used + len(GAP) + size > width:
            shelves.append([])
            used = len(_INDENT) - len(GAP)
        used += size + (len(GAP) if shelves[-1] or len(shelves) > 1 else 0)
        shelves[-1].append(column)
    return shelves


def width_of(text: str) -> int:
    """Return how many columns the text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_columns(ch) for ch in text)


def _columns(ch: str) -> int:
    if unicodedata.combining(ch):
        return 0
    return 2 if unicodedata.east_asian_width(ch) in "WF" else 1


def _narrow(header: Sequence[str], widths: list[int], width: int) -> None:
    """Shrink the widest column that may shrink, again and again, until the table fits or no column
    can shrink.
    """
    give = [column for column, title in enumerate(header) if title in _FREE or title in _WRAPPED]
    over = sum(widths) + len(GAP) * (len(widths) - 1) - width
    while over > 0 and (left := [column for column in give if widths[column] > _LEAST]):
        column = max(left, key=lambda index: widths[index])
        others = [
            widths[index] for index in left if index != column and widths[index] < widths[column]
        ]
        floor = max([_LEAST, *others])
        step = min(over, max(1, widths[column] - floor))
        widths[column] -= step
        over -= step


def _parts(cell: str, width: int, title: str) -> list[str]:
    if width_of(cell) <= width:
        return [cell]
    if title in _WRAPPED:
        return _wrap(cell, width)
    return [_at_word(_cut(cell, width - 1)) + "…"]


def _at_word(text: str) -> str:
    """The text without the word that was cut, where that leaves half of it or more."""
    whole = text.rpartition(" ")[0].rstrip(" ,;:")
    return whole if 2 * len(whole) >= len(text) else text


def _cut(text: str, width: int) -> str:
    kept, used = [], 0
    for ch in text:
        used += _columns(ch)
        if used > width:
            break
        kept.append(ch)
    return "".join(kept)


def _wrap(text: str, width: int) -> list[str]:
    """Return lines of at most `width`. A longer word stays whole on a line of its own, so that it
    can be copied.
    """
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if width_of(joined) <= width or not lines[-1]:
            lines[-1] = joined
        else:
            lines.append(word)
    return lines
