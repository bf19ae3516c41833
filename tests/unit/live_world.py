"""Runs for the tests of the live screen: few hosts and many, one that fails and says too much."""

from rollout_world import RUN, World, fails, plan, ring

from patchctl.models.journal import Command, CommandKind
from patchctl.models.policy import Amount, Promote
from patchctl.models.rollout import Stage
from patchctl.models.run_picture import Picture
from patchctl.rollout.picture import picture
from patchctl.rollout.timed_view import TimedView

LONG = "database-primary-7." + "x" * 29 + ".example.org"
HOSTILE = "dpkg: \x1b[31merror\x1b[2J processing \u202e" + "of a very long package name " * 20
BUDGET = Amount(percent=50)


def fleet(number: int) -> dict[str, list[list[str]]]:
    """Three rings; the second host of staging fails, a host of production has a long name."""
    names = [f"web-{n:03}.example.org" for n in range(number)]
    names[-1] = LONG
    first, second = max(2, number // 10), max(3, number // 5)
    later = [names[at : at + 50] for at in range(second, number, 50)]
    return {"staging": [names[:first]], "canary": [names[first:second]], "production": later}


def world(number: int, *, soak_s: int = 600, failing: str = "web-001.example.org") -> World:
    rings = [
        ring("staging", budget=BUDGET),
        ring("canary", soak_s=soak_s, budget=BUDGET),
        ring("production", budget=BUDGET, promote=Promote.MANUAL),
    ]
    script = fails(Stage.APPLY, failing, reason=HOSTILE)
    return World(plan(rings, fleet(number)), script=script)


def approved(run: World) -> World:
    """Until production waits, then past its approval, to the end."""
    run.run()
    run.clock.advance(700_000)
    run.mailbox.commands.append(
        Command(id=1, run=RUN, command=CommandKind.APPROVE, by="x", ring="production")
    )
    run.run()
    return run


def timed(run: World, seq: int) -> TimedView:
    """The run as a reader of its first entries sees it."""
    view = TimedView(RUN, run.plan)
    view.replay(run.entries[:seq])
    return view


def at(run: World, seq: int) -> Picture:
    """The picture after that entry."""
    return picture(timed(run, seq))


def now_of(run: World, seq: int) -> int:
    return run.entries[seq - 1].at + 3_000
