"""The text of `plan show` and `plan diff`."""

from msgspec import structs
from plan_world import (
    facts,
    fleet,
    host,
    host_result,
    resolution,
    ring,
    settings,
    snapshot,
    transition,
)

from patchctl.models.plan import (
    LeftOut,
    LeftOutReason,
    Plan,
    PlanAbout,
    PlanFeed,
    Selection,
    SelectionMode,
    Transition,
    Urgent,
)
from patchctl.models.policy import RebootPolicy
from patchctl.plan.diff import diff
from patchctl.plan.freeze import freeze, seal
from patchctl.report import plan_diff_view, plan_view, wrapping
from patchctl.report.view import Lines, Table

CURL = transition("curl")
KERNEL = transition("linux-image-amd64", "6.1.1-1", "6.1.2-1")
SECURITY = Selection(mode=SelectionMode.SECURITY)
HELD = LeftOut(host="p1", reason=LeftOutReason.HELD, package="vim", version="9")
GONE = LeftOut(host="x1", reason=LeftOutReason.UNREACHABLE, detail="Connection refused")


def plan(
    changes: dict[str, tuple[Transition, ...]],
    left_out: tuple[LeftOut, ...] = (),
    *,
    selection: Selection = SECURITY,
    feeds: tuple[PlanFeed, ...] = (),
    urgent: tuple[Urgent, ...] = (),
) -> Plan:
    rings = {"s": "staging", "c": "canary", "p": "production"}
    body = freeze(
        fleet=fleet(*(host(name, rings[name[0]]) for name in changes)),
        snapshot=snapshot(*(host_result(name, facts()) for name in changes)),
        selection=selection,
        feeds=feeds,
        urgent=urgent,
        settings=settings(
            ring("staging"),
            ring("canary"),
            ring("production", reboot=RebootPolicy.IF_REQUIRED),
        ),
        resolutions=[resolution(name, *rows) for name, rows in changes.items()],
        left_out=left_out,
    )
    return seal(body, PlanAbout(created=1_763_800_100, author="ops@desk", tool="t"))


def test_what_is_unsigned_is_named_with_its_repository() -> None:
    unsigned = structs.replace(CURL, unsigned=True, origin="extra")
    text = "\n".join(plan_view.show(plan({"s1": (unsigned, KERNEL)})))
    assert "Unsigned, known by their SHA-256 alone" in text
    assert text.endswith("\n  curl (extra)")
    assert "Unsigned" not in "\n".join(plan_view.show(plan({"s1": (CURL,)})))


def test_of_a_host_that_one_file_keeps_out_it_is_said_how_it_comes_in() -> None:
    row = LeftOut(
        host="s2", reason=LeftOutReason.FETCH_FAILED, package="vim", detail="s2: it is not signed"
    )
    text = " ".join(" ".join(plan_view.show(plan({"s1": (CURL,)}, (row,)))).split())
    assert "fetch-failed: vim on s2 (s2: it is not signed)" in text
    assert "without it the hosts can be planned: plan create --exclude vim --reason TEXT" in text
    assert "--exclude" not in "\n".join(plan_view.show(plan({"s1": (CURL,)}, (GONE,))))


def test_where_nobody_says_what_is_a_security_update_that_is_told() -> None:
    row = LeftOut(
        host="s1", reason=LeftOutReason.NO_ADVISORIES, package="vim", detail="extra publishes none"
    )
    text = " ".join(" ".join(plan_view.show(plan({"s1": (CURL,)}, (row,)))).split())
    assert "no-advisories: 1 package on 1 host: vim (extra publishes none: whether" in text
    assert "by findings: --cve, --decision or --due-before)" in text


