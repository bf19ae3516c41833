"""Register the output formats. Only this module does: each has a member of Format and a renderer.

Looking to add a format? Write a `Renderer` (`renderer.py`) in a module of its own, and add a name
and a row here. Help, completion and all verbs then know it.
"""

from collections.abc import Mapping
from enum import StrEnum

from ..errors import UsageError
from .csv_renderer import NO_ROWS, NO_ROWS_HINT, CsvRenderer
from .renderer import Renderer
from .structured import JsonRenderer, YamlRenderer
from .text import TextRenderer


class Format(StrEnum):
    """The values of `-o`."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    CSV = "csv"


RENDERERS: Mapping[Format, Renderer] = {
    Format.TABLE: TextRenderer(),
    Format.JSON: JsonRenderer(),
    Format.YAML: YamlRenderer(),
    Format.CSV: CsvRenderer(),
}


def of_any_view(form: Format) -> Format:
    """Return the format. Raises UsageError for one that not every view has: a verb without rows
    refuses it before it does anything."""
    if RENDERERS[form].rows_only:
        raise UsageError(NO_ROWS, hint=NO_ROWS_HINT)
    return form
