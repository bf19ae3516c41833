"""The command line: global options, verbs that load when used, and the place where errors become
messages and exit codes.
"""

import contextlib
import errno
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .. import __version__
from ..errors import PatchctlError
from . import output
from .groups import did_you_mean
from .quick_values import quick_values
from .state import State

# Verb -> (module, one line of help). A module is imported when its verb is used, so that `--help`
# and completion stay fast and need neither Ansible nor a database.
VERBS: dict[str, tuple[str, str]] = {
    "init": ("init", "Write a commented workspace to begin with."),
    "doctor": ("doctor", "Check this machine, the workspace and every host; say what to fix."),
    "status": ("status", "The whole fleet by what is stored: updates, findings, reboots."),
    "inventory": ("inventory", "The merged fleet and its rings."),
    "discover": ("discover", "Learn everything about every host in one round trip."),
    "feeds": ("feeds", "Vulnerability data: fetch, import, how old it is."),
    "assess": ("assess", "Which vulnerability is on which host, how urgent, by when."),
    "explain": ("explain", "Why a host, a CVE or a package is, or is not, affected."),
    "exceptions": ("exceptions", "Findings to live with for a while: list, add, check."),
    "plan": ("plan", "Freeze pending updates into a reviewable plan."),
    "rollout": ("rollout", "Bring a plan to the rings, one after another."),
    "rollback": ("rollback", "Return the hosts of a run to their state before."),
    "verify": ("verify", "Does every host still have what was promised, and is it effective?"),
    "audit": ("audit", "Show and verify the audit log."),
    "host": ("host", "What patchctl keeps on a host."),
    "lab": ("lab", "A fleet of throw-away hosts on this machine."),
    "version": ("version", "The versions of patchctl and of what it runs on."),
}


class LazyGroup(TyperGroup):
    """Imports a verb's module when the verb is used."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in VERBS:
            return None
        if cmd_name not in self.commands:
            module = importlib.import_module(f"patchctl.cli.{VERBS[cmd_name][0]}")
            command = typer.main.get_command(module.app)
            command.name = cmd_name
            from .anywhere import accept_global_options

            accept_global_options(self, command)
            self.commands[cmd_name] = command
        return self.commands[cmd_name]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args[:1] == ["help"]:  # as git, kubectl and gh have it
            args = [*args[1:], "--help"]
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in VERBS and not ctx.resilient_parsing:
            ctx.fail(f"No such command {args[0]!r}.{did_you_mean(args[0], VERBS)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # typer would exit with the same code, but without a message
            output.error("interrupted")
            raise typer.Exit(130) from None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Patch orchestration for server fleets, driven by Ansible.",
    epilog="These options may also stand behind a command. `patchctl help COMMAND` shows its own.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(show: bool) -> None:
    if show:
        print(f"patchctl {__version__}")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    directory: Annotated[
        Path | None, typer.Option("-C", "--directory", metavar="DIR", help="Work in workspace DIR.")
    ] = None,
    trust_workspace: Annotated[
        bool,
        typer.Option(
            "--trust-workspace",
            envvar="PATCHCTL_TRUST_WORKSPACE",
            help="Read a workspace that others own or can write: its code runs as you.",
        ),
    ] = False,
    no_pager: Annotated[
        bool, typer.Option("--no-pager", help="Long results straight to the terminal.")
    ] = False,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
    verbose: Annotated[
        int,
        typer.Option(
            "-v", "--verbose", count=True, help="Show playbooks and times; -vv: every answer."
        ),
    ] = 0,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks, and all that -vv shows.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options for every verb; they stand before it or behind it."""
    ctx.obj = State(
        directory=directory,
        color=not (no_color or os.environ.get("NO_COLOR")),
        quiet=quiet,
        verbose=verbose,
        debug=debug,
        trusted=trust_workspace,
    )
    from . import logs

    logs.show(2 if debug else verbose)
    if not no_pager:
        output.page()


def end_by_signals() -> None:
    """Treat SIGTERM (a cancelled pipeline sends it) and SIGHUP (a lost terminal) like Ctrl-C.

    So work in progress ends in order, secrets are removed, and a run can be resumed. Signals that
    the caller ignores (nohup) stay ignored.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return its exit code. No other code in the project exits."""
    try:
        return _run(argv)
    finally:
        output.close()


def _run(argv: list[str] | None) -> int:
    arguments = sys.argv[1:] if argv is None else argv
    if os.environ.get("_PATCHCTL_COMPLETE"):
        # With rich, typer shows help texts beside the words. Importing it takes very long.
        sys.modules["rich"] = None  # type: ignore[assignment]
    debug = "--debug" in arguments
    output.begin()
    try:
        with quick_values():
            result = app(arguments, prog_name="patchctl", standalone_mode=False)
    except PatchctlError as error:
        if debug:
            traceback.print_exc()
        for line in error.lines():
            output.error(line)
        _as_data(error, error.exit_code, arguments)
        return error.exit_code
    except KeyboardInterrupt:
        output.error("interrupted")
        return 130
    except BrokenPipeError:
        return _reader_went_away()
    except SystemExit as ended:
        # Typer handles a broken pipe itself and exits with 1, which means in patchctl that a policy
        # was not met.
        if isinstance(ended.__context__, BrokenPipeError):
            return _reader_went_away()
        raise
    except Exception as error:
        code = getattr(error, "exit_code", None)
        if isinstance(code, int):  # the command line library's own errors and exits
            if _usage(error):
                _as_data(error, code, arguments)
            return code
        if type(error).__name__ == "Abort":
            output.error("interrupted")
            return 130
        if debug:
            raise
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            # A full /tmp, for example. A run that was interrupted by it has printed more already.
            output.error(f"{error.filename or 'this machine'}: {error.strerror}; free space there")
            _as_data(error, 2, arguments)
            return 2
        output.error(
            f"unexpected {type(error).__name__}: {error}; run again with --debug and report it"
        )
        _as_data(error, 70, arguments)
        return 70
    return result if isinstance(result, int) else 0


def _reader_went_away() -> int:
    """Return the exit code that a shell reports for a command that SIGPIPE ended."""
    # Else Python would raise the error again when it flushes at exit.
    for stream in (1, 2):
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    return 141


def _usage(error: Exception) -> bool:
    """Print a mistake in the command line on one line; return False where nothing is wrong."""
    say = getattr(error, "format_message", None)
    if say is None:
        return False
    if type(error).__name__ == "NoArgsIsHelpError":  # its message is the help text
        sys.stderr.write(say() + "\n")
        return False
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "patchctl"
    output.error(f"{say().rstrip('.')}; see `{path} --help`")
    return True


def _as_data(error: Exception, code: int, arguments: Sequence[str]) -> None:
    """The same error for a program that asked for its result as data."""
    named = _named_format(arguments)
    if not named:
        return
    from ..models.failure import failure

    # Stdout may be full or closed. The line on stderr and the exit code say what is wrong.
    with contextlib.suppress(OSError):
        output.show_failure(failure(error, code), named)
        sys.stdout.flush()


def _named_format(arguments: Sequence[str]) -> str:
    """The format that the command line asks for. It is read from the words, because the error may
    be that they cannot be parsed; "" where none is named."""
    named = ""
    for word, following in pairwise([*arguments, ""]):
        if word in ("-o", "--output"):
            named = following
        elif word.startswith("--output="):
            named = word.partition("=")[2]
        elif word.startswith("-o"):
            named = word[2:].removeprefix("=")
    return named
