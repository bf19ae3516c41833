"""Hosts of one system that report different files for one version."""

from msgspec import structs
from plan_world import facts, resolution, transition

from patchctl.models.facts import HostFacts, OsRelease, PackageManager
from patchctl.models.plan import LeftOutReason, Transition
from patchctl.models.resolution import Resolution
from patchctl.plan.accept import Accepted, accept

WEB = structs.replace(transition("web"), origin="baseos")
TRUE, FALSE, OTHER = "a" * 64, "b" * 64, "c" * 64


def told(host: str, sha256: str, planned: Transition = WEB) -> Resolution:
    assert planned.file is not None
    file = structs.replace(planned.file, sha256=sha256)
    made = resolution(host, structs.replace(planned, file=file), transition("lib"))
    return structs.replace(made, manager=PackageManager.DNF)


def system(name: str, version: str = "9.4") -> HostFacts:
    return structs.replace(facts(), os=OsRelease(id=name, version_id=version))


def settled(*resolutions: Resolution, systems: dict[str, HostFacts] | None = None) -> Accepted:
    known = {resolution_of_host.host: system("almalinux") for resolution_of_host in resolutions} | (
        systems or {}
    )
    return accept(resolutions, known, allow_removals=False)


def test_hosts_that_report_the_same_file_are_taken() -> None:
    accepted = settled(told("h1", TRUE), told("h2", TRUE))
    assert [taken.host for taken in accepted.taken] == ["h1", "h2"]
    assert accepted.left_out == ()


def test_a_host_that_reports_another_file_is_left_out_and_both_are_named() -> None:
    accepted = settled(told("h1", FALSE), told("h2", TRUE), told("h3", TRUE))
    assert [taken.host for taken in accepted.taken] == ["h2", "h3"]
    (line,) = accepted.left_out
    assert (line.host, line.package, line.version) == ("h1", "web", "1.0-2")
    assert line.reason is LeftOutReason.DISPUTED
    assert line.detail == (
        f"baseos tells h1 another file than h2: SHA-256 {FALSE[:12]} and {TRUE[:12]}"
    )


def test_without_a_majority_no_host_is_taken() -> None:
    assert settled(told("h1", FALSE), told("h2", TRUE)).taken == ()
    three = settled(told("h1", FALSE), told("h2", TRUE), told("h3", OTHER))
    assert three.taken == ()
    assert [row.host for row in three.left_out] == ["h1", "h2", "h3"]


def test_hosts_of_one_side_have_one_reason() -> None:
    accepted = settled(told("h1", TRUE), told("h2", FALSE), told("h3", TRUE), told("h4", FALSE))
    assert accepted.taken == ()
    assert len({row.detail for row in accepted.left_out}) == 2


def test_a_disputed_package_without_a_signature_is_not_taken() -> None:
    unsigned = structs.replace(WEB, unsigned=True)
    rows = (told("h1", FALSE, unsigned), told("h2", TRUE, unsigned), told("h3", TRUE, unsigned))
    assert settled(*rows).taken == ()


def test_a_single_host_is_compared_with_none() -> None:
    assert [taken.host for taken in settled(told("h1", FALSE)).taken] == ["h1"]


def test_repositories_of_one_name_in_different_systems_are_not_compared() -> None:
    rows = (told("h1", FALSE), told("h2", TRUE))
    for other in (system("rocky"), system("almalinux", "8.10")):
        assert len(settled(*rows, systems={"h1": other}).taken) == 2
    assert settled(*rows, systems={"h1": system("almalinux", "9.3")}).taken == ()


def test_other_repositories_and_versions_are_not_compared() -> None:
    for change in ({"origin": "epel"}, {"to": "1.0-3"}, {"arch": "i686"}):
        other = structs.replace(WEB, **change)
        assert len(settled(told("h1", FALSE, other), told("h2", TRUE)).taken) == 2
    nameless = structs.replace(WEB, origin="")
    assert len(settled(told("h1", FALSE, nameless), told("h2", TRUE, nameless)).taken) == 2
