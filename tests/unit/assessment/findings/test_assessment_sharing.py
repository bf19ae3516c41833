"""Sharing data in a fleet changes no result: a host has the same findings as alone."""

from collections import Counter
from collections.abc import Callable

import pytest
from assessment_world import TODAY, World, advisory, by_binary, by_source, facts, package
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from patchctl.assessment.findings.assess import Assessor, Waived
from patchctl.assessment.findings.fleet import HostInput
from patchctl.assessment.findings.ranking import rank
from patchctl.models.assessment import Finding, FindingState
from patchctl.models.facts import HostFacts, Kernel, Package
from patchctl.models.priority import Context, Criticality, Decision, Priority, Threat

ALMA = "AlmaLinux:8"


def world() -> World:
    """A world with two common CVEs, a source that shares a CVE with another, a module, a kernel."""
    stream = {"title": "Important: ruby:2.5 security update"}
    return World().add(
        advisory("A-1", "CVE-2026-1", by_source(ALMA, "ssl", "0:3-1")),
        advisory("A-2", "CVE-2026-2", by_source(ALMA, "ssl", "0:2-1"), by_source(ALMA, "ssh")),
        advisory("A-3", "CVE-2026-10", by_binary(ALMA, "perl-errno", "0:1.30-1")),
        advisory("A-4", "CVE-2026-4", by_source(ALMA, "kernel", "0:5-1")),
        advisory("A-5", "CVE-2026-5", by_source(ALMA, "perl", "4:5.30-1")),
        advisory("A-6", "CVE-2026-6", by_binary(ALMA, "ruby", "0:2.5.9-1.module_el8"), **stream),
    )


PACKAGES = [
    package("libssl", "0:1-1", "ssl", "1-1"),
    package("libssl", "0:2-1", "ssl", "2-1"),
    package("ssl-tools", "0:2-1", "ssl", "2-1"),
    package("ssh", "0:8-1", "ssh", "8-1"),
    package("ssh", "0:8-1", "ssh", "8-1", held=True),
    package("perl-errno", "0:1.28-1", "perl", "5.26-1"),
    package("perl-libs", "4:5.26-1", "perl", "5.26-1"),
    package("perl-libs", "5:5.26-1", "perl", "5.26-1"),
    package("ruby", "0:2.5.5-1.module_el8", "ruby", "2.5.5-1.module_el8"),
    package("kernel-core", "0:4-1", "kernel", "4-1"),
    package("kernel-core", "0:6-1", "kernel", "6-1"),
    package("kernel-tools", "0:4-1", "kernel", "4-1"),
]
CONTEXTS = [Context(), Context(criticality=Criticality.HIGH)]


def host_facts(
    packages: list[Package], running: str, managed: bool, pending: dict[str, str] | None
) -> HostFacts:
    made = facts(ALMA, packages, pending=pending)
    return replace(made, kernel=Kernel(running=running, managed=managed))


hosts = st.builds(
    host_facts,
    st.lists(st.sampled_from(PACKAGES), max_size=8),
    st.sampled_from(["", "4-1.x86_64", "6-1.x86_64", "3-9.x86_64"]),
    st.booleans(),
    st.sampled_from([None, {}, {"libssl": "0:3-1"}, {"libssl": "0:2-5", "ssh": "0:9-1"}]),
)
fleets = st.lists(st.tuples(hosts, st.sampled_from(CONTEXTS)), min_size=1, max_size=8)
Fleet = list[tuple[HostFacts, Context]]


def prioritised(threat: Threat, context: Context) -> Priority:
    """Set scores that are equal and different, and dates that exist and are missing."""
    number = int(threat.cve.rpartition("-")[2])
    return Priority(
        decision=(Decision.ACT, Decision.SCHEDULED)[number % 2],
        due=("", "2026-01-01", "2027-01-01")[number % 3],
        score=context.criticality * (number % 2 + 1),
    )


def waiver(host: HostInput, cve: str, names: object, exploited: bool) -> Waived | None:
    """An exception for each second host and two CVEs; for one of the CVEs it has ended."""
    if not host.name.endswith(("0", "2", "4")) or cve not in ("CVE-2026-1", "CVE-2026-2"):
        return None
    return Waived("EX-1", cve == "CVE-2026-1", "said")


