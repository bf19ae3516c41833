"""A verb that does something by itself and has verbs below it."""

from typing import Any

from typer.core import TyperGroup


class DefaultGroup(TyperGroup):
    """`verb ARG` runs the hidden command `start` unless ARG names a command below the verb."""

    default = "start"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = [self.default, *args]
        return super().parse_args(ctx, args)
