"""Following a run from outside, and leaving it."""

import dataclasses
from pathlib import Path

import pytest
from rollout_world import fails
from workflows.rollout.test_rollout_hooks import Site

from patchctl.cli.live_actions import RunActions
from patchctl.errors import ConflictError
from patchctl.executors.simulated import SimulatedExecutor
from patchctl.models.journal import CommandKind, JournalEntry
from patchctl.models.rollout import HostState, RunState, Stage
from patchctl.workflows.rollout import advance
from patchctl.workflows.rollout.advance import Ended
from patchctl.workflows.rollout.watching import host_entries, onlooker


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def waits(site: Site) -> str:
    """A run whose production waits for an approval."""
    run = site.rollouts.start(site.plan())
    site.rollouts.advance(run, wait=False)
    return run


class TestPictures:
    def test_a_stored_run_is_seen_at_once_with_its_times(self, site: Site) -> None:
        began = site.clock.now_ms()
        run = waits(site)
        watcher = onlooker(site.rollouts)
        watcher.open(run)
        picture = watcher.picture()
        assert picture is not None
        assert picture.status.state is RunState.WAITING
        assert picture.began == began
        assert picture.forecast.approvals == ("production",)
        assert picture.approval is not None and picture.approval.hosts == 1

    def test_a_run_without_ended_hosts_has_the_pace_of_an_earlier_one(self, site: Site) -> None:
        first = waits(site)
        site.rollouts.request(first, CommandKind.ABORT)
        second = site.rollouts.start(site.plan("wget"))
        watcher = onlooker(site.rollouts)
        watcher.open(second)
        picture = watcher.picture()
        assert picture is not None
        assert picture.forecast.source == first
        assert picture.forecast.wave_ms >= 1_000

    def test_a_run_in_which_all_failed_tells_no_pace(self, site: Site) -> None:
        failing = SimulatedExecutor(site.hosts, site.clock, fails(Stage.PREFLIGHT))
        rollouts = dataclasses.replace(site.rollouts, executor=lambda _: failing)
        first = rollouts.start(site.plan())
        rollouts.advance(first, wait=False)
        rollouts.request(first, CommandKind.ABORT)
        watcher = onlooker(rollouts)
        watcher.open(rollouts.start(site.plan()))
        picture = watcher.picture()
        assert picture is not None
        assert (picture.forecast.source, picture.forecast.wave_ms) == ("", 0)

    def test_what_the_journal_has_about_a_host(self, site: Site) -> None:
        run = waits(site)
        entries = host_entries(site.rollouts, run, "s1")
        assert entries and all(entry.event.host == "s1" for entry in entries)  # type: ignore[union-attr]
        assert host_entries(site.rollouts, run, "p1") == []


class TestFollowing:
    def test_whoever_leaves_ends_the_watching_and_nothing_else(self, site: Site) -> None:
        run = waits(site)
        carried = dataclasses.replace(site.rollouts)
        site.database.leases.take(run, carried.process, carried.alive, "op")
        before = carried.view(run).seq
        asked: list[bool] = []

        def leave() -> bool:
            asked.append(True)
            return len(asked) > 3

        ended = advance.follow(carried, run, leave)
        assert (ended.exit_code, ended.why) == (5, "")
        assert carried.view(run).seq == before

    def test_it_took_as_long_as_the_run(self, site: Site) -> None:
        run = waits(site)
        site.rollouts.request(run, CommandKind.APPROVE)
        site.clock.advance(100_000)
        site.rollouts.resume(run)
        ended = advance.follow(site.rollouts, run)
        site.clock.advance(900_000)
        assert ended.status.state is RunState.DONE
        assert 100_000 < ended.took_ms < 200_000
        assert advance.follow(site.rollouts, run).took_ms == ended.took_ms

    def test_a_command_took_as_long_as_it_ran(self, site: Site) -> None:
        run = site.rollouts.start(site.plan())
        ended = advance.perform(site.rollouts, run, lambda: site.rollouts.advance(run, wait=False))
        assert 5_000 <= ended.took_ms < 60_000


