"""Find a run, and read its journal and plan. Changes nothing."""

from ...errors import ConflictError, NotFoundError
from ...models.plan import Plan
from ...rollout.view import RunView
from ..interfaces import State


def find_run(database: State, name: str | None) -> str:
    """Return the id of a run by a unique start or end of it; the newest where `name` is None.

    Raises NotFoundError where there is none.
    """
    if name:
        return database.runs.resolve(name).id
    newest = database.runs.latest()
    if newest is None:
        raise NotFoundError("there is no run yet", hint="begin one with `patchctl rollout`")
    return newest.id


def view_run(database: State, run: str) -> RunView:
    """Return the view of the run, folded from its journal."""
    view = RunView(run, plan_of(database, run))
    return view.replay(database.journal_reader().read(run))


def plan_of(database: State, run: str) -> Plan:
    """Return the run's plan. Raises ConflictError where the state does not have it any more."""
    plan = database.plans.load(database.runs.get(run).plan)
    if plan is None:
        raise ConflictError(f"the plan of run {run} is missing from the state database")
    return plan
