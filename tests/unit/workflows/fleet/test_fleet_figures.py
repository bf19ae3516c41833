"""Figures of a host: what its facts and the feeds say, and None for what they do not say."""

from collections.abc import Sequence

from assessment_world import World, advisory, by_binary, facts, package
from msgspec import structs

from patchctl.models.exclusions import Exclusion
from patchctl.models.facts import NOT_ROOT, HostFacts, PackageLists, StaleProcess
from patchctl.models.fleet_status import HostFigures
from patchctl.models.priority import Decision
from patchctl.models.state import KnownHost
from patchctl.workflows.fleet.figures import figures

PACKAGES = [package("libssl3", "1", source="openssl"), package("bash", "1")]
WITH_FEED = World().add(advisory("DSA-1", "CVE-2026-1", by_binary("Debian:12", "libssl3", "2")))
PENDING = facts("Debian:12", PACKAGES, pending={"libssl3": "2", "bash": "2"})


def counted(
    host: HostFacts,
    world: World = WITH_FEED,
    *,
    imported: bool = False,
    exclusions: Sequence[Exclusion] = (),
) -> HostFigures:
    known = KnownHost(
        name="h1", snapshot="s", taken=7, imported=imported, software="s1", facts=host
    )
    assessor = world.assessor(host)
    (row,) = figures(assessor, {"h1": known}, exclusions)
    return row


def test_updates_and_findings_are_counted() -> None:
    row = counted(PENDING)
    assert (row.os, row.taken, row.pending, row.excluded) == ("debian 12", 7, 2, 0)
    assert row.findings is not None
    assert (row.findings[Decision.SCHEDULED], row.findings[Decision.ACT]) == (1, 0)
    assert row.ecosystems == ("Debian:12",)


def test_without_a_feed_findings_are_unknown_and_not_none() -> None:
    row = counted(PENDING, World())
    assert (row.findings, row.overdue, row.waived, row.excluded_findings) == (None,) * 4
    assert row.pending == 2


def test_an_imported_host_has_findings_but_nobody_asked_what_is_pending_or_runs() -> None:
    row = counted(PENDING, imported=True)
    assert (row.pending, row.security, row.excluded) == (None, None, None)
    assert (row.reboot_required, row.old_code) == (None, None)
    assert row.findings is not None


def test_a_list_that_could_not_be_read_is_unknown() -> None:
    row = counted(structs.replace(PENDING, unread=("pending", "stale")))
    assert (row.pending, row.old_code) == (None, None)


def test_without_root_no_old_code_proves_nothing() -> None:
    assert counted(PENDING).old_code == 0
    without_root = structs.replace(PENDING, notes=(NOT_ROOT,))
    assert counted(without_root).old_code is None
    running = structs.replace(without_root, stale_processes=(StaleProcess(pid=1, command="x"),))
    assert counted(running).old_code == 1


def test_an_exclusion_fits_by_the_source_name_on_its_hosts_alone() -> None:
    rule = Exclusion(rule="policy.exclude[0]", packages=("openssl",))
    assert counted(PENDING, exclusions=[rule]).excluded == 1
    elsewhere = structs.replace(rule, hosts=("h2",))
    assert counted(PENDING, exclusions=[elsewhere]).excluded == 0


def test_repositories_that_the_host_can_do_without_do_not_count() -> None:
    lists = (
        PackageLists(repository="a", fetched=50),
        PackageLists(repository="b", fetched=40, fault="not found"),
        PackageLists(repository="c", fetched=0, fault="not found", optional=True),
    )
    row = counted(structs.replace(PENDING, lists=lists))
    assert (row.lists_fetched, row.faulty_repositories) == (40, 1)
