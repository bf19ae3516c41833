"""The one place where formats register. `-o NAME` is a member here, with its renderer below.

Looking to add a format? Write a `Renderer` (`renderer.py`) in a module of its own, give it a name
and a row here; the help, completion and every verb know it then.
"""

from collections.abc import Mapping
from enum import StrEnum

from .renderer import Renderer
from .structured import JsonRenderer, YamlRenderer
from .text import TextRenderer


class Format(StrEnum):
    """`-o`."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


RENDERERS: Mapping[Format, Renderer] = {
    Format.TABLE: TextRenderer(),
    Format.JSON: JsonRenderer(),
    Format.YAML: YamlRenderer(),
}
