"""Register the output formats. Only this module does: each has a member of Format and a renderer.

Looking to add a format? Write a `Renderer` (`renderer.py`) in a module of its own, and add a name
and a row here. Help, completion and all verbs then know it.
"""

from collections.abc import Mapping
from enum import StrEnum

from .renderer import Renderer
from .structured import JsonRenderer, YamlRenderer
from .text import TextRenderer


class Format(StrEnum):
    """The values of `-o`."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


RENDERERS: Mapping[Format, Renderer] = {
    Format.TABLE: TextRenderer(),
    Format.JSON: JsonRenderer(),
    Format.YAML: YamlRenderer(),
}
