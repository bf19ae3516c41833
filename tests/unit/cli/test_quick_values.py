"""Options are read as typer reads them, plain values without pydantic."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer
from cli.test_command_line import imported
from typer._coercion import build_runtime_param

from patchctl.cli.app import VERBS, app
from patchctl.cli.quick_values import QuickValue

TEXTS = ["", "a", "host1,web", "json", "JSON", "5", "-1", "0", "é", "\udcff", "1e3", "/tmp", " x "]


def options() -> Iterator[Any]:
    """Every option and argument of every command, each kind once."""
    root: Any = typer.main.get_command(app)
    waiting = [root, *(root.get_command(None, verb) for verb in VERBS)]
    seen = set()
    while waiting:
        command = waiting.pop()
        waiting += getattr(command, "commands", {}).values()
        for param in command.params:
            kind = (str(param.type_descriptor.annotation), param.multiple, param.nargs)
            if kind not in seen:
                seen.add(kind)
                yield pytest.param(param, id=f"{param.name}-{kind[0]}")


class Context:
    resilient_parsing = False
    color = None
    command = None


def read(reader: Any, value: Any, param: Any) -> Any:
    try:
        read_value = reader.coerce(value, param=param, ctx=Context())
    except Exception as error:
        return type(error), str(error)
    return type(read_value), read_value


@pytest.mark.parametrize("param", list(options()))
def test_a_value_is_what_typer_would_make_of_it(param: Any) -> None:
    plain = build_runtime_param(param.type_descriptor)
    quick = QuickValue(param.type_descriptor, build_runtime_param)
    values = [None, param.default, *TEXTS, (), [], *([text] for text in TEXTS), ("a", "b"), 3, True]
    for value in values:
        assert read(quick, value, param) == read(plain, value, param), value


def test_a_command_that_only_reads_does_not_import_pydantic() -> None:
    assert "pydantic" not in imported("rollout", "status", "r-1")
