"""`patchctl rollout`: start, list and control runs."""

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import NotFoundError, UsageError
from ..models.rollout import Stage
from ..report.formats import Format
from . import completion, output
from .groups import DefaultGroup
from .options import Exclude, ExcludeReason, Output, can_confirm, changes_hosts, confirm
from .state import state

if TYPE_CHECKING:
    from ..models.plan import Plan
    from ..wiring.workspace import Workspace
    from ..workflows.rollout.start import Chosen, Starting

_HELP = """Bring a plan to the rings, one after another.

\b
Examples:
  patchctl rollout --yes             fresh discovery, plan, all rings
  patchctl rollout --yes --exclude nginx --reason 'frozen until the sale is over'
  patchctl rollout plans/x.lock      a frozen plan, made here or committed
  patchctl rollout plans/x.lock --check
                                     is every host ready? Changes nothing
  patchctl rollout plans/x.lock --trust-plan sha256:…
  patchctl rollout status            where the newest run stands
  patchctl rollout resume            go on after Ctrl-C, a crash or a halt
  patchctl rollout retry --host web1 once more, after it was fixed
  patchctl rollout approve --ring production
  patchctl rollout promote --reason "canary looks good"

\b
Exit codes: 0 done, 1 hosts held back by policy, 3 halted, 4 done with
failed hosts, 5 waiting, 130 interrupted and resumable.
"""

app = typer.Typer(
    cls=DefaultGroup,
    rich_markup_mode=None,
    add_completion=False,
    help=_HELP,
    epilog="Keys on the live screen of a run: p pause, a approve, l a host's log, q leave it"
    " running.",
)

Run = Annotated[
    str,
    typer.Argument(
        metavar="[RUN]", help="A run's id or a unique part of it.", autocompletion=completion.runs
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="Exit 5 instead of waiting for a soak or an approval.")
]
TrustPlan = Annotated[
    str,
    typer.Option(
        "--trust-plan",
        metavar="DIGEST",
        envvar="PATCHCTL_TRUST_PLAN",
        help="Run this plan, by its whole digest, though nothing else vouches for it.",
    ),
]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the audit log.")]


@app.command()
@changes_hosts
def start(
    ctx: typer.Context,
    workspace: "Workspace",
    plan: Annotated[
        str,
        typer.Argument(
            help="Plan file or digest; none: plan first.", autocompletion=completion.plans
        ),
    ] = "",
    yes: Yes = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Run preflight on all hosts of the plan, and change nothing there."
        ),
    ] = False,
    no_wait: NoWait = False,
    comment: Annotated[str, typer.Option("--comment", help="Kept in the audit log.")] = "",
    trust_plan: TrustPlan = "",
    exclude: Exclude = None,
    reason: ExcludeReason = "",
    form: Output = Format.TABLE,
) -> None:
    """Run a plan through its rings (what `patchctl rollout` does by itself).

    A plan is code. It runs if this state made it, if git has it unmodified at HEAD in the
    workspace, or if --trust-plan names its whole digest. --exclude is for the plan that is made
    where none is named.

    --check begins no run: exit 0 where all hosts are ready, 1 where some are not or could not be
    asked.
    """
    from ..report.rollout_view import QuestionView
    from ..wiring.rollout import starting
    from ..workflows.exclusions import of_options
    from ..workflows.rollout.start import NothingToDo
    from . import rollout_check
    from .running import Terminal

    def approve(chosen: "Plan") -> None:
        output.show(QuestionView(chosen), form)
        confirm("Roll out?", yes=yes)

    excluded = of_options(exclude or (), reason)
    if plan and excluded:
        raise UsageError("--exclude changes no plan that is made", hint="make another plan with it")
    with Terminal(ctx, form, workspace, wait=not no_wait) as terminal:
        rolling = starting(workspace, terminal.say, terminal.screen(), excluded)
        chosen = _choose(ctx, rolling, plan, trust_plan, _command(ctx, workspace, plan, yes=yes))
        if check:
            rollout_check.finish(rolling, chosen, terminal, form)
        can_confirm(yes=yes)
        ended = rolling.start(chosen, approve=approve, comment=comment, wait=not no_wait)
        if isinstance(ended, NothingToDo):
            terminal.nothing(ended)
        terminal.finish(ended)


