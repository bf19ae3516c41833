"""Build the start of a rollout, with a plan that exists or is made now."""

from functools import partial

from ..models.exclusions import Exclusion
from ..models.fleet import Fleet
from ..workflows.plan.make_plan import Made
from ..workflows.rollout.advance import Screen
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
    )
