"""`explain` counts hosts by version and state first, and stays short whatever the fleet's size."""

from dataclasses import replace

from assessment_world import World, advisory, by_source, facts, package
from msgspec import structs

from patchctl.assessment.findings.explain import Explainer
from patchctl.models.explain import Explanation
from patchctl.models.facts import HostFacts
from patchctl.report.explain_view import lines

DEB = "Debian:12"
CVE, OTHER = "CVE-2024-0001", "CVE-2024-0002"


def world() -> World:
    return World().add(
        advisory("DSA-1", CVE, by_source(DEB, "openssl", "3.0.14-1")),
        advisory("DSA-2", OTHER, by_source(DEB, "openssl", "3.0.15-1")),
        advisory("DSA-3", CVE, by_source(DEB, "nodejs", "18.20-1")),
    )


def host(version: str, *others: str) -> HostFacts:
    binaries = [package(name, version, "openssl", version) for name in ("libssl3", "openssl")]
    return facts(DEB, [*binaries, *(package(name, "1-1") for name in others)])


def explained(*hosts: HostFacts, stuck: str = "no plan was made") -> Explanation:
    return Explainer(world().assessor(*hosts), lambda name, source: stuck).cve(CVE, frozenset())


def test_binaries_of_one_source_and_hosts_of_one_version_are_one_group() -> None:
    old, new = [host("3.0.11-1", f"own{number}") for number in range(3)], host("3.0.14-1")
    groups = explained(*old, new).groups
    assert [
        (group.source, group.packages, group.installed, group.affected, group.hosts, group.fixed)
        for group in groups
    ] == [
        ("openssl", ("libssl3", "openssl"), "3.0.11-1", True, ("h1", "h2", "h3"), "3.0.14-1"),
        ("openssl", ("libssl3", "openssl"), "3.0.14-1", False, ("h4",), "3.0.14-1"),
    ]
    assert [(group.state, group.why) for group in groups] == [
        ("fixable", ("older than the fixed version",)),
        ("", ("at or past the fixed version",)),
    ]


def test_a_package_has_all_its_cves_in_one_group_with_the_newest_fix() -> None:
    asked = Explainer(world().assessor(host("3.0.11-1"), host("3.0.14-1")), lambda *_: "")
    groups = asked.package("libssl3", frozenset()).groups
    assert [(group.installed, group.cves, group.fixed) for group in groups] == [
        ("3.0.11-1", (CVE, OTHER), "3.0.15-1"),
        ("3.0.14-1", (OTHER,), "3.0.15-1"),
    ]


def test_a_judgement_is_told_once_for_hosts_with_different_software() -> None:
    hosts = [host("3.0.11-1", f"own{number}") for number in range(5)]
    judgements = explained(*hosts).judgements
    assert [(row.package, row.hosts) for row in judgements] == [
        ("libssl3", ("h1", "h2", "h3", "h4", "h5")),
        ("openssl", ("h1", "h2", "h3", "h4", "h5")),
    ]


def test_what_keeps_hosts_from_the_fix_is_counted_where_it_differs() -> None:
    asked = Explainer(
        world().assessor(*(host("3.0.11-1") for _ in range(3))),
        lambda name, source: "not in the newest plan" if name == "h2" else "in plan 1",
    )
    judgement = asked.cve(CVE, frozenset()).judgements[0]
    assert judgement.stuck == "on 2 hosts in plan 1, on 1 host not in the newest plan"
    assert explained(host("3.0.11-1"), host("3.0.11-1")).judgements[0].stuck == "no plan was made"


def test_hosts_with_the_same_packages_may_run_different_kernels() -> None:
    kernels = [
        package(f"linux-image-6.1.0-{number}-amd64", f"6.1.{number}-1", "linux", f"6.1.{number}-1")
        for number in (1, 2)
    ]
    feed = World().add(advisory("DSA-9", CVE, by_source(DEB, "linux", "6.1.2-1")))
    hosts = [facts(DEB, kernels, running=f"6.1.0-{number}-amd64") for number in (1, 2)]
    assessor = feed.assessor(*hosts)
    assessor.hosts = [replace(row, software="same") for row in assessor.hosts]
    assessor.matched.software["same"] = assessor.matched.software["s1"]
    judgements = Explainer(assessor, lambda *_: "").cve(CVE, frozenset()).judgements
    assert {(row.installed, row.hosts, row.affected) for row in judgements} == {
        ("6.1.1-1", ("h1",), True),
        ("6.1.2-1", ("h2",), False),
    }


def test_an_answer_has_at_most_forty_lines_unless_it_is_asked_for_in_full() -> None:
    hosts = [host(f"3.0.{number % 14}-1", f"own{number}") for number in range(400)]
    explanation = explained(*hosts)
    shown = list(lines(explanation))
    assert len(shown) <= 40
    assert max(map(len, shown)) <= 100
    assert "affected: 400 hosts; not affected: 0 hosts with the package" in shown
    assert "and 3 more rows; see --full" in shown
    assert shown[-1].endswith("more judgements; see --full")
    full = "\n".join(lines(explanation, full=True))
    assert all(f"h{number}" in full for number in range(1, 401))
    assert full.count("because:") == len(explanation.judgements) == 28


def test_lines_that_a_terminal_breaks_count_as_it_shows_them() -> None:
    many = [host(f"3.0.{number}.{'9' * 40}-1") for number in range(14)]
    shown = list(lines(explained(*many)))
    assert max(map(len, shown)) > 80
    assert sum(-(-max(len(line), 1) // 80) for line in shown) <= 40
    assert "and 9 more rows; see --full" in shown


def test_few_judgements_are_told_whole() -> None:
    explanation = explained(host("3.0.11-1"), host("3.0.14-1"))
    text = "\n".join(lines(explanation))
    assert text.count("because:") == 4
    assert "--full" not in text


def test_the_lines_of_warnings_count_too() -> None:
    hosts = [host(f"3.0.{number % 14}-1") for number in range(40)]
    explanation = structs.replace(explained(*hosts), warnings=("a", "b", "c"))
    assert len(list(lines(explanation))) <= 37
