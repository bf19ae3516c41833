"""Roll out a named and trusted plan, or a new one of the pending updates."""

from collections.abc import Callable
from dataclasses import dataclass

from ...models.exclusions import Exclusion
from ...models.journal import PlanTrust
from ...models.plan import CouldNotLook, LeftOut, Plan
from ...models.readiness import RolloutCheck
from ..plan.make_plan import Made
from ..plan.plan_files import FoundPlan
from ..plan.trust import PlanJudge, check_named
from .advance import Ended, Screen, perform
from .check import RolloutChecker
from .runs import Rollouts


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A plan that may run, and why. `plan` is None where it will be made here."""

    plan: Plan | None
    trust: PlanTrust


@dataclass(frozen=True, kw_only=True)
class NothingToDo:
    """No host is known to need an update. `exit_code`: 0 where all are up to date, 1 where some
    could not be discovered or may not be patched. `all_looked_at`: it is certain that no host needs
    one. `exclusions` are the rules that held."""

    left_out: tuple[LeftOut, ...]
    exit_code: int
    could_not_look: tuple[CouldNotLook, ...] = ()
    all_looked_at: bool = True
    exclusions: tuple[Exclusion, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Starting:
    """Starts the runs of one workspace.

    `find` returns a plan by its name; `make` discovers now and plans what is pending; `rollouts`
    gives the workspace's runs and makes a database for them; `screen` shows the run.
    `refuse` raises ConflictError for a plan that was rolled out already.
    """

    find: Callable[[str], FoundPlan]
    judge: PlanJudge
    make: Callable[[], Made]
    rollouts: Callable[[], Rollouts]
    screen: Screen
    refuse: Callable[[Plan], None] = lambda _: None

    def choose(self, name: str, digest: str, command: str) -> Chosen:
        """Return the plan of that name, judged; where `name` is empty a plan will be made. `digest`
        is the one that the caller trusts, "" for none; `command` runs the plan, for messages.

        Raises NotFoundError where there is no such plan, UsageError where `digest` is not that of
        the plan, InvalidInputError, with the command to give, where nothing vouches for it.
        """
        if name:
            found_plan = self.find(name)
            return Chosen(plan=found_plan.plan, trust=self.judge.judge(found_plan, digest, command))
        if digest:
            check_named(digest, None)
        return Chosen(plan=None, trust=PlanTrust.STATE)

    def start(
        self, chosen: Chosen, *, approve: Callable[[Plan], None], comment: str, wait: bool
    ) -> Ended | NothingToDo:
        """Make the plan where none was named, and carry a run of it as far as it goes.

        `approve` gets the plan before anything is changed, and raises where it must not run.
        Raises what `Rollouts.start` raises.
        """
        plan = self.plan_of(chosen)
        if isinstance(plan, NothingToDo):
            return plan
        self.refuse(plan)
        approve(plan)
        rollouts = self.screen.of(self.rollouts())
        run = rollouts.start(plan, comment=comment, trust=chosen.trust)
        return perform(rollouts, run, lambda: rollouts.advance(run, wait=wait))

    def check(self, chosen: Chosen, *, say: Callable[[str], None]) -> RolloutCheck | NothingToDo:
        """Make the plan where none was named, and ask its hosts whether they are ready for it.

        Begins no run. Raises what `Rollouts.start` raises for the plan.
        """
        plan = self.plan_of(chosen)
        if isinstance(plan, NothingToDo):
            return plan
        return RolloutChecker(self.rollouts(), say).check(plan)

    def plan_of(self, chosen: Chosen) -> Plan | NothingToDo:
        """Return the chosen plan, made now where none was named."""
        if chosen.plan is not None:
            return chosen.plan
        made = self.make()
        if made.plan is not None:
            return made.plan
        return NothingToDo(
            left_out=made.left_out,
            exit_code=made.exit_code,
            could_not_look=made.could_not_look,
            all_looked_at=made.all_looked_at,
            exclusions=made.exclusions,
        )