def test_a_plan_is_shown_on_one_screen() -> None:
    shown_plan = plan(
        {"s1": (CURL,), "p1": (CURL,), "p2": (CURL,), "p3": (CURL, KERNEL)}, (HELD, GONE)
    )
    assert plan_view.show(shown_plan) == [
        f"Plan {shown_plan.digest[7:19]}: security updates on 4 hosts",
        "  made 2025-11-22 08:28 UTC by ops@desk",
        "  hosts looked at 2025-11-22 08:26 UTC, expires 2025-12-06 08:26 UTC",
        "  no feeds are held: which CVEs it removes is not known",
        "",
        "RING        HOSTS  WAVES  BUDGET  WORST CASE  REBOOTS  STARTS",
        "staging     1      1 x 1  0       1 of 1      none     at once",
        "canary      0      -      -       -           -        no host in this plan",
        "production  3      2 x 2  0       2 of 3      1        after staging",
        "",
        "PACKAGE            HOSTS  CVES  FROM     TO",
        "curl               4      -     1.0-1    1.0-2",
        "linux-image-amd64  1      -     6.1.1-1  6.1.2-1  !",
        "",
        "3 hosts (staging 1, production 2): 1 package, 1 KiB,"
        f" cohort {shown_plan.body.hosts[0].cohort}",
        "1 host (production 1): 2 packages, 2 KiB, cohort "
        + next(row.cohort for row in shown_plan.body.hosts if row.name == "p3"),
        "",
        "Marked !: not undone by itself (policy `undo_safe` can say otherwise):",
        "  kernel: linux-image-amd64",
        "",
        "Proven by no earlier ring; those hosts are held back:",
        "  production: linux-image-amd64 6.1.1-1 -> 6.1.2-1 on p3",
        "",
        "Left out:",
        "  held: vim on p1",
        "  unreachable: x1 (Connection refused)",
    ]


FEEDS = (PlanFeed(name="kev", dated="2025-11-20"), PlanFeed(name="tracker"))
FIXED = structs.replace(CURL, cves=("CVE-2024-1", "CVE-2024-2", "CVE-2024-3"))


def test_a_change_says_how_many_cves_it_removes_and_names_those_that_do_not_wait() -> None:
    urgent = (Urgent(cve="CVE-2024-1", act=True), Urgent(cve="CVE-2024-3", kev=True, act=True))
    library = structs.replace(FIXED, package="libcurl4")
    shown_plan = plan({"s1": (FIXED, library)}, feeds=FEEDS, urgent=urgent)
    text = plan_view.show(shown_plan)
    assert "  removes 3 CVEs by kev 2025-11-20, tracker undated" in text
    index = text.index("curl     1      3     1.0-1  1.0-2")
    assert text[index + 1 : index + 3] == [
        "known exploited: CVE-2024-3 in curl",
        "act now: CVE-2024-1 in curl",
    ]
    text = plan_view.show(shown_plan, full=True)
    index = text.index("  curl  1.0-1 -> 1.0-2  3 CVEs")
    assert text[index + 1 : index + 4] == [
        "          curl, libcurl4",
        "          known exploited: CVE-2024-3",
        "          act now: CVE-2024-1",
    ]


def test_a_selection_by_findings_says_what_was_asked() -> None:
    asked = Selection(
        mode=SelectionMode.FINDINGS,
        cves=("CVE-2024-1", "CVE-2024-2"),
        decision="out_of_cycle",
        due_before="2026-01-31",
    )
    text = plan_view.show(plan({"s1": (FIXED,)}, selection=asked, feeds=FEEDS))
    assert text[0].endswith("updates that remove findings on 1 host")
    assert text[1:3] == [
        "  findings: CVE-2024-1, CVE-2024-2; out of cycle or more urgent; due before",
        "    2026-01-31",
    ]


def test_findings_that_are_left_out_are_named_once_for_all_hosts() -> None:
    rows = [
        LeftOut(host=name, reason=LeftOutReason.NO_FIX, package="vim", cves=("CVE-2024-9",))
        for name in ("a", "b")
    ]
    assert plan_view.left_out(rows) == ["Left out:", "  no-fix: vim on a, b, CVE-2024-9"]


def test_a_difference_names_cves_gained_and_lost() -> None:
    curl, fixed_curl = structs.replace(CURL, cves=("CVE-2024-1", "CVE-2024-2")), FIXED
    before = plan({"s1": (curl,), "p1": (curl,)}, feeds=FEEDS)
    after = plan({"s1": (fixed_curl,), "p1": (structs.replace(curl, cves=("CVE-2024-1",)),)})
    assert plan_diff_view.show(diff(before, after))[1:] == [
        "  ~ judged by other feeds, or feeds of another date",
        "  + removes CVE-2024-3 in curl on s1",
        "  - no longer removes CVE-2024-2 in curl on p1",
    ]


