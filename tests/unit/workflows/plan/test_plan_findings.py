"""Findings in plans: the packages that they select, the CVEs that a plan says it removes."""

from collections.abc import Mapping

import pytest
from assessment_world import World, advisory, by_source, facts, package
from msgspec import structs
from plan_world import fleet, host, host_result, resolution, settings, snapshot

from patchctl.assessment.findings.assess import Waived
from patchctl.assessment.findings.fleet import HostInput
from patchctl.errors import InvalidInputError, NotFoundError, Problem, UsageError
from patchctl.models.advisory import FeedKind, KnownExploited, VendorStatus
from patchctl.models.exclusions import Exclusion
from patchctl.models.facts import HiddenUpdate, HostFacts, Package
from patchctl.models.feeds import FeedInfo
from patchctl.models.plan import Action, LeftOutReason, Selection, SelectionMode, Transition
from patchctl.models.priority import Context, Decision, Exposure, Priority, Threat
from patchctl.models.snapshot import Snapshot
from patchctl.plan.freeze import freeze
from patchctl.plan.select import Selected, select
from patchctl.workflows.assessment.assess import Parts
from patchctl.workflows.assessment.snapshot_findings import known_hosts
from patchctl.workflows.plan.findings import PlanAssessing, PlanFindings, by_findings
from patchctl.workflows.plan.make_plan import Made

DEB = "Debian:12"
OLD, NEW = "3.0.8-1", "3.0.9-1"
# CVE -> decision and due date, on a host that is reached from the internet one step more urgent.
RULINGS = {
    "CVE-2024-1": (Decision.OUT_OF_CYCLE, "2026-02-01"),
    "CVE-2024-2": (Decision.SCHEDULED, "2026-05-01"),
    "CVE-2024-3": (Decision.DEFER, ""),
}


def rule(threat: Threat, context: Context) -> Priority:
    decision, due = RULINGS.get(threat.cve, (Decision.SCHEDULED, ""))
    if context.exposure is Exposure.OPEN and decision is Decision.OUT_OF_CYCLE:
        decision = Decision.ACT
    return Priority(decision=decision, due=due, score=1)


def context(
    name: str, variables: Mapping[str, object] | None, groups: tuple[str, ...], known: HostFacts
) -> Context:
    return Context(exposure=Exposure.OPEN if name.startswith("p") else Exposure.CONTROLLED)


def waiver(host_input: HostInput, cve: str, names: object, exploited: bool) -> Waived | None:
    return Waived("ex-1", True, "behind a proxy") if cve == "CVE-2024-9" else None


def feed(name: str = "debian") -> FeedInfo:
    return FeedInfo(
        name=name, kind=FeedKind.OSV, entries=3, digest="d", imported=1, dated=1_763_700_000
    )


def parts(world: World, taken: Snapshot, *names: str) -> Parts:
    return Parts(
        fleet=fleet(*(host(name) for name in names)),
        seen=lambda: known_hosts(taken),
        reasons=dict,
        snapshot=taken.id,
        feeds=world,
        held=lambda: [feed()],
        context=context,
        prioritise=lambda today: rule,
        waiver=lambda today: waiver,
        refuse_stale=tuple,
        earlier=lambda host, moment: None,
    )


def look(world: World, **hosts: HostFacts | None) -> PlanFindings:
    taken = snapshot(*(host_result(name, known) for name, known in hosts.items()))
    return PlanFindings(parts(world, taken, *hosts), taken)


def openssl(pending: Mapping[str, str] | None = None, *more: Package) -> HostFacts:
    both = [package(name, OLD, "openssl") for name in ("libssl3", "openssl")]
    offers = {"libssl3": NEW, "openssl": NEW} if pending is None else pending
    return facts(DEB, [*both, *more], pending=offers)


