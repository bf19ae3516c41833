"""Compare a host's facts with the expected state: versions, running code, removed CVEs."""

from collections.abc import Iterable

import pytest
from assessment_world import package
from msgspec import structs
from plan_world import facts

from patchctl.assessment.findings.compliance import check
from patchctl.models.assessment import AffectedPackage, Finding, FindingState
from patchctl.models.facts import HostFacts, MappedPackage, Package, PackageManager, StaleProcess
from patchctl.models.plan import Action, Transition
from patchctl.models.priority import Decision
from patchctl.models.verification import ExpectedState, PackageProblem, VerifiedHost, VerifiedState

CVE = "CVE-2024-6387"


def step(
    name: str = "libssl3",
    to: str = "3.0.9-1",
    *,
    source: str = "openssl",
    arch: str = "amd64",
    action: Action = Action.UPGRADE,
    cves: tuple[str, ...] = (CVE,),
) -> Transition:
    return Transition(
        package=name,
        arch=arch,
        action=action,
        from_="3.0.8-1",
        to=to,
        source=source,
        cves=cves,
    )


def promise(*steps: Transition, later: str = "") -> ExpectedState:
    return ExpectedState(host="h", run="r-1", made=0, transitions=steps or (step(),), later=later)


def libssl(version: str = "3.0.9-1", **more: object) -> Package:
    return package("libssl3", version, "openssl", version, **more)


def finding(
    state: FindingState = FindingState.FIXABLE, *, source: str = "openssl", cve: str = CVE
) -> Finding:
    return Finding(
        cve=cve,
        advisories=(),
        package=source,
        installed="3.0.9-1",
        fixed=None,
        state=state,
        decision=Decision.SCHEDULED,
        due=None,
        cvss=None,
        kev=False,
        epss=None,
        packages=(
            AffectedPackage(
                name=source,
                installed="3.0.9-1",
                source=source,
                ecosystem="Debian:12",
                state=state,
                note="sshd still runs 3.0.8-1: restart it"
                if state is FindingState.NOT_EFFECTIVE
                else "",
            ),
        ),
    )


def checked(
    known: HostFacts, *steps: Transition, findings: Iterable[Finding] = (), later: str = ""
) -> VerifiedHost:
    built = {"openssl": frozenset({"libssl3"}), "curl": frozenset({"curl"})}
    return check(promise(*steps, later=later), known, findings, built)


# --- versions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["3.0.9-1", "3.0.9-1+b1", "3.0.10-1", "1:1.0-1"])
def test_the_promised_version_or_a_newer_one_is_well(version: str) -> None:
    host = checked(facts([libssl(version)]))
    assert (host.state, host.packages, host.reason) == (VerifiedState.OK, (), "")


@pytest.mark.parametrize(
    ("installed", "problem", "version", "says"),
    [
        (
            [libssl("3.0.8-1")],
            PackageProblem.OLDER,
            "3.0.8-1",
            "libssl3: 3.0.9-1 was promised, 3.0.8-1 is installed",
        ),
        (
            [libssl("3.0.9~rc1-1")],
            PackageProblem.OLDER,
            "3.0.9~rc1-1",
            "libssl3: 3.0.9-1 was promised, 3.0.9~rc1-1 is installed",
        ),
        ([], PackageProblem.MISSING, "", "libssl3: 3.0.9-1 was promised, it is not installed"),
        (
            [package("libssl3", "3.0.9-1", "openssl", arch="i386")],
            PackageProblem.MISSING,
            "",
            "libssl3: 3.0.9-1 was promised, it is not installed",
        ),
        (
            [libssl(status="iF")],
            PackageProblem.HALF_INSTALLED,
            "3.0.9-1",
            "libssl3: 3.0.9-1 was promised, 3.0.9-1 is not fully installed (iF)",
        ),
    ],
    ids=["older", "older-by-order", "missing", "other-architecture", "half"],
)
def test_what_is_not_as_promised_is_broken_and_says_package_promised_and_found(
    installed: list[Package], problem: PackageProblem, version: str, says: str
) -> None:
    row = checked(facts(installed))
    assert (row.state, row.reason) == (VerifiedState.BROKEN, says)
    (broken,) = row.packages
    assert (broken.package, broken.promised, broken.found, broken.problem) == (
        "libssl3",
        "3.0.9-1",
        version,
        problem,
    )


def test_many_broken_packages_stay_one_line_and_all_are_listed() -> None:
    row = checked(facts(), *(step(f"lib{number}") for number in range(5)))
    assert len(row.packages) == 5
    assert row.reason.endswith("lib2: 3.0.9-1 was promised, it is not installed; and 2 more")


def test_a_removal_was_promised_too() -> None:
    gone = step("legacy", "", source="legacy", action=Action.REMOVE)
    assert checked(facts(), gone).state is VerifiedState.OK
    row = checked(facts([package("legacy", "1.0-1", "legacy")]), gone)
    assert row.reason == "legacy: its removal was promised, 1.0-1 is installed"


def test_a_package_may_have_become_one_for_all_architectures() -> None:
    assert checked(facts([libssl(arch="all")])).state is VerifiedState.OK


