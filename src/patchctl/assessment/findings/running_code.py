"""Old code that still runs: its package was updated, the process that maps it was not restarted."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from ...models.facts import HostFacts
from ...models.host_rules import is_login, waits_for_reboot
from ..matching.installed import InstalledPackage, PackageTable, aged

_NAMED = 4


@dataclass(frozen=True, slots=True)
class OldCode:
    """What runs of one source package: each binary as installed and as it still runs, and the
    units in which it does. Equal for hosts on which the same runs in the same units."""

    binaries: tuple[tuple[InstalledPackage, InstalledPackage], ...]
    units: tuple[str, ...]

    @property
    def source(self) -> str:
        """The source package."""
        return self.binaries[0][0].source

    @property
    def remedy(self) -> str:
        """`reboot` where something runs it that nobody restarts, else `restart`."""
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
    """`known` by source package; `unknown` are installed packages of which old code runs in a
    version that nobody knows, or of whose source the version then is not known."""

    known: tuple[OldCode, ...] = ()
    unknown: tuple[InstalledPackage, ...] = ()


_NOTHING = RunningCode()


def find_running_code(
    facts: HostFacts, installed: Iterable[InstalledPackage], table: PackageTable
) -> RunningCode:
    """What of a host's packages still runs as it was before."""
    names = {mapped.name for process in facts.stale_processes for mapped in process.packages}
    if not names:
        return _NOTHING
    by_name: dict[str, list[InstalledPackage]] = defaultdict(list)
    for unit in installed:
        if unit.name in names:
            by_name[unit.name].append(unit)
    runs: dict[str, dict[tuple[InstalledPackage, InstalledPackage], set[str]]] = defaultdict(
        lambda: defaultdict(set)
    )
    unknown: dict[InstalledPackage, None] = {}
    for process in facts.stale_processes:
        for mapped in process.packages:
            for unit in by_name[mapped.name]:
                if mapped.arch and mapped.arch != unit.arch:
                    continue
                if not mapped.version:
                    unknown[unit] = None
                elif mapped.version != unit.version:
                    old, sure = aged(unit, mapped.version, table)
                    runs[unit.source][unit, old].add(process.unit)
                    if not sure:
                        unknown[unit] = None
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
