"""Long lines, as the text views show them."""

import textwrap

WIDTH = 80


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
