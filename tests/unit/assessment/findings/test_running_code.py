"""Processes that still run the old code of packages that were updated."""

from assessment_world import World, advisory, by_binary, by_source, facts, package
from msgspec import structs

from patchctl.assessment.findings.explain import Explainer
from patchctl.models.assessment import FindingState
from patchctl.models.facts import HostFacts, MappedPackage, StaleProcess

CVE = "CVE-2026-1000"
FIXED = "3.0.18-1~deb12u1"
OLD = "3.0.17-1~deb12u1"


def world(fixed: str = FIXED) -> World:
    return World().add(advisory("DSA-1", CVE, by_source("Debian:12", "openssl", fixed)))


def process(version: str, unit: str = "nginx.service", name: str = "libssl3") -> StaleProcess:
    mapped = MappedPackage(name=name, arch="amd64", version=version)
    return StaleProcess(pid=7, command="nginx", unit=unit, packages=(mapped,))


def host(*processes: StaleProcess, installed: str = FIXED, source_version: str = "") -> HostFacts:
    library = package("libssl3", installed, "openssl", source_version or installed)
    return structs.replace(facts("Debian:12", [library]), stale_processes=processes)


def test_an_installed_fix_is_not_effective_while_the_old_library_runs() -> None:
    finding = world().findings(host(process(OLD)))[CVE]
    assert finding.state is FindingState.NOT_EFFECTIVE
    assert (finding.package, finding.installed, finding.fixed) == ("libssl3", FIXED, FIXED)
    (affected,) = finding.packages
    assert affected.remedy == "restart"
    assert affected.note == (f"{FIXED} is installed but nginx.service still runs {OLD}: restart it")


def test_a_restart_is_an_action_of_its_own() -> None:
    assessor = world().assessor(host(process(OLD)), host(process(OLD)), host())
    assert [len(findings) for _, findings in assessor.findings()] == [1, 1, 0]
    (action,) = assessor.summary().actions
    assert (action.kind, action.package, action.hosts) == ("restart", "openssl", ("h1", "h2"))


def test_part_of_the_system_itself_needs_a_reboot() -> None:
    finding = world().findings(host(process(OLD), process(OLD, "init.scope")))[CVE]
    assert finding.packages[0].remedy == "reboot"
    assert "nginx.service" in finding.packages[0].note


def test_what_a_rollout_does_not_restart_needs_a_reboot() -> None:
    finding = world().findings(host(process(OLD, "systemd-logind.service")))[CVE]
    assert finding.packages[0].remedy == "reboot"
    assert finding.packages[0].note.endswith(
        "systemd-logind.service still runs " + OLD + ": reboot"
    )


def test_a_session_ends_without_a_reboot() -> None:
    finding = world().findings(host(process(OLD, "user@1000.service")))[CVE]
    assert finding.packages[0].remedy == "restart"
    assert "a login session still runs" in finding.packages[0].note


def test_what_runs_already_has_the_fix() -> None:
    assert world().findings(host(process(FIXED), installed="3.0.19-1~deb12u1")) == {}


def test_the_version_that_was_there_before_decides_not_the_newest_replaced() -> None:
    two = host(process(OLD, "a.service"), process(FIXED, "b.service"), installed="3.0.19-1")
    finding = world().findings(two)[CVE]
    assert "a.service" in finding.note
    assert finding.state is FindingState.NOT_EFFECTIVE


def test_what_is_still_open_on_disk_stays_fixable() -> None:
    assert world("3.0.20-1").states(host(process(OLD))) == {CVE: FindingState.FIXABLE}


def test_a_rebuild_has_the_same_source_version() -> None:
    rebuilt = host(process(f"{OLD}+b2"), installed=f"{FIXED}+b1", source_version=FIXED)
    assert world().states(rebuilt) == {CVE: FindingState.NOT_EFFECTIVE}


def test_an_epoch_of_the_source_alone_is_kept() -> None:
    feed = World().add(advisory("DSA-1", CVE, by_source("Debian:12", "openssl", "1:3.0.18-1")))
    apart = host(process("3.0.17-1"), installed="3.0.18-1", source_version="1:3.0.18-1")
    assert feed.states(apart) == {CVE: FindingState.NOT_EFFECTIVE}


def test_a_source_with_versions_of_its_own_is_told_as_unknown() -> None:
    apart = host(process("5.36-1"), installed="5.36-2", source_version=FIXED)
    assessor = world().assessor(apart)
    assert [findings for _, findings in assessor.findings()] == [[]]
    (warning,) = assessor.summary().warnings
    assert warning.startswith("libssl3: replaced, but old code of it runs on h1 in a version")


def test_a_binary_advisory_needs_no_source() -> None:
    feed = World().add(advisory("A-1", CVE, by_binary("Debian:12", "libssl3", "5.36-2")))
    apart = host(process("5.36-1"), installed="5.36-2", source_version=FIXED)
    assert feed.states(apart) == {CVE: FindingState.NOT_EFFECTIVE}


def test_a_version_that_nobody_knows_is_said_and_not_guessed() -> None:
    assessor = world().assessor(host(process("")), host(process("")), host())
    assert [findings for _, findings in assessor.findings()] == [[], [], []]
    (warning,) = assessor.summary().warnings
    assert "on h1 and 1 more in" in warning


def test_nothing_is_said_of_a_package_in_a_system_without_feeds() -> None:
    plain = facts("other", [package("mine", "2-1", "mine", "2-1")])
    assessor = world().assessor(structs.replace(plain, stale_processes=(process("", name="mine"),)))
    assert [findings for _, findings in assessor.findings()] == [[]]
    assert assessor.summary().warnings == ()


def test_hosts_that_run_the_same_share_one_finding() -> None:
    assessor = world().assessor(host(process(OLD)), host(process(OLD)))
    (_, [first]), (_, [second]) = assessor.findings()
    assert first is second


def test_explain_names_what_runs() -> None:
    assessor = world().assessor(host(process(OLD)), host())
    explanation = Explainer(assessor, lambda name, source: "").cve(CVE, frozenset())
    (old,) = [judgement for judgement in explanation.judgements if judgement.affected]
    assert (old.hosts, old.installed, old.state) == (("h1",), OLD, "not_effective")
    assert "nginx.service still runs" in old.stuck
