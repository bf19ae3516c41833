"""Build the start of a rollout, with a plan that exists or is made now."""

from functools import partial

from ..errors import NotFoundError
from ..models.exclusions import Exclusion
from ..models.fleet import Fleet
from ..models.plan import Plan
from ..workflows.plan.make_plan import Made
from ..workflows.rollout.advance import Screen
from ..workflows.rollout.rolled_out import refuse_rolled_out
from ..workflows.rollout.start import Starting
from . import plan, stored
from .fleet import Say, fleet_of, load
from .runs import rollouts
from .workspace import Workspace


def starting(
    workspace: Workspace, say: Say, screen: Screen, exclude: tuple[Exclusion, ...] = ()
) -> Starting:
    """Return what finds or makes a plan and rolls it out. `say` takes warnings and lines of
    progress; `screen` shows the run; `exclude` are exclusions of a plan that is made."""
    planned: list[
        Fleet
    ] = []  # a plan made now is rolled out to the same fleet that was read for it

    def make() -> Made:
        planned.append(fleet_of(workspace, say))
        return plan.pending(workspace, planned[0], say, exclude)

    return Starting(
        find=partial(stored.find_plan, workspace),
        judge=plan.judge(workspace),
        make=make,
        rollouts=lambda: rollouts(
            workspace, lambda: planned[0] if planned else load(workspace).fleet
        ),
        screen=screen,
        refuse=partial(_refuse_rolled_out, workspace),
    )


def _refuse_rolled_out(workspace: Workspace, chosen: Plan) -> None:
    try:
        database = workspace.database(create=False)
    except NotFoundError:  # no state, so no run
        return
    refuse_rolled_out(database, chosen)
