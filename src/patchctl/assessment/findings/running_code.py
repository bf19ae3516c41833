"""Find old code that still runs: its package was updated, but the process was not restarted."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from ...models.facts import HostFacts
from ...models.host_rules import is_login, waits_for_reboot
from ..matching.installed import InstalledPackage, PackageTable, aged

_NAMED = 4


@dataclass(frozen=True, slots=True)
class OldCode:
    """The old code of one source package: `binaries` are pairs (as installed, as it still runs),
    `units` the systemd units that run it. Equal for hosts where the same units run the same."""

    binaries: tuple[tuple[InstalledPackage, InstalledPackage], ...]
    units: tuple[str, ...]

    @property
    def source(self) -> str:
        """The source package."""
        return self.binaries[0][0].source

    @property
    def remedy(self) -> str:
        """`reboot` where a unit that cannot be restarted runs it, else `restart`."""
        return "reboot" if any(map(waits_for_reboot, self.units)) else "restart"

    @property
    def note(self) -> str:
        """What to do about it, in words."""
        installed, ran = self.binaries[0]
        named = [_name(unit) for unit in self.units[:_NAMED]]
        if len(self.units) > _NAMED:
            named.append(f"{len(self.units) - _NAMED} more")
        where = ", ".join(dict.fromkeys(named)) or "a process"
        do = "reboot" if self.remedy == "reboot" else "restart it"
        return f"{installed.version} is installed but {where} still runs {ran.version}: {do}"


def _name(unit: str) -> str:
    return "a login session" if is_login(unit) else unit


@dataclass(frozen=True, slots=True)
class RunningCode:
    """Old code on a host: `known` has one entry for each source package. `unknown` are installed
    packages whose running version, or the version of its source, is not known."""

    known: tuple[OldCode, ...] = ()
    unknown: tuple[InstalledPackage, ...] = ()


_NOTHING = RunningCode()


def find_running_code(
    facts: HostFacts, installed: Iterable[InstalledPackage], table: PackageTable
) -> RunningCode:
    """The old code of a host's packages that processes still run."""
    names = {mapped.name for process in facts.stale_processes for mapped in process.packages}
    if not names:
        return _NOTHING
    by_name: dict[str, list[InstalledPackage]] = defaultdict(list)
    for package in installed:
        if package.name in names:
            by_name[package.name].append(package)
    runs: dict[str, dict[tuple[InstalledPackage, InstalledPackage], set[str]]] = defaultdict(
        lambda: defaultdict(set)
    )
    unknown: dict[InstalledPackage, None] = {}
    for process in facts.stale_processes:
        for mapped in process.packages:
            for package in by_name[mapped.name]:
                if mapped.arch and mapped.arch != package.arch:
                    continue
                if not mapped.version:
                    unknown[package] = None
                elif mapped.version != package.version:
                    old, sure = aged(package, mapped.version, table)
                    runs[package.source][package, old].add(process.unit)
                    if not sure:
                        unknown[package] = None
    return RunningCode(
        known=tuple(
            OldCode(
                binaries=tuple(sorted(pairs, key=_order)),
                units=tuple(sorted({name for names in pairs.values() for name in names} - {""})),
            )
            for _, pairs in sorted(runs.items())
        ),
        unknown=tuple(unknown),
    )


def _order(pair: tuple[InstalledPackage, InstalledPackage]) -> tuple[str, str, str]:
    installed, ran = pair
    return installed.name, installed.arch, ran.version
