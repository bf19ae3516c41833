"""What a host's own log has forgotten of the code it still runs, told by earlier discoveries."""

from collections.abc import Callable
from functools import cache

from msgspec import structs

from ...models.facts import HostFacts, MappedPackage, StaleProcess
from ...models.state import KnownHost

# (host, epoch seconds UTC) -> the newest facts from then or before, None where there are none
Earlier = Callable[[str, int], HostFacts | None]


def with_earlier_versions(host: KnownHost, earlier: Earlier) -> KnownHost:
    """The host with the versions that were installed when its processes began, where a discovery
    before then saw them. What the host's log told stays."""
    processes = host.facts.stale_processes
    if all(mapped.version for process in processes for mapped in process.packages):
        return host
    skew = host.facts.clock_skew_s or 0
    then = cache(lambda moment: earlier(host.name, moment))
    found = tuple(
        _filled(process, then(process.started - skew) if process.started else None)
        for process in processes
    )
    return structs.replace(host, facts=structs.replace(host.facts, stale_processes=found))


def _filled(process: StaleProcess, then: HostFacts | None) -> StaleProcess:
    if then is None or all(mapped.version for mapped in process.packages):
        return process
    packages = tuple(
        mapped if mapped.version else structs.replace(mapped, version=_version(mapped, then))
        for mapped in process.packages
    )
    return structs.replace(process, packages=packages)


def _version(mapped: MappedPackage, then: HostFacts) -> str:
    """Empty where the package was not there, or in several versions (rpm's install-only ones)."""
    same = {
        one.version
        for one in then.packages
        if one.name == mapped.name and mapped.arch in ("", one.arch)
    }
    return same.pop() if len(same) == 1 else ""
