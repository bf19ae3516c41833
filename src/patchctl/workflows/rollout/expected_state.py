"""What runs have promised: for each host what its newest succeeded run brought."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ...models.plan import Plan
from ...models.rollout import HostState
from ...models.state import RunSummary
from ...models.states import UNSURE
from ...models.verification import ExpectedState
from ...rollout.view import HostView, RunView
from ..interfaces import State


@dataclass(frozen=True)
class ExpectedStates:
    """By host; `without` says of the others why nothing is promised there."""

    made: dict[str, ExpectedState] = field(default_factory=dict)
    without: dict[str, str] = field(default_factory=dict)


def expected_states(database: State, hosts: Collection[str], run: str = "") -> ExpectedStates:
    """The promises to these hosts, of one run or of the newest that succeeded on each.

    A run that was undone on a host promises nothing there: what an older one brought counts again.
    """
    found = ExpectedStates()
    later: dict[str, str] = {}
    left = set(hosts)
    for summary in [database.runs.get(run)] if run else database.runs.list():
        if not left:
            break
        plan = database.plans.load(summary.plan)
        if plan is None or left.isdisjoint(host.name for host in plan.body.hosts):
            continue
        view = RunView(summary.id, plan).replay(database.journal_reader().read(summary.id))
        for name in sorted(left & view.hosts.keys()):
            host = view.hosts[name]
            if host.state is HostState.SUCCEEDED:
                found.made[name] = _expected_state(summary, plan, host, later)
                left.discard(name)
            else:
                said = f"run {summary.id}: {host.state.value.replace('_', ' ')}"
                found.without.setdefault(name, said)
                if host.state in UNSURE:
                    later.setdefault(name, said)
    nothing = f"not in run {run}" if run else "no run has succeeded there"
    return ExpectedStates(
        made=found.made, without={name: found.without.get(name, nothing) for name in sorted(left)}
    )


def _expected_state(
    summary: RunSummary, plan: Plan, host: HostView, later: Mapping[str, str]
) -> ExpectedState:
    cohort = next(one for one in plan.body.cohorts if one.id == host.cohort)
    return ExpectedState(
        host=host.name,
        run=summary.id,
        made=host.since,
        transitions=cohort.transitions,
        later=later.get(host.name, ""),
    )
