"""Refuse to roll a plan out a second time: its hosts are not any more as it says."""

from collections import Counter

from ...errors import ConflictError
from ...models.plan import Plan
from ...models.rollout import HostState, RunState
from ...models.states import MAY_RETRY, OVER
from ...models.words import count, short
from ...rollout.view import RunView
from ..interfaces import State
from .reading import view_run


def refuse_rolled_out(database: State, plan: Plan) -> None:
    """Raise ConflictError where the newest run of the plan is over and hosts have kept what it
    brought: these would fail in preflight."""
    runs = (run for run in database.runs.list() if run.plan == plan.digest)
    newest = next(runs, None)
    if newest is None or newest.state not in OVER or newest.state is RunState.ROLLED_BACK:
        return
    view = view_run(database, newest.id)
    hosts = Counter(host.state for host in view.hosts.values())
    succeeded = hosts[HostState.SUCCEEDED]
    if not succeeded:
        return
    name = f"plan {short(plan.digest)}"
    if succeeded == len(view.hosts):
        raise ConflictError(
            f"nothing to do: run {view.run} has brought {name} to all its hosts",
            hint=f"`patchctl verify {view.run}` looks at them; what is new needs a new plan",
        )
    raise ConflictError(
        f"{name} was rolled out already: run {view.run} has brought it to {succeeded} of"
        f" {count(len(view.hosts), 'host')}",
        hint=_rest(view),
    )


def _rest(view: RunView) -> str:
    retry = f"`patchctl rollout retry {view.run}` tries failed ones again; "
    new = "the others need a new plan (`patchctl plan create`)"
    return f"{retry if view.state in MAY_RETRY else ''}{new}"
