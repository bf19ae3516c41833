"""What is left of a run, and by what it is judged."""

from rollout_world import RUN, SIX, World, fails, plan, ring, three_rings

from patchctl.models.policy import Promote
from patchctl.models.rollout import RunState, Stage
from patchctl.models.run_picture import Forecast
from patchctl.rollout.blockers import blockers
from patchctl.rollout.forecast import forecast
from patchctl.rollout.timed_view import TimedView, pace_of

EARLIER = "r-0", 77_000


def views(run: World) -> list[TimedView]:
    """The run after each of its entries."""
    seen = []
    for number in range(1, len(run.entries) + 1):
        view = TimedView(RUN, run.plan)
        view.replay(run.entries[:number])
        seen.append(view)
    return seen


def of(view: TimedView) -> Forecast:
    return forecast(view, blockers(view, 0, {}), EARLIER)


def test_waves_become_fewer_and_an_earlier_run_counts_until_a_host_has_succeeded() -> None:
    run = World(plan(three_rings(), SIX))
    run.run()
    seen = [of(view) for view in views(run)]
    assert seen[0].waves == 4 and seen[-1].waves == 0
    assert [left.waves for left in seen] == sorted((left.waves for left in seen), reverse=True)
    assert (seen[0].source, seen[0].wave_ms) == EARLIER
    assert seen[-1].source == "" and 5_000 <= seen[-1].wave_ms < 15_000
    assert seen[-1].working_since is None
    assert any(left.working_since for left in seen)


def test_the_time_of_an_undo_says_nothing_of_an_update() -> None:
    run = World(plan([ring("staging")], {"staging": [["a", "b"]]}), script=fails(Stage.VERIFY))
    run.run()
    assert run.view().state is RunState.HALTED
    assert (of(views(run)[-1]).source, of(views(run)[-1]).wave_ms) == EARLIER
    assert pace_of(run.entries).wave_ms == 0
    assert pace_of(run.entries).undo_ms > 0


def test_an_undo_is_judged_by_its_own_hosts() -> None:
    rings = [ring("staging"), ring("production")]
    run = World(plan(rings, {"staging": [["a", "b"]], "production": [["c"]]}))
    run.run()
    engine = run.engine()
    engine.roll_back("eve")
    begun = len(run.entries)
    engine.run(wait=False)
    seen = views(run)
    undoing = [view for view in seen[begun - 1 :] if view.state is RunState.ROLLING_BACK]
    first, last = of(undoing[0]), of(undoing[-1])
    assert (first.waves, first.wave_ms, first.source) == (2, 0, "")
    assert last.waves == 0 and last.wave_ms > 0
    assert undoing[0].began > seen[0].began


def test_soaks_and_approvals_ahead() -> None:
    rings = [
        ring("staging", soak_s=60),
        ring("canary", soak_s=3_600),
        ring("production", soak_s=86_400, promote=Promote.MANUAL),
    ]
    run = World(plan(rings, SIX))
    run.run()
    seen = views(run)
    assert of(seen[0]).soaks_ms == 3_660_000  # nothing comes after production
    assert of(seen[0]).approvals == ("production",)
    soaking = of(seen[-1])
    assert soaking.soaks_ms == 3_600_000
    assert soaking.soak_until == run.entries[-1].at + 60_000


def test_a_run_that_was_left_for_days_keeps_its_beginning() -> None:
    run = World(plan(three_rings(promote=Promote.MANUAL), SIX))
    run.run()
    run.clock.advance(86_400_000 * 3)
    run.run()
    assert views(run)[-1].began == run.entries[0].at
