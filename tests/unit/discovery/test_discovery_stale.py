"""Processes that still run replaced files, with the package and version of these files."""

import pytest

from patchctl.discovery.parsers.stale import stale
from patchctl.models.facts import MappedPackage, PackageManager, StaleProcess
from patchctl.protocol.sections import Unparsed

LIB = "/usr/lib/x86_64-linux-gnu/libssl.so.3"
OWNER = f"{LIB}\tlibssl3:amd64"
NGINX = "7\tnginx\t0::/system.slice/nginx.service\t1795431600\t2026-11-23 11:00:00"


@pytest.fixture
def unparsed() -> Unparsed:
    return Unparsed()


def apt(
    unparsed: Unparsed, owners: list[str], *replaced: str, process: str = NGINX
) -> StaleProcess:
    (stale_process,) = stale(
        [f"7\t{LIB}"], [process], owners, replaced, PackageManager.APT, unparsed
    )
    return stale_process


def ran(*replaced: str, process: str = NGINX, owner: str = OWNER) -> str:
    unparsed = Unparsed()
    (mapped,) = apt(unparsed, [owner], *replaced, process=process).packages
    assert unparsed.all() == ()
    return mapped.version


def test_a_process_has_its_unit_and_start(unparsed: Unparsed) -> None:
    (process,) = stale(
        ["7\t/usr/lib/a.so", "7\t/usr/lib/b.so", "9\t/x"],
        ["7\tngi nx\t0::/system.slice/nginx.service\t1795431600\t2026-11-23 11:00:00"],
        [], [], PackageManager.APT, unparsed,
    )  # fmt: skip
    assert (process.pid, process.command, process.unit) == (7, "ngi nx", "nginx.service")
    assert process.files == ("/usr/lib/a.so", "/usr/lib/b.so")
    assert (process.started, process.packages) == (1795431600, ())
    assert unparsed.all() == ()


def test_a_process_runs_the_old_version_of_the_first_replacement_since_its_start() -> None:
    assert ran(
        "2026-11-20 08:00:00\tlibssl3:amd64\t3.0.15-1",
        "2026-11-23 12:00:00\tlibssl3:amd64\t3.0.17-1",
        "2026-11-24 12:00:00\tlibssl3:amd64\t3.0.18-1",
    ) == "3.0.17-1"  # fmt: skip


def test_a_clock_that_was_set_leaves_the_newest_replacement() -> None:
    assert ran(
        "2026-11-20 08:00:00\tlibssl3:amd64\t3.0.15-1",
        "2026-11-22 08:00:00\tlibssl3:amd64\t3.0.17-1",
    ) == "3.0.17-1"  # fmt: skip


def test_another_architecture_of_the_package_is_not_it() -> None:
    assert ran("2026-11-24 12:00:00\tlibssl3:i386\t3.0.18-1") == ""


def test_dpkg_names_an_owner_without_architecture_where_there_is_only_one() -> None:
    line = "2026-11-24 12:00:00\tlibssl3:amd64\t3.0.18-1"
    assert ran(line, owner=f"{LIB}\tlibssl3") == "3.0.18-1"


@pytest.mark.parametrize("process", ["7\tnginx\t0::/x\t\t", "7\tnginx\t0::/x\t0\tyesterday"])
def test_without_a_start_nobody_knows_the_version(process: str) -> None:
    assert ran("2026-11-24 12:00:00\tlibssl3:amd64\t3.0.18-1", process=process) == ""


def test_a_log_that_does_not_reach_back_leaves_the_version_open() -> None:
    assert ran() == ""


def test_a_file_that_no_package_had_is_of_nobody(unparsed: Unparsed) -> None:
    assert apt(unparsed, []).packages == ()


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("2026-11-24T12:00:00+0000\topenssl-libs-1:3.0.7-24.el9.x86_64", "1:3.0.7-24.el9"),
        ("2026-11-24T12:00:00Z\topenssl-libs-0:3.0.7-24.el9.x86_64", "3.0.7-24.el9"),
        ("2026-11-23T13:30:00+0200\topenssl-libs-3.0.7-24.el9.x86_64", "3.0.7-24.el9"),
        ("2026-11-24T12:00:00Z\topenssl-libs-3.0.7-24.el9.i686", ""),
    ],
)
def test_dnf_writes_times_with_their_zone(line: str, version: str, unparsed: Unparsed) -> None:
    (process,) = stale(
        ["7\t/usr/lib64/libssl.so.3"],
        [NGINX],
        ["/usr/lib64/libssl.so.3\topenssl-libs:x86_64"],
        [line],
        PackageManager.DNF,
        unparsed,
    )
    assert process.packages == (MappedPackage(name="openssl-libs", arch="x86_64", version=version),)
    assert unparsed.all() == ()


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-24 12:00:00\tlibssl3:amd64\t{{ 1 }}",
        "2026-11-24 12:00:00\t$(id):amd64\t3.0.18-1",
        "yesterday\tlibssl3:amd64\t3.0.18-1",
        "2026-11-24 12:00:00\tlibssl3:amd64",
    ],
)
def test_what_is_outside_of_the_grammar_is_recorded(line: str, unparsed: Unparsed) -> None:
    (mapped,) = apt(unparsed, [OWNER], line).packages
    assert mapped.version == ""
    assert [row.section for row in unparsed.all()] == ["replaced"]


def test_an_owner_outside_of_the_grammar_is_recorded(unparsed: Unparsed) -> None:
    assert apt(unparsed, [f"{LIB}\t;id:amd64"]).packages == ()
    assert [row.section for row in unparsed.all()] == ["stale_owners"]
