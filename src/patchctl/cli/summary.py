"""Runs and plans as the terminal shows them."""

from collections.abc import Sequence
from typing import Any

from ..models.plan import Plan
from ..models.rollout import RunStatus
from ..models.words import second, short
from ..report import looks_text, rollout_text
from . import output
from .output import Format


def before(plan: Plan) -> list[str]:
    """What a person should know before saying yes."""
    return rollout_text.before(plan)


def show_status(status: RunStatus, form: Format) -> None:
    """A run: rings, then the hosts that need eyes."""
    if form is not Format.TABLE:
        shown = {name: getattr(status, name) for name in status.__struct_fields__}
        output.data({**shown, "exclusions": output.whole(status.exclusions)}, form)
        return
    output.lines([output.clean(rollout_text.headline(status)), ""])
    if why := rollout_text.blockers(status):
        output.lines([*map(output.clean, why), ""])
    output.table(
        ("RING", "STATE", "HOSTS", ""),
        [
            (
                ring.name,
                ring.state.value,
                str(sum(ring.hosts.values())),
                rollout_text.counts(ring.hosts),
            )
            for ring in status.rings
        ],
    )
    if leased := rollout_text.leased(status):
        output.lines(["", leased])
    if len(status.hosts) <= 50:
        output.lines([""])
        output.table(
            ("HOST", "RING", "STATE", "STAGE", "REASON"),
            [
                (h.name, h.ring, rollout_text.host_state(status, h), h.stage, h.reason)
                for h in status.hosts
            ],
        )
    else:
        output.lines(output.clean(line) for line in rollout_text.trouble(status))
    rows = status.could_not_look
    for told in (
        looks_text.could_not_look(rows),
        rollout_text.config_files(status),
        rollout_text.waiting(status),
    ):
        if told:
            output.lines(["", *map(output.clean, told)])
    if left := rollout_text.left_behind(status):
        output.lines(["", *map(output.clean, left)])
    if step := rollout_text.next_step(status):
        output.lines(["", *map(output.clean, step.splitlines())])


def show_runs(runs: Sequence[Any], form: Format) -> None:
    """All runs, one a line."""
    if form is not Format.TABLE:
        output.data({"runs": list(runs)}, form)
        return
    output.table(
        ("RUN", "STATE", "HOSTS", "CREATED", "BY", "PLAN"),
        [
            (run.id, run.state.value, str(run.hosts), second(run.created), run.by, short(run.plan))
            for run in runs
        ],
    )