def assessor(fleet: Fleet, waived: bool) -> Assessor:
    inputs = [
        HostInput(
            f"h{position}",
            host,
            software=repr((host.os, host.packages, host.pending, host.repositories)),
            context=context,
        )
        for position, (host, context) in enumerate(fleet)
    ]
    return Assessor(inputs, world(), prioritised, TODAY, waiver=waiver if waived else None)


@given(fleets, st.booleans())
def test_a_host_has_the_findings_that_it_has_alone(fleet: Fleet, waived: bool) -> None:
    together = dict(assessor(fleet, waived).findings())
    assert list(together) == [f"h{position}" for position in range(len(fleet))]
    for position, member in enumerate(fleet):
        # At its place, so that its name is the same; the others have nothing to tell.
        alone: Fleet = [(facts(ALMA, ()), Context()) for _ in fleet]
        alone[position] = member
        assert together[f"h{position}"] == dict(assessor(alone, waived).findings())[f"h{position}"]


@given(fleets, st.booleans())
def test_each_cve_is_listed_once_and_the_most_urgent_first(fleet: Fleet, waived: bool) -> None:
    for _, findings in assessor(fleet, waived).findings():
        assert [*findings] == sorted(findings, key=rank)
        assert len({finding.cve for finding in findings}) == len(findings)


@given(fleets, st.booleans())
def test_the_summary_counts_what_was_listed(fleet: Fleet, waived: bool) -> None:
    made = assessor(fleet, waived)
    rows = [(name, finding) for name, findings in made.findings() for finding in findings]
    summary = made.summary()
    assert Counter({k: v for k, v in summary.by_state.items() if v}) == Counter(
        finding.state.value for _, finding in rows
    )
    open_ones = [finding for _, finding in rows if finding.state is not FindingState.WAIVED]
    assert sum(summary.by_decision.values()) == len(open_ones)
    assert summary.overdue == sum(
        bool(finding.due) and str(finding.due) < TODAY for finding in open_ones
    )
    for action in summary.actions:
        helped = [
            (name, finding)
            for name, finding in rows
            if _helps(action.package, action.kind, finding)
        ]
        assert list(action.hosts) == sorted({name for name, _ in helped})
        assert action.findings == len(helped)
        assert action.removed == sum(finding.score for _, finding in helped)
        assert set(action.cves) == {finding.cve for _, finding in helped}


def _helps(source: str, kind: str, finding: Finding) -> bool:
    if finding.state is FindingState.WAIVED:
        return False
    state = FindingState.NOT_EFFECTIVE if kind == "reboot" else FindingState.FIXABLE
    return any(package.source == source and package.state is state for package in finding.packages)


def test_hosts_with_the_same_software_and_kernel_share_more_than_their_findings() -> None:
    host = host_facts(PACKAGES[:2], "", True, None)
    other = replace(host, kernel=Kernel(running="4-1.x86_64"))
    made = assessor([(host, CONTEXTS[0]), (host, CONTEXTS[1]), (other, CONTEXTS[0])], waived=False)
    finder: Callable[[HostInput], object] = made._finder.of
    first, second, third = map(finder, made.hosts)
    assert first is second
    assert first is not third


@pytest.mark.parametrize("order", [PACKAGES[6:8], PACKAGES[7:5:-1]])
def test_of_two_epochs_the_last_one_counts(order: list[Package]) -> None:
    host = host_facts([PACKAGES[5], *order], "", True, None)
    made = assessor([(host, Context())], waived=False)
    (software,) = made.matched.software.values()
    source_versions = {package.name: package.source_version for package in software.packages}
    assert source_versions["perl-errno"] == order[-1].version


def test_packages_that_no_feed_covers_are_counted_on_every_host() -> None:
    here, there = (facts(system, PACKAGES[:3]) for system in ("Rocky Linux:9", "other"))
    fleet: Fleet = [(host, Context()) for host in (here, here, here, there, facts(ALMA, PACKAGES))]
    assert assessor(fleet, waived=False).summary().not_covered == {"Rocky Linux:9": 9, "plan9:4": 3}
