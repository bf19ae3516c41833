"""`plan diff` says which setting differs: its name in patchctl.yml, the old and the new value."""

from pathlib import Path

from msgspec import structs
from plan_world import facts, fleet, host, host_result, resolution, ring, settings, snapshot
from plan_world import transition as change

from patchctl.models.plan import Plan, PlanAbout, Selection, SelectionMode
from patchctl.models.policy import (
    Amount,
    Probe,
    ProbeKind,
    Promote,
    RebootPolicy,
    RingPolicy,
    StaleLists,
    UnprovenPolicy,
    UpdaterPolicy,
)
from patchctl.models.settings import Settings
from patchctl.plan import lockfile, setting_changes
from patchctl.plan.diff import diff
from patchctl.plan.freeze import freeze, seal
from patchctl.plan.setting_changes import says_all
from patchctl.report import plan_diff_view

RINGS = (ring("staging"), ring("production"))
SELECTION = Selection(mode=SelectionMode.SECURITY)
BEFORE_CVES = Path(__file__).parents[2] / "data/plan/before-cves.lock"


def plan(policy: Settings, selection: Selection = SELECTION) -> Plan:
    body = freeze(
        fleet=fleet(host("s1", "staging")),
        snapshot=snapshot(host_result("s1", facts())),
        selection=selection,
        settings=policy,
        resolutions=[resolution("s1", change("curl"))],
        left_out=(),
    )
    return seal(body, PlanAbout(created=1, author="op", tool="t"))


def changes(before: Settings, after: Settings) -> dict[str, tuple[str, str]]:
    rows = diff(plan(before), plan(after)).settings
    return {row.setting: (row.before, row.after) for row in rows}


def test_a_setting_of_a_ring_has_its_name_and_both_values() -> None:
    other = structs.replace(
        RINGS[1],
        budget=Amount(percent=5),
        soak_s=7200,
        promote=Promote.MANUAL,
        reboot=RebootPolicy.IF_REQUIRED,
    )
    assert changes(settings(*RINGS), settings(RINGS[0], other)) == {
        "rings.production.budget": ("0", "5%"),
        "rings.production.soak": ("0s", "2h"),
        "rings.production.promote": ("auto", "manual"),
        "rings.production.reboot": ("never", "if-required"),
    }


def test_a_setting_of_all_rings_is_named_once() -> None:
    others = [
        structs.replace(ring, updaters=UpdaterPolicy.REFUSE, lock_wait_s=60) for ring in RINGS
    ]
    assert changes(settings(*RINGS), settings(*others)) == {
        "policy.updaters": ("warn", "refuse"),
        "policy.lock_wait": ("2m", "1m"),
    }


def test_settings_of_the_policy_have_their_values() -> None:
    before = settings(*RINGS)
    after = structs.replace(
        settings(*RINGS, undo_safe=["postgresql*", "curl"], allow_removals=True),
        unproven=UnprovenPolicy.ALLOW,
        stale_lists=StaleLists.WARN,
        plan_expires_s=86_400,
    )
    assert changes(before, after) == {
        "policy.unproven": ("hold", "allow"),
        "policy.stale_lists": ("hold", "warn"),
        "policy.allow_removals": ("false", "true"),
        "policy.undo_safe": ("none", "curl, postgresql*"),
        "policy.plan_expires": ("14d", "1d"),
    }


def test_rings_probes_and_hooks_that_come_go_or_change_are_told() -> None:
    web = Probe(name="web", kind=ProbeKind.TCP, target="localhost:80")
    before = [structs.replace(ring, probes=(web,)) for ring in RINGS]
    after = [
        structs.replace(
            ring,
            probes=(structs.replace(web, target="localhost:81", within_s=60),),
            drain="hooks/out.yml",
        )
        for ring in (*RINGS, ring("last"))
    ]
    assert changes(settings(*before), settings(*after)) == {
        "rings": ("staging, production", "staging, production, last"),
        "probes.web.target": ("localhost:80", "localhost:81"),
        "probes.web.within": ("30s", "1m"),
        "hooks.drain": ("none", "hooks/out.yml"),
    }


def test_what_was_asked_for_is_told() -> None:
    other = Selection(mode=SelectionMode.PACKAGE, packages=("curl",), limit="web")
    rows = diff(plan(settings()), plan(settings(), other)).selection
    assert [(row.setting, row.before, row.after) for row in rows] == [
        ("selection.mode", "security", "package"),
        ("selection.packages", "none", "curl"),
        ("selection.limit", "none", "web"),
    ]


def test_a_line_has_the_setting_and_both_values_and_no_code_of_several_lines() -> None:
    probe = Probe(name="web", kind=ProbeKind.COMMAND, target="one\ntwo")
    before = [structs.replace(ring, probes=(probe,)) for ring in RINGS]
    after = [
        structs.replace(ring, soak_s=60, probes=(structs.replace(probe, target="three"),))
        for ring in RINGS
    ]
    lines = plan_diff_view.show(diff(plan(settings(*before)), plan(settings(*after))))
    assert "  ~ rings.staging.soak: 0s -> 1m" in lines
    assert "  ~ probes.web.target: another text" in lines


def test_a_plan_from_before_some_settings_were_kept_is_not_guessed() -> None:
    old = lockfile.decode(BEFORE_CVES.read_bytes(), "old")
    made = plan(settings(*RINGS, undo_safe=["curl"]))
    lost = structs.replace(made.body, undo_safe=())
    without = seal(lost, made.about)
    assert (says_all(made.body), says_all(without.body)) == (True, False)
    unsure = diff(without, plan(settings(*RINGS)))
    assert (unsure.settings, unsure.settings_unsure) == ((), True)
    said = " ".join(" ".join(plan_diff_view.show(unsure)).split())
    assert "policy.allow_removals or policy.undo_safe may differ too" in said
    assert not diff(old, old).settings_unsure


def test_defaults_leave_the_digest_of_older_plans_as_it_is() -> None:
    text = lockfile.encode(plan(settings())).decode()
    assert "allow_removals" not in text
    assert "undo_safe" not in text


def test_every_setting_of_a_ring_is_compared() -> None:
    compared = {*setting_changes.OF_THE_RING, *setting_changes.OF_THE_POLICY}
    compared |= {*setting_changes.OF_THE_HOOKS, "name", "probes"}
    assert compared == set(RingPolicy.__struct_fields__)
