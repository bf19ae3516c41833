"""The result of matching: actions, gates, exceptions, explanations, and JSON for scripts."""

import json

import msgspec
import pytest
from assessment_world import TODAY, World, advisory, by_source, facts, package
from msgspec import structs

from patchctl.assessment.findings.assess import Assessor, Waived
from patchctl.assessment.findings.explain import Explainer
from patchctl.assessment.findings.fail_on import Gate, gate
from patchctl.assessment.findings.fleet import HostInput
from patchctl.errors import UsageError
from patchctl.models.advisory import CveFacts, CvssVector, KnownExploited
from patchctl.models.assessment import FindingState
from patchctl.models.explain import Judgement
from patchctl.models.facts import HostFacts, StaleProcess
from patchctl.models.priority import Context
from patchctl.report.assessment_view import AssessmentView, action_rows, cautions, headline
from patchctl.report.explain_view import lines
from patchctl.workflows.assessment.assess import AssessmentRun

DEB = "Debian:12"
ONE, TWO, THREE = "CVE-2026-0001", "CVE-2026-0002", "CVE-2026-0003"


def world() -> World:
    made = World().add(
        advisory("DSA-1", ONE, by_source(DEB, "openssl", "3.0.14-1"), published=1_700_000_000),
        advisory("DSA-2", TWO, by_source(DEB, "openssl", "3.0.15-1")),
        advisory("DEBIAN-3", THREE, by_source(DEB, "tar")),
    )
    made.kev[ONE] = KnownExploited(cve=ONE, added="2026-01-01")
    vector = CvssVector(version="3.1", vector="CVSS:3.1/X", score=9.8, source="cna")
    made.cves[TWO] = CveFacts(cve=TWO, cvss=(vector,))
    return made


def debian(version: str = "3.0.11-1") -> HostFacts:
    return facts(DEB, [package("libssl3", version, "openssl", version), package("tar", "1.34-1")])


def walked(assessor: Assessor) -> Assessor:
    list(assessor.findings())
    return assessor


def test_an_action_is_one_upgrade_over_all_hosts_that_need_it() -> None:
    summary = walked(world().assessor(debian(), debian(), debian("3.0.14-1"))).summary()
    (action,) = summary.actions
    assert (action.kind, action.package, action.fixed) == ("upgrade", "openssl", "3.0.15-1")
    assert action.hosts == ("h1", "h2", "h3")
    assert action.cves == (ONE, TWO)
    assert (action.findings, action.kev, action.highest_cvss) == (5, 1, 9.8)


def test_what_cannot_be_fixed_is_counted_by_state_and_no_action() -> None:
    summary = walked(world().assessor(debian("3.0.15-1"))).summary()
    assert summary.actions == ()
    assert summary.by_state == {"no_fix": 1}
    assert "1 finding" in headline(summary, 1)


def test_findings_are_shared_by_hosts_that_agree() -> None:
    first, second = (findings for _, findings in world().assessor(debian(), debian()).findings())
    assert {id(finding) for finding in first} == {id(finding) for finding in second}


def test_json_has_the_fields_that_scripts_rely_on() -> None:
    def view() -> AssessmentView:
        assessor = world().assessor(debian(), debian("3.0.15-1"), debian("9-1"))
        return AssessmentView(AssessmentRun(assessor, gate([], TODAY), total=3))

    document = json.loads(b"".join(view().chunks()))
    assert document == json.loads(msgspec.json.encode(view().data()))
    assert {"as_of", "feeds", "not_covered", "findings", "actions"} <= set(document)
    assert [(row["host"], row["cve"]) for row in document["findings"]] == [
        ("h1", ONE),
        ("h1", TWO),
        ("h1", THREE),
        ("h2", THREE),
        ("h3", THREE),
    ]
    finding = document["findings"][1]
    assert {
        "host": "h1",
        "cve": TWO,
        "advisories": ["DSA-2"],
        "package": "libssl3",
        "installed": "3.0.11-1",
        "fixed": "3.0.15-1",
        "state": "fixable",
        "decision": "scheduled",
        "due": None,
        "cvss": 9.8,
        "kev": False,
        "epss": None,
    }.items() <= finding.items()
    assert document["findings"][2]["fixed"] is None


def judged(text: str) -> Gate:
    counted = gate([text], TODAY)
    for host, some in world().assessor(debian()).findings():
        for finding in some:
            counted.count(host, finding)
    return counted


@pytest.mark.parametrize(
    ("rule", "count"),
    [
        ("kev", 1),
        ("cvss>=9", 1),
        ("cvss>9.8", 0),
        ("cvss >= 9.8", 1),
        ("scheduled", 3),
        ("act", 0),
        ("out-of-cycle", 0),
        ("overdue", 0),
        ("any", 3),
        ("kev,cvss>=9", 2),
    ],
)
def test_a_rule_counts_the_findings_that_it_forbids(rule: str, count: int) -> None:
    assert judged(rule).failed == count


@pytest.mark.parametrize("rule", ["cvss", "cvss>=11", "critical", "kev;act", "cvss<=3"])
def test_an_unknown_rule_is_refused_with_the_known_ones(rule: str) -> None:
    with pytest.raises(UsageError, match="cvss>=N"):
        gate([rule], TODAY)


def test_a_waived_finding_stops_no_pipeline_and_needs_no_action() -> None:
    def waiver(host: HostInput, cve: str, names: object, kev: bool) -> Waived | None:
        return Waived("EX-1", True, "behind a firewall") if cve == TWO else None

    assessor = world().assessor(debian("3.0.14-1"), waiver=waiver)
    ((_, findings),) = assessor.findings()
    waived = next(finding for finding in findings if finding.cve == TWO)
    assert (waived.state, waived.waiver, waived.note) == (
        FindingState.WAIVED,
        "EX-1",
        "behind a firewall",
    )
    assert findings[-1] is waived
    check = gate(["any"], TODAY)
    check.count("h1", waived)
    assert check.failed == 0
    assert assessor.summary().actions == ()


