"""Recover versions that a host's log no longer has from earlier discoveries."""

from assessment_world import facts, package
from msgspec import structs

from patchctl.models.facts import HostFacts, MappedPackage, StaleProcess
from patchctl.models.state import KnownHost
from patchctl.workflows.discovery.running_code import Earlier, with_earlier_versions

BEGAN = 1_000_000


def system(*versions: str, arch: str = "amd64") -> HostFacts:
    return facts("Debian:12", [package("libssl3", version, arch=arch) for version in versions])


def known(*mapped: MappedPackage, started: int = BEGAN, skew: int = 0) -> KnownHost:
    process = StaleProcess(pid=7, command="x", started=started, packages=mapped)
    now = structs.replace(system("3"), stale_processes=(process,), clock_skew_s=skew)
    return KnownHost(name="h", snapshot="s", taken=0, imported=False, software="d", facts=now)


def ran(host: KnownHost, earlier: Earlier) -> list[str]:
    (process,) = with_earlier_versions(host, earlier).facts.stale_processes
    return [mapped.version for mapped in process.packages]


OPEN = MappedPackage(name="libssl3", arch="amd64")


def test_what_was_seen_before_it_began_is_what_it_runs() -> None:
    asked = []

    def earlier(host: str, moment: int) -> HostFacts:
        asked.append((host, moment))
        return system("2")

    assert ran(known(OPEN, OPEN), earlier) == ["2", "2"]
    assert asked == [("h", BEGAN)]


def test_the_host_counts_by_its_own_clock() -> None:
    moments = []
    ran(known(OPEN, skew=60), lambda host, moment: moments.append(moment))
    assert moments == [BEGAN - 60]


def test_what_the_log_told_stays_and_nobody_is_asked() -> None:
    with_version = structs.replace(OPEN, version="1")

    def never(host: str, moment: int) -> HostFacts:
        raise AssertionError

    assert ran(known(with_version), never) == ["1"]


def test_nothing_is_guessed() -> None:
    assert ran(known(OPEN), lambda host, moment: None) == [""]
    assert ran(known(OPEN, started=0), lambda host, moment: system("2")) == [""]
    assert ran(known(OPEN), lambda host, moment: system("2", arch="i386")) == [""]
    assert ran(known(OPEN), lambda host, moment: system("1", "2")) == [""]
