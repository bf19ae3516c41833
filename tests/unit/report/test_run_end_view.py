"""What a rollout ends with."""

from live_world import LONG, approved, world
from rollout_world import World, plan, ring

from patchctl.models.rollout import HostState, Stage
from patchctl.models.run_status import RunStatus
from patchctl.report.rollout_view import RunView
from patchctl.report.run_end_view import RunEndView, summary, what_next
from patchctl.report.view import Lines
from patchctl.rollout.status import status


def ended(run: World) -> RunStatus:
    return status(run.view())


def well() -> World:
    run = World(plan([ring("staging")], {"staging": [["a", "b"]]}))
    run.run()
    return run


def last_lines(shown: RunEndView) -> list[str]:
    *_, last = shown.parts()
    assert isinstance(last, Lines)
    return list(last.rows)


def test_it_counts_what_is_always_wanted_and_what_there_is_besides() -> None:
    run = approved(world(6, failing=LONG))
    assert summary(ended(run), 723_000) == [
        "summary: 5 succeeded, 1 failed (1 undone), 0 skipped",
        "need a reboot: 0",
        "time taken: 12m03s",
    ]


def test_a_run_that_waits_has_hosts_that_are_not_begun() -> None:
    run = world(6, soak_s=0)
    run.run()
    assert summary(ended(run), 0)[0] == (
        "summary: 2 succeeded, 1 failed (1 undone), 0 skipped, 3 not begun"
    )


def test_what_an_operator_had_undone_did_not_fail() -> None:
    run = well()
    engine = run.engine()
    engine.roll_back("eve")
    engine.run(wait=False)
    assert summary(ended(run), 0)[0] == "summary: 0 succeeded, 0 failed, 0 skipped, 2 undone"


def test_after_a_good_end_nothing_is_left_to_do() -> None:
    assert what_next(ended(well())) == [
        "next: nothing is left to do; `patchctl verify r-1` tells later whether it still holds"
    ]


def test_hosts_that_need_a_reboot_are_named() -> None:
    run = well()
    run.view()
    hosts = [
        type(host)(name=host.name, ring=host.ring, state=HostState.SUCCEEDED, reboot_required=True)
        for host in ended(run).hosts
    ]
    before = ended(run)
    fields = {name: getattr(before, name) for name in before.__struct_fields__}
    rebooting = RunStatus(**{**fields, "hosts": tuple(hosts)})
    assert summary(rebooting, 0)[1] == "need a reboot: 2"
    assert what_next(rebooting)[1].startswith("  reboot a, b, then see with `patchctl verify r-1`")


def test_hosts_with_old_code_are_not_called_finished() -> None:
    before = ended(well())
    fields = {name: getattr(before, name) for name in before.__struct_fields__}
    hosts = [
        type(host)(name=host.name, ring=host.ring, state=host.state, old_code=("dbus.service",))
        for host in before.hosts
    ]
    standing = RunStatus(**{**fields, "hosts": tuple(hosts)})
    assert summary(standing, 0)[1] == (
        "need a reboot: 0; run old code until a restart or a reboot: 2"
    )
    assert what_next(standing)[1].startswith("  restart what runs old code on a, b, or reboot, ")


def test_a_run_that_stands_has_its_commands() -> None:
    run = World(
        plan([ring("staging")], {"staging": [["a", "b"]]}),
        script=world(6, failing="a").script,
    )
    run.run()
    lines = what_next(ended(run))
    assert lines[0] == "next:"
    assert any("patchctl rollback r-1" in line for line in lines)
    assert Stage.APPLY.value in ended(run).hosts[0].stage


def test_the_summary_ends_the_result_and_programs_get_what_they_had() -> None:
    standing = ended(well())
    shown = RunEndView(standing, 1_000)
    assert shown.data() == RunView(standing).data()
    assert last_lines(shown)[:3] == summary(standing, 1_000)