def test_an_exception_that_holds_no_more_reopens_and_says_so() -> None:
    def expired(host: HostInput, cve: str, names: object, kev: bool) -> Waived | None:
        return Waived("EX-1", False, "exception EX-1 expired on 2026-01-01")

    ((_, findings),) = world().assessor(debian("3.0.14-1"), waiver=expired).findings()
    assert all(finding.state is not FindingState.WAIVED for finding in findings)
    assert all("expired" in finding.note for finding in findings)


def test_an_exception_for_one_package_waives_not_the_other() -> None:
    both = World().add(
        advisory("DSA-1", ONE, by_source(DEB, "openssl", "3.0.14-1")),
        advisory("DSA-2", ONE, by_source(DEB, "nodejs", "18.20-1")),
    )

    def only_openssl(host: HostInput, cve: str, names: object, kev: bool) -> Waived | None:
        assert isinstance(names, set)
        return Waived("EX-1", True, "") if "openssl" in names else None

    host = facts(
        DEB, [package("libssl3", "3.0.11-1", "openssl", "3.0.11-1"), package("nodejs", "18.19-1")]
    )
    ((_, (finding,)),) = both.assessor(host, waiver=only_openssl).findings()
    assert finding.state is FindingState.FIXABLE
    assert "only a part" in finding.note


def test_a_report_says_what_it_does_not_cover() -> None:
    lines = list(cautions(walked(world().assessor(facts("other", [package("x", "1")]))).summary()))
    assert any("not covered: 1 package of plan9:4" in line for line in lines)


def test_a_table_has_a_row_for_each_action() -> None:
    (row,) = action_rows(walked(world().assessor(debian())).summary().actions)
    assert row == ["1", "scheduled", "-", "openssl to 3.0.15-1", "1", "2", "1", "9.8"]


# --- explain ------------------------------------------------------------------------------------


def explainer(*hosts: HostFacts) -> Explainer:
    return Explainer(world().assessor(*hosts), lambda host, source: "in no plan")


def only(judgements: tuple[Judgement, ...]) -> Judgement:
    (judgement,) = judgements
    return judgement


def test_a_cve_is_explained_on_every_host_that_has_its_package() -> None:
    explanation = explainer(debian(), debian("3.0.14-1")).cve(ONE, frozenset())
    affected, clean = explanation.judgements
    assert (affected.hosts, affected.affected, affected.why) == (
        ("h1",),
        True,
        "older than the fixed version",
    )
    assert (clean.hosts, clean.affected, clean.why) == (
        ("h2",),
        False,
        "at or past the fixed version",
    )
    assert affected.range == "before 3.0.14-1"
    assert (affected.source, affected.compared, affected.advisory) == (
        "openssl",
        "3.0.11-1",
        "DSA-1",
    )
    assert any("known exploited since 2026-01-01" in line for line in explanation.facts)


def test_a_cve_that_no_feed_speaks_of_is_said_so() -> None:
    explanation = explainer(debian()).cve("CVE-2020-9999", frozenset())
    assert explanation.judgements == ()
    assert any("no advisory" in line for line in explanation.facts)


def test_a_host_and_a_package_are_explained() -> None:
    asked = explainer(debian())
    about = asked.host(HostInput("h1", debian(), "s1", Context()))
    assert {judgement.cve for judgement in about.judgements} == {ONE, TWO, THREE}
    assert any("matched as Debian:12" in line for line in about.facts)
    assert about.judgements[0].stuck == "in no plan"
    package_found = asked.package("tar", frozenset())
    assert only(package_found.judgements).why == "no version is fixed"
    assert package_found.facts[0] == "tar 1.34-1 on 1 host"


def test_what_a_host_waits_for_is_told() -> None:
    old = (
        StaleProcess(pid=7, command="sshd", unit="ssh.service"),
        StaleProcess(pid=8, command="vi"),
    )
    host = structs.replace(
        debian(), reboot_required=True, reboot_packages=("linux-base",), stale_processes=old
    )
    facts_told = explainer(host).host(HostInput("h1", host, "s1", Context())).facts
    assert "waits for a reboot, which is wanted by linux-base" in facts_told
    assert "on replaced files: ssh.service, vi" in facts_told


def test_the_repository_that_delivers_the_fix_is_named() -> None:
    packages = [package("libssl3", "3.0.11-1", "openssl", "3.0.11-1")]
    host = facts(DEB, packages, pending={"libssl3": "3.0.15-1"})
    explanation = explainer(host).cve(TWO, frozenset())
    judgement = only(explanation.judgements)
    assert (judgement.offered, judgement.repository) == (
        "3.0.15-1",
        "Debian-Security bookworm-security",
    )
    assert "offered: 3.0.15-1 by Debian-Security bookworm-security" in "\n".join(lines(explanation))


def test_another_package_of_that_version_does_not_name_the_repository() -> None:
    packages = [package("libssl3", "3.0.11-1", "openssl", "3.0.11-1")]
    host = facts(DEB, packages, pending={"libssl3": "3.0.15-1"})
    other = structs.replace(host.pending[0], name="docs", label="Debian", codename="bookworm")
    host = structs.replace(host, pending=(other, *host.pending))
    judgement = only(explainer(host).cve(TWO, frozenset()).judgements)
    assert judgement.repository == "Debian-Security bookworm-security"