def _command(ctx: typer.Context, workspace: "Workspace", name: str, *, yes: bool) -> str:
    """Return the given command without options for access: one of them may be a secret."""
    options = state(ctx)
    words = ["patchctl"]
    if options.directory is not None:
        words += ["-C", str(options.directory)]
    words += ["rollout", "start", name]
    for source in workspace.access.sources:
        words += ["-i", source]
    return shlex.join([*words, "--yes"] if yes else words)


def _choose(
    ctx: typer.Context, rolling: "Starting", name: str, digest: str, command: str
) -> "Chosen":
    """Return the plan of that name. A misspelled command is taken for a plan's name, so the error
    lists the commands, too.
    """
    try:
        return rolling.choose(name, digest, command)
    except NotFoundError as error:
        group = ctx.parent and ctx.parent.command
        if not (name.isalpha() and isinstance(group, DefaultGroup)):
            raise
        known = ", ".join(sorted(group.commands.keys() - {group.default}))
        raise NotFoundError(
            f"{name!r} is neither a command nor a plan",
            hint=f"commands: {known}; `patchctl plan list` shows plans",
        ) from error


@app.command()
@changes_hosts
def resume(
    ctx: typer.Context,
    workspace: "Workspace",
    run: Run = "",
    no_wait: NoWait = False,
    accept_failures: Annotated[
        bool, typer.Option("--accept-failures", help="Go on though the budget is used up.")
    ] = False,
    reason: Reason = "",
    form: Output = Format.TABLE,
) -> None:
    """Go on with a run that was interrupted, paused or halted; ask its lost and deferred hosts
    again, also after its end."""
    from ..workflows.rollout import advance
    from .running import Terminal, opened

    with Terminal(ctx, form, workspace, wait=not no_wait) as terminal:
        rollouts, ident = opened(workspace, run)
        if rollouts.controller(ident):  # its own controller still runs, and will go on
            _steer(ctx, ident, "resume", "", reason, form)
            return
        shown = terminal.screen().of(rollouts)
        terminal.begin(ident)
        terminal.finish(
            advance.resume(
                shown, ident, reason=reason, accept_failures=accept_failures, wait=not no_wait
            )
        )


@app.command()
@changes_hosts
def retry(
    ctx: typer.Context,
    workspace: "Workspace",
    run: Run = "",
    host: Annotated[
        list[str] | None,
        typer.Option(
            "--host",
            metavar="NAME",
            help="Only this host; repeatable.",
            autocompletion=completion.hosts,
        ),
    ] = None,
    no_wait: NoWait = False,
    reason: Reason = "",
    form: Output = Format.TABLE,
) -> None:
    """Try hosts again that failed and were fixed.

    \b
    Examples:
      patchctl rollout retry                 all that failed in the newest run
      patchctl rollout retry --host web1 --reason "disk was full"

    Each gets a new attempt, from preflight on, wave by wave, in a run that
    halted, is done, soaks or waits for an approval. Tried again are hosts
    that failed or were undone, and deferred ones, in the attempt that was
    put off. Where a failed update was left as it is (unsafe to undo, or
    `on_failure: stop`), it is finished and verified anew; a host that was
    lost is asked again where it was. Where an undo failed,
    `patchctl rollback RUN --host NAME` comes first. Hosts that
    policy held back get a new plan.

    The count of the budget stays: a run that halted stands halted afterwards
    and goes on with `rollout resume --accept-failures`. One that soaks or
    waits goes on as with `rollout resume`. More hosts of a ring that fail
    again than its budget allows end the retry.

    \b
    Exit codes: those of the run, as with `rollout`; 2 nothing to try again.
    """
    from ..workflows.rollout import advance
    from .running import Terminal, opened

    with Terminal(ctx, form, workspace, wait=not no_wait) as terminal:
        rollouts, ident = opened(workspace, run)
        shown = terminal.screen().of(rollouts)
        terminal.begin(ident)
        terminal.finish(
            advance.retry(shown, ident, reason=reason, hosts=host or (), wait=not no_wait)
        )


