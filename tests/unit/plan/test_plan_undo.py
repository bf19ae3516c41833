"""Which transitions can be undone automatically, and which not."""

import pytest

from patchctl.models.facts import PackageManager
from patchctl.models.plan import Action, Transition, Undo
from patchctl.plan.managers import DECISIONS
from patchctl.plan.undo import classify, upstream
from patchctl.protocol.managers import SUPPORTED


def change(
    package: str, before: str = "1.0-1", after: str = "1.0-2", source: str = ""
) -> Transition:
    return Transition(
        package=package,
        arch="amd64",
        action=Action.UPGRADE if before and after else Action.NEW if after else Action.REMOVE,
        from_=before,
        to=after,
        source=source or package,
    )


@pytest.mark.parametrize(
    ("package", "source", "reason"),
    [
        ("linux-image-6.1.0-41-amd64", "linux-signed-amd64", "kernel"),
        ("kernel-core", "kernel", "kernel"),
        ("libc6", "glibc", "C library"),
        ("libc-bin", "glibc", "C library"),
        ("dpkg", "dpkg", "package manager"),
        ("libapt-pkg6.0", "apt", "package manager"),
        ("libsystemd0", "systemd", "init system"),
        ("udev", "systemd", "init system"),
        ("postgresql-15", "postgresql-15", "database server"),
        ("mariadb-server-10.5", "mariadb-10.5", "database server"),
        ("libpq5", "postgresql-15", ""),
        ("postgresql-client-15", "postgresql-15", ""),
        ("libmariadb3", "mariadb-10.5", ""),
        ("redis-tools", "redis", ""),
        ("linux-libc-dev", "linux", ""),
        ("openssl", "openssl", ""),
    ],
)
def test_kinds_of_packages(package: str, source: str, reason: str) -> None:
    manager = PackageManager.DNF if package.startswith("kernel") else PackageManager.APT
    transition = classify(change(package, source=source), manager)
    assert (transition.undo, transition.undo_reason) == (
        Undo.UNSAFE if reason else Undo.SAFE,
        reason,
    )


@pytest.mark.parametrize("manager", DECISIONS)
@pytest.mark.parametrize(
    ("package", "source", "reason"),
    [
        ("rpm", "rpm", "package manager"),
        ("apt", "apt", "package manager"),
        ("systemd", "systemd", "init system"),
        ("redis", "redis", "database server"),
        ("glibc-common", "glibc", "C library"),
        ("bash", "bash", ""),
    ],
)
def test_what_is_unsafe_everywhere(
    manager: PackageManager, package: str, source: str, reason: str
) -> None:
    assert classify(change(package, source=source), manager).undo_reason == reason


def test_every_package_manager_that_changes_hosts_has_its_decisions() -> None:
    assert set(PackageManager) - {PackageManager.NONE} == set(DECISIONS)
    assert set(DECISIONS) >= SUPPORTED
    for manager in DECISIONS:
        for kernel in ("linux-image-6.1.0-10-amd64", "kernel-core"):
            assert classify(change(kernel), manager).undo_reason == "kernel"


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("3.0.20-1~deb12u2", "3.0.20"),
        ("1:9.2p1-2+deb12u7", "9.2p1"),
        ("20230311+deb12u1", "20230311"),
        ("20250419~deb12u2", "20250419"),
        ("2.6.1", "2.6.1"),
        ("1.2.3ubuntu4.5", "1.2.3"),
        ("1.1+nmu1", "1.1"),
        ("5.36.0-7+b1", "5.36.0"),
        ("1.2-3-4", "1.2-3"),
        ("3.0.7-27.el9_4", "3.0.7"),
        ("", ""),
    ],
)
def test_the_upstream_part_of_a_version(version: str, expected: str) -> None:
    assert upstream(version) == expected


def test_a_new_upstream_version_is_unsafe() -> None:
    transition = classify(
        change("openssl", "3.0.20-1~deb12u2", "3.0.22-1~deb12u2"), PackageManager.APT
    )
    assert (transition.undo, transition.undo_reason) == (Undo.UNSAFE, "new upstream version")


def test_a_new_dependency_is_safe_and_a_removed_package_is_not() -> None:
    assert classify(change("libnew1", before=""), PackageManager.APT).undo is Undo.SAFE
    assert classify(change("gone", after=""), PackageManager.APT).undo_reason == "removed package"


@pytest.mark.parametrize("glob", ["openssl", "open*", "o?enssl", "*"])
def test_policy_may_name_what_is_safe(glob: str) -> None:
    unsafe = change("libssl3", "3.0.20-1", "3.0.22-1", source="openssl")
    assert classify(unsafe, PackageManager.APT).undo is Undo.UNSAFE
    transition = classify(unsafe, PackageManager.APT, ("curl", glob))
    assert (transition.undo, transition.undo_reason) == (Undo.SAFE, "")
