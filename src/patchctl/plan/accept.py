"""Decide which resolved transactions the plan takes, and why it leaves out the others."""

from collections.abc import Iterable, Mapping, Sequence

from ..models import grammar
from ..models.base import Record
from ..models.exclusions import Exclusion, Rules, excluding
from ..models.facts import FileSystem, HostFacts
from ..models.plan import Action, LeftOut, LeftOutReason
from ..models.resolution import Resolution
from .disputed import undisputed


class Accepted(Record):
    """The resolutions that a plan takes, and what it leaves out.

    `taken` is sorted by host name, and each resolution has at least one transition.
    """

    taken: tuple[Resolution, ...]
    left_out: tuple[LeftOut, ...]


def accept(
    resolutions: Iterable[Resolution],
    facts: Mapping[str, HostFacts],
    *,
    allow_removals: bool,
    exclusions: Sequence[Exclusion] = (),
) -> Accepted:
    """Take the resolutions that can be carried out as they are; leave out the others with a reason.

    `facts` is by host name and has every host of the resolutions.
    """
    rules = Rules(exclusions)
    taken: list[Resolution] = []
    left_out: list[LeftOut] = []
    for resolution in sorted(resolutions, key=lambda resolution: resolution.host):
        left_out.extend(resolution.dropped)
        refusal = _refusal(
            resolution, facts[resolution.host], allow_removals=allow_removals
        ) or _excluded(resolution, rules.on(resolution.host))
        if refusal is not None:
            left_out.append(refusal)
        elif resolution.transitions:
            taken.append(resolution)
        elif not resolution.dropped:
            left_out.append(
                LeftOut(
                    host=resolution.host,
                    reason=LeftOutReason.NO_UPDATES,
                    detail="everything asked for is installed by now",
                )
            )
    agreed, disputed = undisputed(taken, facts)
    return Accepted(taken=agreed, left_out=(*left_out, *disputed))


def _refusal(resolution: Resolution, facts: HostFacts, *, allow_removals: bool) -> LeftOut | None:
    if resolution.locked:
        return LeftOut(host=resolution.host, reason=LeftOutReason.LOCKED, detail=resolution.locked)
    if resolution.error:
        return LeftOut(
            host=resolution.host, reason=LeftOutReason.RESOLVE_FAILED, detail=resolution.error
        )
    if facts.machine_id and not grammar.fits("machine-id", facts.machine_id):
        return LeftOut(
            host=resolution.host,
            reason=LeftOutReason.DISCOVERY_FAILED,
            detail="its machine-id is not 32 hex digits; `systemd-machine-id-setup` writes one",
        )
    removed = [step.package for step in resolution.transitions if step.action is Action.REMOVE]
    if removed and not allow_removals:
        return LeftOut(
            host=resolution.host,
            reason=LeftOutReason.REMOVES_PACKAGE,
            detail=f"would remove {', '.join(removed)}",
        )
    held = {(package.name, package.arch) for package in facts.packages if package.held}
    moved = [step.package for step in resolution.transitions if (step.package, step.arch) in held]
    if moved:
        return LeftOut(
            host=resolution.host,
            reason=LeftOutReason.HELD,
            detail=f"would change {', '.join(moved)}",
        )
    short = missing_space(facts.file_systems, resolution.needed_kib)
    if short:
        return LeftOut(host=resolution.host, reason=LeftOutReason.DISK_TOO_SMALL, detail=short)
    return None


def _excluded(resolution: Resolution, rules: Sequence[Exclusion]) -> LeftOut | None:
    """Return why the host is left out where its transaction changes an excluded package, else None.

    The host was asked to hold these packages; a host that does not do so is left out as a whole.
    """
    for transition in resolution.transitions if rules else ():
        rule = excluding(rules, (transition.package, transition.source))
        if rule is not None:
            return LeftOut(
                host=resolution.host,
                reason=LeftOutReason.EXCLUDED,
                detail=f"would change {transition.package}, excluded by {rule.text}",
                rule=rule.rule,
                needs=(transition.package,),
            )
    return None


def missing_space(file_systems: Sequence[FileSystem], needed_kib: Mapping[str, int]) -> str:
    """Return the first file system without enough free space, in words; "" where all have enough.

    `needed_kib` is path -> KiB; the needs of paths on one file system are added up. A path on no
    known file system is not checked here, because preflight checks again on the host itself.
    """
    demand: dict[str, int] = {}
    free = {file_system.mount: file_system.free_kib for file_system in file_systems}
    for path, kib in needed_kib.items():
        mounts = [mount for mount in free if _under(path, mount)]
        if mounts:
            mount = max(mounts, key=len)
            demand[mount] = demand.get(mount, 0) + kib
    for mount in sorted(demand):
        if demand[mount] > free[mount]:
            return f"{mount} needs {_mib(demand[mount])} MiB and has {free[mount] // 1024} MiB free"
    return ""


def _under(path: str, mount: str) -> bool:
    return path == mount or path.startswith(mount.rstrip("/") + "/")


def _mib(kib: int) -> int:
    return -(-kib // 1024)