class TestLeaving:
    def interrupted(self, site: Site, run: str) -> Ended:
        def interrupt() -> None:
            raise KeyboardInterrupt

        return advance.perform(site.rollouts, run, interrupt)  # type: ignore[arg-type]

    def test_a_run_that_was_let_go_may_be_carried_on(self, site: Site) -> None:
        ended = self.interrupted(site, waits(site))
        assert advance.may_be_carried_on(ended)
        assert advance.stands(site.rollouts, ended.status.run, 5).exit_code == 5

    def test_a_paused_one_stays_paused(self, site: Site) -> None:
        run = waits(site)
        site.rollouts.request(run, CommandKind.PAUSE)
        assert not advance.may_be_carried_on(self.interrupted(site, run))

    def test_one_that_is_over_is_not_begun_anew(self, site: Site) -> None:
        run = waits(site)
        site.rollouts.request(run, CommandKind.ABORT)
        assert not advance.may_be_carried_on(self.interrupted(site, run))


class TestKeysDoWhatTheirVerbsDo:
    def actions(
        self, site: Site, run: str, *, carries: bool = False, stays: str = ""
    ) -> RunActions:
        return RunActions(site.rollouts, run, carries=carries, stays=stays)

    def events(self, site: Site, run: str) -> list[JournalEntry]:
        return list(site.database.journal_reader().read(run))

    def test_pause_and_approve_are_in_the_journal(self, site: Site) -> None:
        run = waits(site)
        actions = self.actions(site, run)
        assert actions.approve("production") == "approval of ring production: done"
        assert site.rollouts.view(run).rings["production"].approved
        assert actions.pause() == "pause: done"
        assert site.rollouts.view(run).state is RunState.PAUSED

    def test_a_run_that_somebody_carries_gets_a_request(self, site: Site) -> None:
        run = waits(site)
        site.database.leases.take(run, site.rollouts.process, site.rollouts.alive, "op")
        said = self.actions(site, run).pause()
        assert said == "pause: asked for; the run takes it within a second"
        assert [item.command for item in site.database.mailbox.pending(run)] == [CommandKind.PAUSE]

    def test_what_the_verb_refuses_is_refused(self, site: Site) -> None:
        run = waits(site)
        site.rollouts.request(run, CommandKind.ABORT)
        with pytest.raises(ConflictError, match="is aborted"):
            self.actions(site, run).pause()

    def test_nobody_to_carry_a_run_on_makes_it_go_on(self, site: Site) -> None:
        run = waits(site)
        site.rollouts.request(run, CommandKind.PAUSE)
        assert self.actions(site, run).resume() == (
            f"nobody carries the run: patchctl rollout resume {run}"
        )
        assert site.rollouts.view(run).state is RunState.PAUSED

    def test_a_host_is_told_stage_by_stage(self, site: Site) -> None:
        run = waits(site)
        lines = self.actions(site, run).log("s1")
        assert HostState.SUCCEEDED.value in lines[-1]
        assert any("apply: ok" in line for line in lines)

    def test_who_only_watches_is_asked_nothing(self, site: Site) -> None:
        assert self.actions(site, waits(site)).leaving() == ()

    def test_who_carries_the_run_reads_what_leaving_does(self, site: Site) -> None:
        run = waits(site)
        carries = self.actions(site, run, carries=True)
        assert "background" in " ".join(carries.leaving())
        assert not carries.stops
        stays = self.actions(site, run, carries=True, stays="a password was asked for here")
        assert "a password was asked for here" in " ".join(stays.leaving())
        assert f"patchctl rollout resume {run}" in " ".join(stays.leaving())
        assert stays.stops
        site.rollouts.request(run, CommandKind.PAUSE)
        assert "it is paused" in " ".join(carries.leaving())
        assert carries.stops