@app.command()
def status(ctx: typer.Context, run: Run = "", form: Output = Format.TABLE) -> None:
    """Where a run stands: every ring, every host."""
    from ..report.rollout_view import RunView
    from .running import look

    output.show(RunView(look(ctx, run)), form)


@app.command()
def watch(ctx: typer.Context, run: Run = "", form: Output = Format.TABLE) -> None:
    """Follow a run that another process carries, until it stops.

    \b
    Keys on a terminal: p pause, a approve (shows what, and asks), l a host's
    log, q leave; the run goes on.
    """
    from .running import follow

    follow(ctx, run, form)


@app.command("list")
def list_runs(ctx: typer.Context, form: Output = Format.TABLE) -> None:
    """All runs, newest first."""
    from ..report.rollout_view import RunsView
    from ..wiring.stored import runs

    output.show(RunsView(runs(state(ctx).workspace())), form)


def _steer(ctx: typer.Context, run: str, what: str, ring: str, reason: str, form: Format) -> None:
    from ..models.journal import CommandKind
    from .running import steer

    steer(ctx, run, CommandKind(what), ring=ring, reason=reason, form=form)


@app.command()
def pause(
    ctx: typer.Context, run: Run = "", reason: Reason = "", form: Output = Format.TABLE
) -> None:
    """Start no new hosts; what is in flight ends. `resume` lifts it."""
    _steer(ctx, run, "pause", "", reason, form)


@app.command()
def abort(
    ctx: typer.Context,
    run: Run = "",
    reason: Reason = "",
    yes: Yes = False,
    form: Output = Format.TABLE,
) -> None:
    """End a run for good; what is in flight ends first. Asks on a terminal."""
    from .rollout_abort import ask

    _steer(ctx, ask(ctx, run, yes=yes), "abort", "", reason, form)


@app.command()
def approve(
    ctx: typer.Context,
    run: Run = "",
    ring: Annotated[
        str,
        typer.Option(
            "--ring", help="None: the ring that waits now.", autocompletion=completion.rings
        ),
    ] = "",
    reason: Reason = "",
    form: Output = Format.TABLE,
) -> None:
    """Let a ring go on that waits for an approval."""
    _steer(ctx, run, "approve", ring, reason, form)


@app.command()
def promote(
    ctx: typer.Context,
    reason: Annotated[
        str, typer.Option("--reason", help="Why the soak need not end; kept in the audit log.")
    ],
    run: Run = "",
    yes: Yes = False,
    form: Output = Format.TABLE,
) -> None:
    """End the soak of a ring early; the run goes on with the next ring.

    \b
    Examples:
      patchctl rollout promote --reason "exploited in the wild"
      patchctl rollout promote r-20261127-152501-682b --yes --reason "exploited in the wild"

    It lifts the soak alone: a ring that waits for an approval, a pause and a
    used-up budget stay. Where no controller carries the run,
    `patchctl rollout resume` does that afterwards.

    \b
    Exit codes: 0 the soak is over, 2 nothing soaks.
    """
    from ..models.journal import CommandKind
    from .running import opened, steer

    rollouts, ident = opened(state(ctx).workspace(), run)
    confirm(f"{rollouts.soak(ident)}. End this soak now?", yes=yes)
    steer(ctx, ident, CommandKind.PROMOTE, ring="", reason=reason, form=form)


@app.command()
def logs(
    ctx: typer.Context,
    host: Annotated[
        str, typer.Argument(help="A host of the run.", autocompletion=completion.hosts)
    ],
    run: Annotated[
        str,
        typer.Option(
            "--run", metavar="RUN", help="None: the newest.", autocompletion=completion.runs
        ),
    ] = "",
    stage: Annotated[
        Stage | None, typer.Option("--stage", help="Only this stage.", show_default=False)
    ] = None,
    form: Output = Format.TABLE,
) -> None:
    """What a host answered and printed in the stages of a run, from what is stored here."""
    from ..report.host_log_view import HostLogView
    from ..wiring.runs import host_log

    output.show(HostLogView(host_log(state(ctx).workspace(), run, host, stage)), form)
