"""Long lists of names, and long lines, as the text views show them."""

import textwrap
from collections.abc import Sequence

WIDTH = 80


def some(names: Sequence[str], most: int, *, full: bool) -> str:
    """The names in their order; of more than `most` the first ones, and how many more there are.
    `full` gives all."""
    if full or len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def wrapped(text: str, indent: str = "  ") -> list[str]:
    """Lines of at most WIDTH characters, but for words that are longer; those after the first are
    indented by two more."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