def world(**fixed: str) -> World:
    """Make feeds: `CVE_2024_1="openssl 3.0.9-1"` is fixed in that version; without a version there
    is no fix."""
    made = World()
    for name, text in fixed.items():
        cve = name.replace("_", "-")
        source, _, version = text.partition(" ")
        made.add(advisory(f"DEBIAN-{cve}", cve, by_source(DEB, source, version)))
    return made


def asked(*cves: str, decision: str | None = None, due: str | None = None) -> Selection:
    """Return the CVE ids as selected: real ones have four digits, those here are shorter."""
    return structs.replace(by_findings((), decision, due), cves=cves)


def selected(known: PlanFindings, selection: Selection, *rules: Exclusion) -> Selected:
    names = [result.name for result in known.snapshot.hosts]
    return select(
        fleet(*(host(name) for name in names)),
        known.snapshot,
        selection,
        chosen=known.chosen(selection),
        exclusions=rules,
    )


def wanted(done: Selected) -> dict[str, list[str]]:
    return {
        host_request.host: [row.package for row in host_request.wanted]
        for host_request in done.requests
    }


# --- what is asked for --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cves", "decision", "due", "says"),
    [
        (["openssl"], None, None, "--cve 'OPENSSL': is not a CVE; write it as CVE-2024-6387"),
        (["CVE-2024-1 "], None, None, "--cve 'CVE-2024-1': is not a CVE"),
        ([""], None, None, "--cve '': is not a CVE"),
        ([], "urgent", None, "--decision 'urgent': no such decision; it takes act, out_of_cycle"),
        ([], "defer", None, "--decision 'defer': no such decision"),
        ([], "", None, "--decision '': no such decision"),
        (
            [],
            None,
            "31.1.2026",
            "--due-before '31.1.2026': is not a valid date; write it as 2026-01-31",
        ),
        ([], None, "2026-02-30", "--due-before '2026-02-30': is not a valid date"),
        ([], None, "", "--due-before '': is not a valid date"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_line(
    cves: list[str], decision: str | None, due: str | None, says: str
) -> None:
    with pytest.raises(UsageError) as caught:
        by_findings(cves, decision, due)
    assert str(caught.value).startswith(says)
    assert len(caught.value.lines()) == 1


def test_what_is_asked_for_has_one_form() -> None:
    selection = by_findings(["cve-2024-6387", "CVE-2023-4911", "CVE-2024-6387"], "Out-of-Cycle")
    assert (selection.cves, selection.decision) == (
        ("CVE-2023-4911", "CVE-2024-6387"),
        "out_of_cycle",
    )


def assessing(*feeds: FeedInfo, refuses: bool = False) -> tuple[PlanAssessing, list[str]]:
    lines: list[str] = []

    def refuse() -> tuple[str, ...]:
        if refuses:
            both = [Problem(message=f"the feed {name} is old") for name in "ab"]
            raise InvalidInputError(problems=both, hint="update them")
        return ("debian is 9 days old",)

    made = PlanAssessing(
        parts=lambda taken: parts(World(), taken),
        feeds=lambda: feeds,
        refuse_stale=refuse,
        say=lines.append,
    )
    return made, lines


SECURITY = Selection(mode=SelectionMode.SECURITY)


def test_without_feeds_only_a_selection_by_findings_is_refused() -> None:
    none, lines = assessing()
    assert not none.ready(SECURITY)
    assert lines == []
    with pytest.raises(NotFoundError, match=r"no feeds are held.*feeds update"):
        none.ready(asked("CVE-2024-1111"))


def test_feeds_that_are_too_old_hold_up_no_other_plan() -> None:
    old, lines = assessing(feed(), refuses=True)
    assert not old.ready(SECURITY)
    assert lines == [
        "warning: the feed a is old",
        "warning: the feed b is old",
        "warning: the settings refuse such feeds, so the plan names no CVEs",
    ]
    with pytest.raises(InvalidInputError, match="the feed a is old"):
        old.ready(asked("CVE-2024-1111"))


def test_a_warning_on_feeds_is_told() -> None:
    warned, lines = assessing(feed())
    assert warned.ready(SECURITY)
    assert lines == ["warning: debian is 9 days old"]


# --- what is selected ---------------------------------------------------------------------------


def test_a_cve_selects_all_binaries_of_its_source_and_nothing_else() -> None:
    known = look(
        world(CVE_2024_1="openssl 3.0.9-1"),
        s1=openssl({"libssl3": NEW, "openssl": NEW, "vim": "9"}, package("vim", "8", "vim")),
        s2=facts(DEB, [package("vim", "8", "vim")], pending={"vim": "9"}),
    )
    done = selected(known, asked("CVE-2024-1"))
    assert wanted(done) == {"s1": ["libssl3", "openssl"]}
    lines = {(row.host, row.package, row.reason, row.detail) for row in done.left_out}
    assert lines == {
        ("s1", "vim", LeftOutReason.NOT_SELECTED, ""),
        ("s2", "vim", LeftOutReason.NOT_SELECTED, ""),
        ("s2", "", LeftOutReason.NO_FINDING, ""),
    }


def test_security_or_not_makes_no_difference() -> None:
    known = look(world(CVE_2024_1="openssl 3.0.9-1"), s1=openssl())
    assert known.snapshot.hosts[0].facts is not None
    assert not any(update.security for update in known.snapshot.hosts[0].facts.pending)
    assert wanted(selected(known, asked("CVE-2024-1"))) == {"s1": ["libssl3", "openssl"]}


@pytest.mark.parametrize(
    ("selection", "takes"),
    [
        (asked(decision="out_of_cycle"), {"s1": ["curl"], "p1": ["curl"]}),
        (asked(decision="act"), {"p1": ["curl"]}),
        (asked(decision="scheduled"), {"s1": ["curl", "vim"], "p1": ["curl"]}),
        (asked(due="2026-02-02"), {"s1": ["curl"], "p1": ["curl"]}),
        (asked(due="2026-02-01"), {}),
        (asked("CVE-2024-2", due="2026-02-02"), {}),
        (asked("CVE-2024-1", "CVE-2024-2", decision="act"), {"p1": ["curl"]}),
    ],
)
def test_everything_that_is_asked_must_hold(
    selection: Selection, takes: dict[str, list[str]]
) -> None:
    curl, vim = package("curl", "7", "curl"), package("vim", "8", "vim")
    known = look(
        world(CVE_2024_1="curl 8", CVE_2024_2="vim 9", CVE_2024_3="vim 9"),
        s1=facts(DEB, [curl, vim], pending={"curl": "8", "vim": "9"}),
        p1=facts(DEB, [curl], pending={"curl": "8"}),
    )
    assert wanted(selected(known, selection)) == takes


def test_findings_that_no_update_removes_are_left_out_with_the_reason() -> None:
    made = world(
        CVE_2024_4="vim",
        CVE_2024_5="curl 9",
        CVE_2024_9="openssl 3.0.9-1",
    ).add(
        advisory(
            "DEBIAN-CVE-2024-6",
            "CVE-2024-6",
            by_source(DEB, "vim", status=VendorStatus.WONT_FIX, note="minor issue"),
        )
    )
    more = (package("vim", "8", "vim"), package("curl", "7", "curl"))
    known = look(made, s1=openssl({"openssl": NEW, "libssl3": NEW, "curl": "8"}, *more))
    done = selected(known, asked(decision="scheduled"))
    assert wanted(done) == {}
    reasons = {row.reason: (row.package, row.detail, row.cves) for row in done.left_out if row.cves}
    assert reasons == {
        LeftOutReason.NO_FIX: ("vim", "", ("CVE-2024-4",)),
        LeftOutReason.NOT_IN_REPOSITORIES: ("curl", "fixed in 9", ("CVE-2024-5",)),
        LeftOutReason.WONT_FIX: ("vim", "minor issue", ("CVE-2024-6",)),
        LeftOutReason.WAIVED: ("openssl", "exception ex-1", ("CVE-2024-9",)),
    }
    assert LeftOutReason.NO_FINDING not in {row.reason for row in done.left_out}


def test_a_held_update_names_the_finding_that_it_keeps() -> None:
    held = facts(DEB, [package("openssl", OLD, "openssl", held=True)], pending={"openssl": NEW})
    done = selected(look(world(CVE_2024_1="openssl 3.0.9-1"), s1=held), asked("CVE-2024-1"))
    assert [(row.reason, row.cves) for row in done.left_out] == [
        (LeftOutReason.HELD, ("CVE-2024-1",))
    ]


def test_a_finding_whose_update_is_phased_is_no_plan_of_nothing_to_do() -> None:
    known = facts(DEB, [package("openssl", OLD, "openssl")], pending={"openssl": NEW})
    late = tuple(structs.replace(update, phased=10, deferred=True) for update in known.pending)
    known = structs.replace(known, pending=late)
    findings = look(world(CVE_2024_1="openssl 3.0.9-1"), s1=known)
    done = selected(findings, asked("CVE-2024-1"))
    assert [(row.reason, row.cves) for row in done.left_out] == [
        (LeftOutReason.PHASED, ("CVE-2024-1",))
    ]
    assert Made(plan=None, snapshot=findings.snapshot, left_out=done.left_out).exit_code == 1
    # Who asks for all updates asks for this one when it comes.
    everything = select(fleet(host("s1")), findings.snapshot, Selection(mode=SelectionMode.ALL))
    assert [row.reason for row in everything.left_out] == [LeftOutReason.PHASED]
    assert Made(plan=None, snapshot=findings.snapshot, left_out=everything.left_out).exit_code == 0


def test_a_finding_whose_update_the_host_does_not_prefer_names_what_hides_it() -> None:
    hidden = HiddenUpdate(
        name="openssl",
        arch="amd64",
        installed=OLD,
        version=NEW,
        by="APT::Default-Release is bookworm",
    )
    known = structs.replace(openssl({}), hidden=(hidden,))
    done = selected(look(world(CVE_2024_1="openssl 3.0.9-1"), s1=known), asked("CVE-2024-1"))
    assert [(row.reason, row.detail, row.cves) for row in done.left_out] == [
        (
            LeftOutReason.PINNED,
            "APT::Default-Release is bookworm, which hides its update",
            ("CVE-2024-1",),
        )
    ]
    rule = Exclusion(rule="--exclude", packages=("openssl",), reason="not tested")
    excluded = selected(
        look(world(CVE_2024_1="openssl 3.0.9-1"), s1=known), asked("CVE-2024-1"), rule
    )
    assert [(row.reason, row.rule, row.cves) for row in excluded.left_out] == [
        (LeftOutReason.EXCLUDED, "--exclude", ("CVE-2024-1",))
    ]


KERNELS = ("6.1.140", "6.1.150")


def test_a_kernel_that_is_installed_and_not_booted_needs_a_reboot_and_no_update() -> None:
    images = [
        package(f"linux-image-{version}-amd64", f"{version}-1", "linux") for version in KERNELS
    ]
    known = look(
        world(CVE_2024_1="linux 6.1.150-1"),
        s1=facts(DEB, images, running="6.1.140-amd64", pending={}),
    )
    (line, *rest) = selected(known, asked("CVE-2024-1")).left_out
    assert (line.reason, line.cves, rest) == (
        LeftOutReason.NOT_EFFECTIVE,
        ("CVE-2024-1",),
        [],
    )
    assert "reboot" in line.detail


def test_a_kernel_is_brought_by_its_meta_package() -> None:
    signed = "linux-signed-amd64"
    installed = [
        package("linux-image-6.1.140-amd64", "6.1.140-1", signed, "6.1.140+1"),
        package("linux-image-amd64", "6.1.140-1", signed, "6.1.140+1"),
    ]
    known = look(
        world(CVE_2024_1="linux 6.1.150-1"),
        s1=facts(
            DEB,
            installed,
            running="6.1.140-amd64",
            pending={"linux-image-amd64": "6.1.150-1"},
        ),
    )
    assert wanted(selected(known, asked("CVE-2024-1"))) == {"s1": ["linux-image-amd64"]}


def test_a_cve_that_no_host_has_is_an_error_that_names_it() -> None:
    known = look(world(CVE_2024_1="openssl 3.0.9-1"), s1=openssl())
    with pytest.raises(InvalidInputError, match=r"no host has CVE-2024-7, CVE-2024-8; `patchctl"):
        known.chosen(asked("CVE-2024-1", "CVE-2024-7", "CVE-2024-8"))


def test_where_no_host_answered_the_hosts_are_left_out_not_the_cve() -> None:
    known = look(world(CVE_2024_1="openssl 3.0.9-1"), s1=None)
    (line,) = selected(known, asked("CVE-2024-1")).left_out
    assert line.reason is LeftOutReason.UNREACHABLE


# --- what a plan removes ------------------------------------------------------------------------


def steps(*names: str) -> tuple[Transition, ...]:
    return tuple(
        Transition(
            package=name,
            arch="amd64",
            action=Action.UPGRADE,
            from_=OLD,
            to=NEW,
            source="openssl",
        )
        for name in names
    )


def test_hosts_with_equal_transactions_share_a_cohort_whatever_else_they_have() -> None:
    held = facts(
        DEB,
        [package("libssl3", OLD, "openssl"), package("openssl", OLD, "openssl", held=True)],
        pending={"libssl3": NEW},
    )
    alone = facts(DEB, [package("libssl3", OLD, "openssl")], pending={"libssl3": NEW})
    known = look(world(CVE_2024_1="openssl 3.0.9-1"), s1=held, p1=alone)
    taken = known.annotate([resolution(name, *steps("libssl3")) for name in ("s1", "p1")])
    assert [resolved.transitions[0].cves for resolved in taken] == [("CVE-2024-1",)] * 2
    body = freeze(
        fleet=fleet(host("s1"), host("p1", "production")),
        snapshot=known.snapshot,
        selection=SECURITY,
        settings=settings(),
        resolutions=taken,
        left_out=[],
        feeds=known.feeds,
        urgent=known.urgent(taken),
    )
    assert len(body.cohorts) == 1
    assert body.unproven == ()
    assert [(plan_feed.name, plan_feed.dated, plan_feed.entries) for plan_feed in body.feeds] == [
        ("debian", "2025-11-21", 3)
    ]


def test_what_does_not_wait_on_any_host_of_the_plan_is_urgent_for_the_plan() -> None:
    made = world(CVE_2024_1="openssl 3.0.9-1", CVE_2024_2="openssl 3.0.9-1", CVE_2024_3="curl 9")
    made.kev = {
        cve: KnownExploited(cve=cve, added="2025-01-01") for cve in ("CVE-2024-2", "CVE-2024-3")
    }
    known = look(made, s1=openssl(None, package("curl", "7", "curl")), p1=openssl())

    def urgent(*names: str) -> list[tuple[str, bool, bool]]:
        taken = known.annotate([resolution(name, *steps("openssl")) for name in names])
        return [(urgency.cve, urgency.kev, urgency.act) for urgency in known.urgent(taken)]

    assert urgent("s1") == [("CVE-2024-2", True, False)]
    assert urgent("s1", "p1") == [("CVE-2024-1", False, True), ("CVE-2024-2", True, False)]


def test_equal_software_is_looked_at_once() -> None:
    labels = {
        known_host.name: known_host.software
        for known_host in known_hosts(
            snapshot(
                host_result("a", openssl()),
                host_result("b", structs.replace(openssl(), hostname="b")),
                host_result("c", openssl({})),
                host_result("d", None),
            )
        )
    }
    assert labels["a"] == labels["b"] != labels["c"]
    assert "d" not in labels