def test_a_reboot_that_may_be_needed_is_not_denied() -> None:
    shown_plan = plan({"s1": (CURL,), "p1": (CURL,)})
    staging, _, production = plan_view.show(shown_plan)[6:9]
    assert "  none  " in staging  # policy: never
    assert "  if required  " in production


def test_many_hosts_and_packages_stay_short_and_full_names_all() -> None:
    names = [f"p{number:03}" for number in range(60)]
    changes = {
        name: tuple(transition(f"pkg{index}") for index in range(40 + number % 10))
        for number, name in enumerate(names)
    }
    lost = tuple(
        LeftOut(host=f"u{number}", reason=LeftOutReason.UNREACHABLE, detail="timed out")
        for number in range(40)
    )
    shown_plan = plan(changes, lost)
    text = plan_view.show(shown_plan)
    assert len(text) < 250
    assert max(map(len, text)) <= wrapping.WIDTH
    assert "and 28 more (timed out)" in " ".join(" ".join(text).split())
    assert "and 4 smaller cohorts; see --full" in text
    full = "\n".join(plan_view.show(shown_plan, full=True))
    assert "  pkg48  1.0-1 -> 1.0-2" in full
    assert all(f"u{number}" in full for number in range(40))
    assert all(row.id in full for row in shown_plan.body.cohorts)


def test_what_needs_attention_stands_before_what_does_not() -> None:
    rows = [
        LeftOut(host="a", reason=LeftOutReason.NOT_SECURITY, package="vim", version="9"),
        LeftOut(host="b", reason=LeftOutReason.NO_UPDATES, detail="no security update is pending"),
        LeftOut(host="c", reason=LeftOutReason.UNREACHABLE, detail="timed out"),
    ]
    assert plan_view.left_out(rows) == [
        "Left out:",
        "  unreachable: c (timed out)",
        "  not-security: 1 package on 1 host: vim",
        "  up-to-date: b",
    ]


def test_new_and_removed_packages_are_said_so() -> None:
    text = plan_view.show(
        plan({"s1": (transition("added", before=""), transition("old", after=""))})
    )
    assert "old      1      -     1.0-1  REMOVED  !" in text
    assert "added    1      -     -      1.0-2 (new)" in text


def test_a_difference_names_what_changes() -> None:
    before = plan({"s1": (CURL,), "p1": (CURL,)}, (GONE,))
    after = plan({"s1": (CURL, KERNEL), "p2": (CURL,)}, (HELD,))
    assert plan_diff_view.show(diff(before, after)) == [
        f"From plan {before.digest[7:19]} to {after.digest[7:19]}",
        "  + host p2",
        "  - host p1",
        "  + curl 1.0-1 -> 1.0-2 on p2",
        "  + linux-image-amd64 6.1.1-1 -> 6.1.2-1 on s1",
        "  - curl 1.0-1 -> 1.0-2 on p1",
        "No longer left out:",
        "  unreachable: x1 (Connection refused)",
        "Now left out:",
        "  held: vim on p1",
    ]
    assert plan_diff_view.show(diff(before, before)) == [
        f"The plans are one: {before.digest[7:19]}"
    ]


def test_one_row_of_a_package_stands_for_all_its_versions_where_they_are_many() -> None:
    changes: dict[str, tuple[Transition, ...]] = {
        f"p{number:02}": (transition("curl", f"1.0-{number}", f"2.0-{number % 2}"),)
        for number in range(30)
    }
    text = plan_view.show(plan(changes))
    assert [line for line in text if line.startswith("curl ")] == [
        "curl     30     -     30 versions  2 versions  !"
    ]
    full = plan_view.show(plan(changes), full=True)
    assert "curl     1      -     1.0-7   2.0-1  !" in full


def test_hosts_are_told_with_their_wave_ring_by_ring() -> None:
    shown_plan = plan({"s1": (CURL,), "p1": (CURL,), "p2": (CURL,), "p3": (CURL, KERNEL)})
    head, table = plan_view.PlanView(shown_plan, by_host=True).parts()
    assert isinstance(head, Lines)
    assert isinstance(table, Table)
    waves = {row.name: str(row.wave) for row in shown_plan.body.hosts}
    rows = [tuple(row[:5]) for row in table.rows]
    assert rows[0] == ("s1", "staging", "1", "1", "-")
    assert ("p3", "production", waves["p3"], "2", "expected") in rows
    assert [row[2] for row in rows[1:]] == ["1", "1", "2"]
