"""The pictures of a run that the live screen gets while it goes on."""

import copy
import time
from threading import Event, Thread

from rollout_world import RUN, SIX, World, plan, three_rings

from patchctl.models.journal import JournalEntry
from patchctl.models.rollout import RunState
from patchctl.models.run_picture import Picture
from patchctl.rollout.picture import Onlooker, picture
from patchctl.rollout.timed_view import TimedView
from patchctl.rollout.view import RunView


def a_run() -> World:
    """Return a run that has ended, entry by entry."""
    world = World(plan(three_rings(), SIX))
    assert world.run().state is RunState.DONE
    return world


def at(world: World, seq: int) -> TimedView:
    view = TimedView(RUN, world.plan)
    view.replay(world.entries[:seq])
    return view


def test_a_picture_does_not_change_while_the_run_goes_on() -> None:
    world = a_run()
    onlooker = Onlooker(lambda run: TimedView(run, world.plan))
    pairs: list[tuple[Picture, Picture]] = []
    for entry in world.entries:
        onlooker.take(entry)
        made = onlooker.picture()
        assert made is not None
        pairs.append((made, copy.deepcopy(made)))
    assert all(made == as_it_was for made, as_it_was in pairs)
    assert [made.seq for made, _ in pairs] == [entry.seq for entry in world.entries]
    assert pairs[0][0].status != pairs[-1][0].status


def test_the_engine_is_looked_at_from_outside_its_own_view() -> None:
    """The screen gets entries, and its pictures share nothing with the engine."""
    world = World(plan(three_rings(), SIX))
    onlooker = Onlooker(lambda run: at(world, len(world.entries)))
    seen: list[RunView] = []

    class Screen:
        def on_entry(self, entry: JournalEntry) -> None:
            seen.append(onlooker.take(entry))

    world.sinks = [Screen()]
    engine = world.engine()
    engine.run(wait=False)
    assert seen and all(view is not engine.view for view in seen)
    assert onlooker.picture() == picture(at(world, len(world.entries)))


def test_whoever_joins_in_the_middle_sees_the_whole_run() -> None:
    world = a_run()
    half = len(world.entries) // 2
    onlooker = Onlooker(lambda run: at(world, half))
    assert onlooker.picture() is None
    onlooker.take(world.entries[half - 1])
    assert onlooker.picture() == picture(at(world, half))


def test_another_thread_only_ever_sees_the_run_between_two_entries() -> None:
    world = a_run()
    onlooker = Onlooker(lambda run: TimedView(run, world.plan))
    done = Event()
    seen: dict[int, Picture] = {}

    def look() -> None:
        while not done.is_set():
            made = onlooker.picture()
            if made is not None:
                seen[made.seq] = made

    reader = Thread(target=look)
    reader.start()
    for entry in world.entries:
        onlooker.take(entry)
        until = time.monotonic() + 10
        while entry.seq % 10 == 0 and entry.seq not in seen and time.monotonic() < until:
            time.sleep(0)  # the reader sees at least these
    done.set()
    reader.join()
    assert len(seen) >= len(world.entries) // 10
    for seq, made in seen.items():
        assert made == picture(at(world, seq))


def test_a_stored_run_has_a_picture_before_its_next_entry() -> None:
    world = a_run()
    onlooker = Onlooker(lambda run: at(world, 9))
    onlooker.open(RUN)
    assert onlooker.picture() == picture(at(world, 9))
    onlooker.take(world.entries[9])
    assert onlooker.picture() == picture(at(world, 10))
