"""Recover old versions of packages in use from earlier snapshots when the host's log no longer has
them."""

from collections.abc import Callable
from functools import cache

from msgspec import structs

from ...models.facts import HostFacts, MappedPackage, StaleProcess
from ...models.state import KnownHost

# (host, epoch seconds UTC) -> the host's newest facts at or before that time, or None
Earlier = Callable[[str, int], HostFacts | None]


def with_earlier_versions(host: KnownHost, earlier: Earlier) -> KnownHost:
    """Return the host with the versions that were installed when its processes began, as far as an
    earlier discovery has them. Versions from the host's log stay."""
    processes = host.facts.stale_processes
    if all(mapped.version for process in processes for mapped in process.packages):
        return host
    skew = host.facts.clock_skew_s or 0
    facts_at = cache(lambda moment: earlier(host.name, moment))
    filled = tuple(
        _filled(process, facts_at(process.started - skew) if process.started else None)
        for process in processes
    )
    return structs.replace(host, facts=structs.replace(host.facts, stale_processes=filled))


def _filled(process: StaleProcess, earlier_facts: HostFacts | None) -> StaleProcess:
    if earlier_facts is None or all(mapped.version for mapped in process.packages):
        return process
    packages = tuple(
        mapped
        if mapped.version
        else structs.replace(mapped, version=_version(mapped, earlier_facts))
        for mapped in process.packages
    )
    return structs.replace(process, packages=packages)


def _version(mapped: MappedPackage, earlier_facts: HostFacts) -> str:
    """Return the package's version in the earlier facts; "" where they have none, or several (as of
    rpm's install-only packages)."""
    versions = {
        package.version
        for package in earlier_facts.packages
        if package.name == mapped.name and mapped.arch in ("", package.arch)
    }
    return versions.pop() if len(versions) == 1 else ""
