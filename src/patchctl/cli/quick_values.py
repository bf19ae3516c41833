"""Read the values of options without pydantic where they are plain.

typer reads every value with pydantic, even a default. Importing it and making its adapters takes a
third of a command that only reads, and half of a completion.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import typer

_NOT = object()  # the value is not plain


@dataclass(frozen=True)
class QuickValue:
    """Reads a value as typer would; `in_earnest` makes typer's own reader."""

    option: Any
    in_earnest: Callable[[Any], Any]

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the value. Raises typer's error where it is wrong."""
        kind = self.option.annotation
        if ctx.resilient_parsing and not (kind is bool and isinstance(value, str)):
            # Completion: no value counts but the folder of the workspace, and whether it is
            # trusted, which a variable with the value `0` denies.
            return value
        read = _NOT
        about = self.option.parameter_info
        if about.parser is None and about.min is None and about.max is None:
            read = _plain(kind, value, several=param.multiple or param.nargs == -1)
        if read is _NOT:
            read = self.in_earnest(self.option).coerce(value, param=param, ctx=ctx)
        return read


def _plain(kind: Any, value: Any, *, several: bool) -> Any:
    if several:
        if value is None:
            return ()
        items = value if isinstance(value, list | tuple) and kind == list[str] else (None,)
        return list(value) if all(map(_is_plain_text, items)) else _NOT
    if value is None or (kind is str and _is_plain_text(value)):
        return value
    if kind is int and type(value) is int:
        return value
    is_member = isinstance(kind, type) and issubclass(kind, Enum) and isinstance(value, kind)
    return value if is_member else _NOT


def _is_plain_text(value: Any) -> bool:
    # Not what Python could not decode, which pydantic refuses.
    return type(value) is str and value.isascii()


@contextlib.contextmanager
def quick_values() -> Iterator[None]:
    """Let typer read values so."""
    core: Any = typer.core
    build = getattr(core, "build_runtime_param", None)
    if build is None:  # another typer
        yield
        return
    core.build_runtime_param = lambda option: QuickValue(option, build)
    try:
        yield
    finally:
        core.build_runtime_param = build
