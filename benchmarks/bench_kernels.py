"""Make Debian 12 hosts whose running kernel has three thousand open CVEs, and a tracker for them.

It is Debian because its tracker has an entry for each CVE of the kernel: thousands of advisories
apply to one package and are judged one by one, while AlmaLinux 8 has eight hundred CVEs of its
kernel in a hundred advisories. Kernels differ by version and flavour, and a newer one may wait for
a reboot, so the findings of hosts differ. The entries are made up; their form, and the kernels'
names and versions, are Debian's.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from patchctl.models.facts import Kernel, OsRelease, Package

OPEN = 3_000
SETTLED = 3_000  # entries of older kernels, and of those that never had the fault
OS = OsRelease(id="debian", version_id="12", codename="bookworm")
FLAVOURS = ("amd64", "cloud-amd64", "rt-amd64")
# ABI number -> upstream version of bookworm's kernels.
OLD = {9: 27, 10: 37, 11: 38, 12: 52, 13: 55, 15: 66, 17: 69, 18: 76}
NEWER = (38, 147)
DISTINCT = len(OLD) * len(FLAVOURS)  # hosts until they repeat
_FIRST_FIX, _LAST_FIX = 82, 176


def tracker(others: Sequence[tuple[str, list[str]]]) -> dict[str, Any]:
    """Return the tracker's JSON, with the kernel's entries and an entry for each version but the
    first of `others`, which are (source, its versions, oldest first)."""
    entries: dict[str, Any] = {"linux": dict(_kernel_entries())}
    number = 0
    for source, versions in others:
        fixes = {}
        for version in versions[1:]:
            number += 1
            fixes[f"CVE-2025-{number:05}"] = _entry(bookworm=version, sid=f"{version}+sid")
        entries[source] = fixes
    return entries


def _kernel_entries() -> Iterator[tuple[str, Any]]:
    span = _LAST_FIX - _FIRST_FIX + 1
    for number in range(OPEN):
        fixed = f"6.1.{_FIRST_FIX + number % span}-1"
        # One in ten is still open in the release.
        yield (
            f"CVE-2024-{number + 30_000}",
            _entry(
                bullseye=f"5.10.{220 + number % 20}-1",
                bookworm="" if number % 10 == 0 else fixed,
                trixie=f"6.12.{12 + number % 80}-1",
                sid=f"6.12.{12 + number % 80}-1",
            ),
        )
    for number in range(SETTLED):
        fixed = "0" if number % 3 == 0 else f"5.{10 + number % 9}.{number % 40}-1"
        yield f"CVE-2022-{number + 30_000}", _entry(bookworm=fixed, trixie=fixed, sid=fixed)


def _entry(**fixes: str) -> dict[str, Any]:
    """Return the suites, each with the version that fixes, or "" where none does."""
    return {
        "description": "a fault of the kind that a benchmark needs",
        "releases": {
            suite: {
                "status": "resolved" if fixed else "open",
                "repositories": {suite: fixed or "1"},
                "urgency": "not yet assigned",
                **({"fixed_version": fixed} if fixed else {}),
            }
            for suite, fixed in fixes.items()
        },
    }


def kernel(number: int) -> tuple[Kernel, tuple[Package, ...]]:
    """Return the running kernel of the host of that number, and the packages of its kernels. A
    quarter of the hosts have a newer one installed that has not been booted."""
    abi, upstream = list(OLD.items())[number % len(OLD)]
    flavour = FLAVOURS[number // len(OLD) % len(FLAVOURS)]
    kernels = [(abi, upstream)]
    if number % 4 == 3:
        kernels.append(NEWER)
    packages = [package for each in kernels for package in _packages(*each, flavour)]
    names = tuple(f"6.1.0-{each}-{flavour}" for each, _ in kernels)
    return Kernel(running=names[0], installed=names, managed=True), tuple(packages)


def _packages(abi: int, upstream: int, flavour: str) -> Iterator[Package]:
    version = f"6.1.{upstream}-1"
    signed = {"source": "linux-signed-amd64", "source_version": f"6.1.{upstream}+1"}
    plain = {"source": "linux", "source_version": version}
    yield Package(
        name=f"linux-image-6.1.0-{abi}-{flavour}", version=version, arch="amd64", **signed
    )
    yield Package(
        name=f"linux-headers-6.1.0-{abi}-{flavour}", version=version, arch="amd64", **plain
    )
    yield Package(name=f"linux-kbuild-6.1.{upstream}", version=version, arch="amd64", **plain)
