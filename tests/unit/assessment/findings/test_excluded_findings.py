"""Findings under an exclusion stay open and overdue, and each view of them names the rule."""

from collections.abc import Sequence

from assessment_world import TODAY, World, advisory, by_source, facts, package
from msgspec import structs
from rollout_world import plan, ring

from patchctl.assessment.findings.assess import Assessor, Waived, Waiver
from patchctl.assessment.findings.explain import Explainer
from patchctl.assessment.findings.fail_on import gate
from patchctl.models.assessment import ExcludedFindings, Finding, FindingState, Unlooked
from patchctl.models.exclusions import Exclusion
from patchctl.models.facts import HostFacts
from patchctl.models.plan import LeftOut, LeftOutReason
from patchctl.models.priority import Context, Decision, Priority, Threat
from patchctl.report import assessment_view, explain_view
from patchctl.workflows.assessment.remediation_status import RemediationStatus

SSL, CURL = "CVE-2026-1001", "CVE-2026-1002"
LATE = "2026-05-01"
RULE = Exclusion(
    rule="policy.exclude[0]",
    packages=("openssl",),
    reason="certified",
    owner="dba",
    until="2027-01-31",
)
SAID = "policy.exclude[0] of dba until 2027-01-31: certified"


def late(threat: Threat, context: Context) -> Priority:
    """All findings were due a month ago."""
    return Priority(decision=Decision.SCHEDULED, due=LATE, score=1)


def host(ssl: str = "3.0.1-1", curl: str = "7.0-1") -> HostFacts:
    return facts(
        "Debian:12",
        [package("libssl3", ssl, "openssl", ssl), package("curl", curl, "curl", curl)],
        pending={"libssl3": "3.0.2-1", "curl": "7.0-2"},
    )


def assessor(
    *hosts: HostFacts, rules: Sequence[Exclusion] = (RULE,), waiver: Waiver | None = None
) -> Assessor:
    world = World().add(
        advisory("DSA-1", SSL, by_source("Debian:12", "openssl", "3.0.2-1")),
        advisory("DSA-2", CURL, by_source("Debian:12", "curl", "7.0-2")),
    )
    inputs = world.assessor(*hosts).hosts
    return Assessor(inputs, world, late, TODAY, waiver=waiver, exclusions=tuple(rules))


def findings_of(made: Assessor) -> dict[tuple[str, str], Finding]:
    return {(name, finding.cve): finding for name, some in made.findings() for finding in some}


def test_it_stays_open_and_overdue_with_the_rule() -> None:
    made = assessor(host())
    finding = findings_of(made)["h1", SSL]
    assert (finding.state, finding.due, finding.excluded) == (FindingState.FIXABLE, LATE, SAID)
    assert findings_of(assessor(host()))["h1", CURL].excluded == ""
    summary = made.summary()
    assert (summary.overdue, summary.on_time) == (2, 0)
    assert summary.excluded == (
        ExcludedFindings(rule=SAID, packages=("openssl",), hosts=1, findings=1, overdue=1),
    )
    overdue = gate(["overdue"], TODAY)
    overdue.count("h1", finding)
    assert overdue.failed == 1


def test_a_rule_of_another_host_marks_nothing_here() -> None:
    made = assessor(host(), host(), rules=[structs.replace(RULE, hosts=("h2",))])
    marked = {
        host_and_cve for host_and_cve, finding in findings_of(made).items() if finding.excluded
    }
    assert marked == {("h2", SSL)}


def test_hosts_with_the_same_rules_share_what_is_marked() -> None:
    made = assessor(host(), host())
    rows = findings_of(made)
    assert rows["h1", SSL] == rows["h2", SSL]
    assert made.summary().excluded[0].hosts == 2


def test_an_exception_covers_it() -> None:
    def waiver(host: object, cve: str, names: object, exploited: bool) -> Waived | None:
        return Waived("EX-1", True, "accepted") if cve == SSL else None

    made = assessor(host(), waiver=waiver)
    finding = findings_of(made)["h1", SSL]
    assert (finding.state, finding.excluded) == (FindingState.WAIVED, "")
    summary = made.summary()
    assert (summary.overdue, summary.excluded) == (1, ())


def test_hosts_that_keep_their_dates_are_counted_of_all_of_them() -> None:
    clean = host("3.0.2-1", "7.0-2")
    made = with_unlooked(assessor(host(), clean, clean), Unlooked(host="x", reason="unreachable"))
    list(made.findings())
    assert list(assessment_view.compliance(made.summary(), 3)) == [
        "50 % of 4 hosts without overdue findings, 1 package excluded",
        f"excluded: openssl on 1 host, 1 open finding, 1 overdue, by {SAID}",
    ]


def with_unlooked(made: Assessor, *unlooked: Unlooked) -> Assessor:
    made.unlooked = unlooked
    return made


def test_less_than_all_is_not_rounded_up_to_all() -> None:
    summary = structs.replace(assessor(host()).summary(), on_time=999)
    excluded = (ExcludedFindings(rule=SAID, packages=("a", "b"), hosts=1, findings=2),)
    (line, _) = assessment_view.compliance(structs.replace(summary, excluded=excluded), 1000)
    assert line == "99 % of 1000 hosts without overdue findings, 2 packages excluded"


def test_without_exclusions_there_is_no_such_line() -> None:
    made = assessor(host(), rules=())
    list(made.findings())
    assert list(assessment_view.compliance(made.summary(), 1)) == []


class TestExplain:
    def test_a_judgement_has_the_rule(self) -> None:
        explanation = Explainer(assessor(host()), lambda name, source: "").cve(SSL, frozenset())
        assert [judgement.excluded for judgement in explanation.judgements] == [SAID]
        assert f"  excluded: {SAID}" in list(explain_view.lines(explanation))

    def test_hosts_that_are_excluded_stand_apart_from_those_that_are_not(self) -> None:
        made = assessor(host(), host(), rules=[structs.replace(RULE, hosts=("h2",))])
        explanation = Explainer(made, lambda name, source: "").cve(SSL, frozenset())
        assert {
            judgement.hosts: bool(judgement.excluded) for judgement in explanation.judgements
        } == {
            ("h1",): False,
            ("h2",): True,
        }

    def test_a_package_has_its_rules_by_the_hosts_that_they_hold_on(self) -> None:
        made = assessor(host(), host(), rules=[structs.replace(RULE, hosts=("h2",))])
        explanation = Explainer(made, lambda name, source: "").package("libssl3", frozenset())
        assert f"excluded on 1 host by {SAID}" in explanation.facts

    def test_a_host_has_what_is_excluded_on_it(self) -> None:
        made = assessor(host())
        explanation = Explainer(made, lambda name, source: "").host(made.hosts[0])
        assert f"excluded: libssl3 by {SAID}" in explanation.facts

    def test_what_only_the_newest_plan_left_out_is_told_too(self) -> None:
        row = LeftOut(
            host="h1",
            reason=LeftOutReason.EXCLUDED,
            package="curl",
            detail="needs libssl3, excluded by --exclude: frozen",
        )
        whole = plan([ring("staging")], {"staging": [["a"]]})
        body = structs.replace(whole.body, left_out=(row,))
        standing = RemediationStatus(structs.replace(whole, body=body), None)
        made = Explainer(assessor(host()), standing, standing.excluded)
        explanation = made.cve(CURL, frozenset())
        assert [judgement.excluded for judgement in explanation.judgements] == [row.detail]
