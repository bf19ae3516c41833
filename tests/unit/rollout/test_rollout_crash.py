"""Kill the controller before and after every journal write, resume, compare."""

from collections.abc import Sequence

import pytest
from rollout_world import SIX, MemoryJournal, World, plan, three_rings

from patchctl.executors.simulated import Behaviour, Script
from patchctl.models.journal import Event, JournalEntry
from patchctl.models.rollout import OutcomeStatus, RunState, Stage
from patchctl.rollout.status import status


class ControllerDied(BaseException):
    """The controller's process died; nothing may catch this."""


class Deadly(MemoryJournal):
    """The journal of a controller that dies at its nth write, before or after it is durable."""

    def __init__(self, world: World, at: int, *, after: bool, fence: int = 0) -> None:
        super().__init__(
            world.entries, world.clock, fence=fence or world.fence + 1, newest=lambda: world.fence
        )
        self._left = at
        self._after = after

    def append(self, run: str, events: Sequence[Event]) -> Sequence[JournalEntry]:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise ControllerDied
        written = super().append(run, events)
        if self._left == 0:
            raise ControllerDied
        return written


def bad_update(host: str, stage: Stage, asked: int) -> Behaviour:
    """An update for which hosts must be attached to twice, and after which p1's service does not
    answer."""
    if stage is Stage.APPLY and asked == 0:
        return Behaviour(status=OutcomeStatus.RUNNING)
    if stage is Stage.VERIFY and host == "p1":
        return Behaviour(status=OutcomeStatus.FAILED, reason="no answer")
    return Behaviour()


def finish(world: World) -> None:
    engine = world.engine()
    if engine.view.state is not RunState.HALTED:
        engine.run(wait=False)


def undisturbed(script: Script) -> World:
    world = World(plan(three_rings(), SIX), script)
    finish(world)
    return world


def writes(script: Script) -> int:
    world = World(plan(three_rings(), SIX), script)
    journal = Deadly(world, -1, after=True)
    world.journal = lambda: journal  # type: ignore[method-assign]
    finish(world)
    return -1 - journal._left


@pytest.mark.parametrize("after", [False, True])
def test_a_controller_killed_at_any_write_leaves_a_run_that_ends_the_same(after: bool) -> None:
    reference = undisturbed(bad_update)
    total = writes(bad_update)
    assert total > 40
    for at in range(1, total + 1):
        world = World(plan(three_rings(), SIX), bad_update)
        plain = world.journal
        deadly = Deadly(world, at, after=after)
        world.journal = lambda deadly=deadly: deadly  # type: ignore[method-assign,misc]
        with pytest.raises(ControllerDied):
            finish(world)
        world.journal = plain  # type: ignore[method-assign]
        finish(world)
        got, want = status(world.view()), status(reference.view())
        assert got.state == want.state, at
        assert [(h.name, h.state) for h in got.hosts] == [(h.name, h.state) for h in want.hosts], at
        assert not [name for name, host in world.hosts.items() if host.held], at
        for name, host in world.hosts.items():
            same = reference.hosts[name]
            assert (host.changes, len(host.applied), len(host.undone)) == (
                same.changes,
                len(same.applied),
                len(same.undone),
            ), (at, name)
