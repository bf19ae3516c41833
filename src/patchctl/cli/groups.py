"""A verb that does something by itself and has commands below it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from typer.core import TyperGroup


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` Did you mean 'rollout'?` for `rolout`; "" where nothing is close."""
    from difflib import get_close_matches  # only for errors

    close = get_close_matches(word, list(known), n=2)
    return f" Did you mean {' or '.join(map(repr, close))}?" if close else ""


class DefaultGroup(TyperGroup):
    """`verb ARG` runs the hidden command `start` unless ARG names a command below the verb."""

    default = "start"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if ctx.resilient_parsing and not args:  # completion must offer the commands below, too
            return super().parse_args(ctx, args)
        from .anywhere import first_word

        word = first_word(args, self.params)
        asks_help = word is None and {"-h", "--help"} & set(args)
        if word is not None and word not in self.commands and not ctx.resilient_parsing:
            self._refuse_mistyped(ctx, word)
        if not asks_help and word not in self.commands:
            args = [self.default, *args]
        return super().parse_args(ctx, args)

    def _refuse_mistyped(self, ctx: Any, word: str) -> None:
        """Fail where the word is meant for a command below: it is close to one, or nothing else
        could be meant."""
        takes_argument = any(
            parameter.param_type_name == "argument"
            for parameter in self.commands[self.default].params
        )
        meant = did_you_mean(word, self.commands)
        if not word.isalpha() or Path(word).exists() or (takes_argument and not meant):
            return
        ctx.fail(f"No such command {word!r}.{meant}")

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        with self._default_context(ctx) as below:
            pieces = self.commands[self.default].collect_usage_pieces(below)
        formatter.write_usage(ctx.command_path, " ".join(pieces))
        formatter.write_usage(ctx.command_path, "COMMAND [ARGS]...", prefix="       ")

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The options of what runs by itself, then the commands below."""
        with self._default_context(ctx) as below:
            self.commands[self.default].format_options(below, formatter)
        self.format_commands(ctx, formatter)

    def _default_context(self, ctx: Any) -> Any:
        command = self.commands[self.default]
        return command.make_context(self.default, [], parent=ctx, resilient_parsing=True)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Offer the commands below the verb, and the options and arguments of `start`."""
        offered = super().shell_complete(ctx, incomplete)
        command = self.commands[self.default]
        with self._default_context(ctx) as below:
            more = command.shell_complete(below, incomplete)
            first = next((it for it in command.params if it.param_type_name == "argument"), None)
            if first is not None and not incomplete.startswith("-"):
                more = [*more, *first.shell_complete(below, incomplete)]
        known = {item.value for item in offered}
        return [*offered, *(item for item in more if item.value not in known)]
