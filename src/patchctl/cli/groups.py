"""A verb that does something by itself and has commands below it."""

from typing import Any

from typer.core import TyperGroup


class DefaultGroup(TyperGroup):
    """`verb ARG` runs the hidden command `start` unless ARG names a command below the verb."""

    default = "start"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if ctx.resilient_parsing and not args:  # completion must offer the commands below, too
            return super().parse_args(ctx, args)
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = [self.default, *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Offer the commands below the verb, and the options and arguments of `start`."""
        offered = super().shell_complete(ctx, incomplete)
        command = self.commands[self.default]
        with command.make_context(self.default, [], parent=ctx, resilient_parsing=True) as below:
            more = command.shell_complete(below, incomplete)
            first = next((it for it in command.params if it.param_type_name == "argument"), None)
            if first is not None and not incomplete.startswith("-"):
                more = [*more, *first.shell_complete(below, incomplete)]
        known = {item.value for item in offered}
        return [*offered, *(item for item in more if item.value not in known)]
