"""Leave out hosts that report different files for one version of a package in one repository.

A file is fetched through one host and then pushed to others. A host gets a file only if its own
repository metadata has the same SHA-256; such hosts are one cohort. Where hosts of one system
report different hashes for one version, at least one host or its mirror is wrong or malicious.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from ..models.base import Record
from ..models.facts import HostFacts
from ..models.plan import LeftOut, LeftOutReason, Transition
from ..models.resolution import Resolution


class _File(Record):
    """The key of a package file: hosts that report the same key must report the same hash."""

    manager: str
    system: str
    origin: str
    package: str
    arch: str
    version: str


def undisputed(
    taken: Iterable[Resolution], facts: Mapping[str, HostFacts]
) -> tuple[tuple[Resolution, ...], tuple[LeftOut, ...]]:
    """Return the resolutions without disputed files, and what is left out for its disputed files.

    A hash that more than half of the hosts report wins, so that a single host cannot keep updates
    from all others. Without a majority all of these hosts are left out. So are they where the
    package has no signature, because then its hash is the only proof.
    """
    resolutions = tuple(taken)
    left_out = {
        host: line
        for file, reports in _reports(resolutions, facts).items()
        if len(reports) > 1
        for host, line in _minority(file, reports)
    }
    return (
        tuple(resolution for resolution in resolutions if resolution.host not in left_out),
        tuple(left_out[host] for host in sorted(left_out)),
    )


# SHA-256 -> the hosts that report it, each with whether its package is signed.
_Reports = dict[str, list[tuple[str, bool]]]


def _reports(
    resolutions: Iterable[Resolution], facts: Mapping[str, HostFacts]
) -> dict[_File, _Reports]:
    reports: dict[_File, _Reports] = defaultdict(lambda: defaultdict(list))
    for resolution in resolutions:
        system = _system(facts[resolution.host])
        for step in resolution.transitions:
            # Two repositories without a name are not the same repository.
            if step.file is not None and step.origin:
                reports[_file(resolution, system, step)][step.file.sha256].append(
                    (resolution.host, not step.unsigned)
                )
    return reports


def _system(facts: HostFacts) -> str:
    """Return the id, major version and codename of the host's system.

    Rebuilds of a distribution have repositories of the same names, but other files in them.
    """
    return f"{facts.os.id} {facts.os.version_id.partition('.')[0]} {facts.os.codename}"


def _file(resolution: Resolution, system: str, transition: Transition) -> _File:
    return _File(
        manager=resolution.manager,
        system=system,
        origin=transition.origin,
        package=transition.package,
        arch=transition.arch,
        version=transition.to,
    )


def _minority(file: _File, reports: _Reports) -> Iterable[tuple[str, LeftOut]]:
    """Yield (host, why it is left out) for each host whose hash is not taken.

    The reason names the first host of each of the two sides.
    """
    ranked = sorted(reports, key=lambda sha256: (-len(reports[sha256]), sha256))
    hosts = sum(map(len, reports.values()))
    signed = all(is_signed for rows in reports.values() for _, is_signed in rows)
    majority = ranked[0] if signed and 2 * len(reports[ranked[0]]) > hosts else ""
    for sha256 in ranked:
        if sha256 == majority:
            continue
        other = ranked[0] if sha256 != ranked[0] else ranked[1]
        names = min(reports[sha256])[0], min(reports[other])[0]
        for host, _ in reports[sha256]:
            yield (
                host,
                LeftOut(
                    host=host,
                    reason=LeftOutReason.DISPUTED,
                    package=file.package,
                    version=file.version,
                    detail=f"{file.origin} tells {names[0]} another file than {names[1]}:"
                    f" SHA-256 {sha256[:12]} and {other[:12]}",
                ),
            )
