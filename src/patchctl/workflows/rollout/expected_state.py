"""Collect the expected state of hosts: what the newest successful run of each installed."""

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
    """Expected states by host; `without` has the reason for each host that has none."""

    made: dict[str, ExpectedState] = field(default_factory=dict)
    without: dict[str, str] = field(default_factory=dict)


def expected_states(database: State, hosts: Collection[str], run: str = "") -> ExpectedStates:
    """Return the expected states of these hosts, by one run or by the newest successful one of
    each.

    A run that was undone on a host does not count there: the one before it counts again.
    """
    expected = ExpectedStates()
    unsure: dict[str, str] = {}
    hosts_left = set(hosts)
    for summary in [database.runs.get(run)] if run else database.runs.list():
        if not hosts_left:
            break
        plan = database.plans.load(summary.plan)
        if plan is None or hosts_left.isdisjoint(host.name for host in plan.body.hosts):
            continue
        view = RunView(summary.id, plan).replay(database.journal_reader().read(summary.id))
        for name in sorted(hosts_left & view.hosts.keys()):
            host = view.hosts[name]
            if host.state is HostState.SUCCEEDED:
                expected.made[name] = _expected_state(summary, plan, host, unsure)
                hosts_left.discard(name)
            else:
                reason = f"run {summary.id}: {host.state.value.replace('_', ' ')}"
                expected.without.setdefault(name, reason)
                if host.state in UNSURE:
                    unsure.setdefault(name, reason)
    nothing = f"not in run {run}" if run else "no run has succeeded there"
    return ExpectedStates(
        made=expected.made,
        without={name: expected.without.get(name, nothing) for name in sorted(hosts_left)},
    )


def _expected_state(
    summary: RunSummary, plan: Plan, host: HostView, unsure: Mapping[str, str]
) -> ExpectedState:
    cohort = next(candidate for candidate in plan.body.cohorts if candidate.id == host.cohort)
    return ExpectedState(
        host=host.name,
        run=summary.id,
        made=host.since,
        transitions=cohort.transitions,
        later=unsure.get(host.name, ""),
    )
