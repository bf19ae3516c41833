"""May this plan be run? A plan file says which commands hosts run as root: it is code."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...errors import InvalidInputError, UsageError
from ...models import grammar
from ...models.journal import PlanTrust
from ...models.plan import Plan
from ...models.revision import AtHead
from .plan_files import FoundPlan


@dataclass(frozen=True, kw_only=True)
class PlanJudge:
    """Judges the plans of one workspace.

    `made` tells whether the state has the plan of a digest; `committed` looks for the bytes of a
    file at HEAD of the workspace's checkout.
    """

    made: Callable[[str], bool]
    committed: Callable[[Path, bytes], AtHead]

    def judge(self, found_plan: FoundPlan, named: str, command: str) -> PlanTrust:
        """Why the plan may run. `named` is the digest that the caller trusts, "" for none;
        `command` runs the plan.

        Raises UsageError where `named` is no digest or that of another plan, InvalidInputError,
        with the command that trusts it, where nothing vouches for the plan.
        """
        plan = found_plan.plan
        if named:
            check_named(named, plan)
        if found_plan.path is None or self.made(plan.digest):
            return PlanTrust.STATE
        head = self.committed(found_plan.path, found_plan.data)
        if head.commit:
            return PlanTrust.GIT
        if named:
            return PlanTrust.NAMED
        shown = shlex.quote(found_plan.shown)
        raise InvalidInputError(
            f"a plan is code, and nothing vouches for this one: it was not made with this state,"
            f" and {head.why}",
            where=found_plan.shown,
            hint=f"read it with `patchctl plan show {shown}`, then run it with"
            f" `{command} --trust-plan {plan.digest}`",
        )


def check_named(named: str, plan: Plan | None) -> None:
    """Raise UsageError where `--trust-plan` names no whole digest, or not that of the plan."""
    if not grammar.fits("digest", named):
        raise UsageError(
            f"--trust-plan {named[:80]!a} is not a whole digest",
            hint="give `sha256:` and all 64 hex digits, as `patchctl plan show -o json` has them",
        )
    if plan is None:
        raise UsageError(
            "--trust-plan goes with a plan, and none is named", hint="name its file as PLAN"
        )
    if named != plan.digest:
        raise UsageError(
            f"--trust-plan names {named}, and the plan is {plan.digest}",
            hint="it may have been changed; read it with `patchctl plan show`",
        )
