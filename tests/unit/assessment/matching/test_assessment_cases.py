"""Match advisories with packages by cases: each has a host, feeds and the expected findings.

The project's own cases are in `tests/data/matching/`. `PATCHCTL_TEST_DATA` names the folder of
public data, which has more.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from assessment_cases import Case, Rule, host_of, rules, world_of, write, wrong, wrongly_fixed
from feed_world import REAL

from patchctl.assessment.findings.explain import Explainer
from patchctl.models.assessment import Finding
from patchctl.models.facts import HostFacts

RULES = list(rules())
CASES = [case for rule in RULES for case in rule.cases]
SHARED = REAL / "cases" / "assessment"


def found_on(host: HostFacts, feeds: Path) -> dict[str, Finding]:
    return world_of(feeds).findings(host)


def states(findings: Iterable[Finding]) -> dict[str, str]:
    return {finding.cve: finding.state.value for finding in findings}


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(case: Case, tmp_path: Path) -> None:
    write(case.feeds, tmp_path)
    findings = found_on(host_of(case.host), tmp_path)
    mistakes = wrong(case.expect, states(findings.values())) + wrongly_fixed(case.fixed, findings)
    assert not mistakes, case.why


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_hosts_of_a_fleet_and_the_order_of_feeds_change_nothing(rule: Rule, tmp_path: Path) -> None:
    write(rule.feeds, tmp_path)
    hosts = [host_of(case.host) for case in rule.cases]
    alone = [states(found_on(host, tmp_path).values()) for host in hosts]
    world = world_of(tmp_path)
    world.held.reverse()
    together = [states(findings) for _, findings in world.assessor(*hosts).findings()]
    names = [case.host["name"] for case in rule.cases]
    assert dict(zip(names, together, strict=True)) == dict(zip(names, alone, strict=True))


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_explain_says_what_assess_finds_and_names_who_decided(rule: Rule, tmp_path: Path) -> None:
    """`explain` judges each advisory on each package: what it calls affected is what is found."""
    write(rule.feeds, tmp_path)
    world = world_of(tmp_path)
    named = {cve for _, _, held in world.held for cve in held.cves}
    for case in rule.cases:
        assessor = world.assessor(host_of(case.host))
        explainer = Explainer(assessor, lambda host, source: "")
        cves = {finding.cve for _, findings in assessor.findings() for finding in findings}
        judgements = [
            judgement for cve in named for judgement in explainer.cve(cve, frozenset()).judgements
        ]
        affected = {judgement.cve for judgement in judgements if judgement.affected}
        assert affected == cves, case.name
        for judgement in judgements:
            assert judgement.why
            assert {judgement.advisory, judgement.decided_by} <= {*judgement.weighed}, case.name


@pytest.mark.parametrize("rule", RULES, ids=[rule.name for rule in RULES])
def test_a_search_for_one_cve_finds_what_a_search_for_all_finds_of_it(
    rule: Rule, tmp_path: Path
) -> None:
    write(rule.feeds, tmp_path)
    world = world_of(tmp_path)
    assessor = world.assessor(*(host_of(case.host) for case in rule.cases))
    every = {host: {row.cve: row for row in findings} for host, findings in assessor.findings()}
    for cve in {cve for _, _, held in world.held for cve in held.cves}:
        for host, findings in assessor.findings(frozenset({cve})):
            expected = [every[host][cve]] if cve in every[host] else []
            assert list(findings) == expected, (host, cve)


def test_the_name_of_a_case_is_its_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


def shared() -> list[Path]:
    """Return the cases with an answer; the others are about refused feeds."""
    return sorted(path.parent for path in SHARED.glob("*/expected.json"))


@pytest.mark.skipif(not SHARED.exists(), reason="the public data is not here")
@pytest.mark.parametrize("folder", shared(), ids=lambda folder: folder.name)
def test_shared_case(folder: Path) -> None:
    (description,) = json.loads((folder / "host.json").read_text())["hosts"]
    answer = json.loads((folder / "expected.json").read_text())
    host = host_of(
        {
            "os": f"{description['os']['id']} {description['os']['version_id']}",
            "running": description["kernel_running"],
            "packages": [
                f"{row['name']} {row['version']} {row['arch']} {row['source']}"
                f" {row['source_version']}"
                for row in description["packages"]
            ],
        }
    )
    mistakes = wrong(answer["expect"], states(found_on(host, folder / "feeds").values()))
    assert not mistakes, answer["note"]
