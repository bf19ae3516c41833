"""Lay out tables as text. Names stay whole; on a narrow terminal free text is cut or wrapped."""

import unicodedata
from collections.abc import Sequence

GAP = "  "
# Columns of free text, which may be cut. All others have names, numbers or words to search for.
_FREE = frozenset({"REASON", "WHY", "GROUPS", "COMMENT", "OUTCOME", "REMARKS"})
# Columns that may not be cut. They are wrapped.
_WRAPPED = frozenset({"VALUE", "WHAT IT DOES", "WHAT IS WRONG", ""})
_LEAST = 12


def layout(
    header: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None
) -> list[str]:
    """Return the lines of a table. `width` is the number of columns of the terminal; None keeps
    every cell whole.

    Free text is cut with `…` or wrapped inside its column. If names alone are too wide, the lines
    are too.
    """
    widths = [
        max([width_of(title), *(width_of(row[column]) for row in rows)])
        for column, title in enumerate(header)
    ]
    if width is not None:
        _narrow(header, widths, width)
    lines = []
    for row in (list(header), *rows):
        parts = [_parts(cell, widths[column], header[column]) for column, cell in enumerate(row)]
        for number in range(max(map(len, parts), default=0)):
            cells = [part[number] if number < len(part) else "" for part in parts]
            padded = (
                cell + " " * (size - width_of(cell))
                for cell, size in zip(cells, widths, strict=True)
            )
            lines.append(GAP.join(padded).rstrip())
    return lines


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
    return [_cut(cell, width - 1) + "…"]


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