@pytest.mark.parametrize(
    ("name", "version", "state"),
    [
        ("linux-image-6.1.0-42-amd64", "6.1.150-1", VerifiedState.OK),
        ("linux-image-6.1.0-40-amd64", "6.1.130-1", VerifiedState.BROKEN),
        ("linux-headers-6.1.0-42-amd64", "6.1.150-1", VerifiedState.BROKEN),
    ],
)
def test_a_version_in_a_name_gives_way_to_a_later_one(
    name: str, version: str, state: VerifiedState
) -> None:
    kernel = step("linux-image-6.1.0-41-amd64", "6.1.140-1", source="linux", action=Action.NEW)
    assert checked(facts([package(name, version, "linux")]), kernel).state is state


def test_rpm_orders_versions_its_own_way() -> None:
    """A tilde and a caret sort otherwise than in deb's order."""
    dnf = facts([libssl("3.0.9^1-1")], manager=PackageManager.DNF)
    assert checked(dnf).state is VerifiedState.OK


# --- effect -------------------------------------------------------------------------------------


def running(old: str, *names: str, version: str = "3.0.8-1") -> HostFacts:
    process = StaleProcess(
        pid=7,
        command="sshd",
        unit=old,
        files=("/usr/lib/libssl.so.3",),
        packages=tuple(MappedPackage(name=name, version=version) for name in names),
    )
    return structs.replace(facts([libssl()]), stale_processes=(process,))


def test_a_process_on_the_old_code_of_a_promised_package_is_not_effective() -> None:
    row = checked(running("ssh.service", "libssl3", "zlib1g"))
    assert (row.state, row.reason) == (
        VerifiedState.NOT_EFFECTIVE,
        "ssh.service still runs the old libssl3",
    )


def test_a_process_without_a_unit_is_named_by_its_command() -> None:
    assert checked(running("", "libssl3")).reason == "sshd still runs the old libssl3"


@pytest.mark.parametrize(
    "known",
    [
        running("ssh.service", "zlib1g"),
        running("ssh.service"),
        running("ssh.service", "libssl3", version="3.0.9-1"),
    ],
    ids=["another-package", "of-nobody", "installed-again"],
)
def test_old_files_that_the_promise_does_not_speak_of_make_no_difference(known: HostFacts) -> None:
    assert checked(known).state is VerifiedState.OK


def test_a_package_that_runs_in_a_version_that_nobody_knows_is_not_effective() -> None:
    assert checked(running("ssh.service", "libssl3", version="")).state is (
        VerifiedState.NOT_EFFECTIVE
    )


@pytest.mark.parametrize(
    ("asking", "state", "reason"),
    [
        (("libssl3", "dbus"), VerifiedState.NOT_EFFECTIVE, "reboot required for libssl3"),
        ((), VerifiedState.NOT_EFFECTIVE, "reboot required"),
        (("dbus",), VerifiedState.OK, ""),
    ],
)
def test_a_reboot_counts_where_a_promised_package_may_have_asked_for_it(
    asking: tuple[str, ...], state: VerifiedState, reason: str
) -> None:
    known = structs.replace(
        facts([libssl()], reboot_required=True), reboot_packages=tuple(sorted(asking))
    )
    row = checked(known)
    assert (row.state, row.reason) == (state, reason)


def test_what_is_broken_counts_before_what_is_not_effective() -> None:
    known = structs.replace(running("ssh.service", "libssl3"), packages=(libssl("3.0.7-1"),))
    assert checked(known).state is VerifiedState.BROKEN


# --- CVEs ---------------------------------------------------------------------------------------


def test_a_promised_cve_that_the_feeds_still_find_is_open() -> None:
    row = checked(facts([libssl()]), findings=[finding()])
    assert (row.state, row.open_cves) == (VerifiedState.OPEN, (CVE,))
    assert row.reason == "the feeds still find what it was to remove"


def test_a_promised_cve_whose_fix_is_not_effective_says_what_to_do() -> None:
    row = checked(facts([libssl()]), findings=[finding(FindingState.NOT_EFFECTIVE)])
    assert (row.state, row.open_cves) == (VerifiedState.NOT_EFFECTIVE, (CVE,))
    assert row.reason == "sshd still runs 3.0.8-1: restart it"


@pytest.mark.parametrize(
    "other",
    [
        finding(FindingState.WAIVED),
        finding(source="curl"),
        finding(cve="CVE-2024-0001"),
    ],
    ids=["waived", "in-another-package", "never-promised"],
)
def test_other_findings_break_no_promise(other: Finding) -> None:
    row = checked(facts([libssl()]), findings=[other])
    assert (row.state, row.open_cves) == (VerifiedState.OK, ())


def test_a_source_that_findings_call_otherwise_is_told_by_its_binaries() -> None:
    """Debian's kernel is signed by a source of another name."""
    meta = step("linux-image-amd64", "6.1.150-1", source="linux-signed-amd64")
    row = check(
        promise(meta),
        facts([package("linux-image-amd64", "6.1.150-1", "linux-signed-amd64")]),
        [finding(FindingState.NOT_EFFECTIVE, source="linux")],
        {"linux": frozenset({"linux-image-amd64"})},
    )
    assert row.open_cves == (CVE,)


def test_what_a_newer_run_left_is_told_even_where_all_is_well() -> None:
    row = checked(facts([libssl()]), later="run r-2: failed")
    assert (row.state, row.reason) == (VerifiedState.OK, "run r-2: failed")
