"""Disputed files: hosts of one system are told different files for one version by one repository.

A file is fetched through one host and goes to others. Only those get it that tell its very SHA-256
from the metadata of their own repository: they are one cohort. Where hosts tell different ones, one
of them lies or was lied to, so that not all may be taken.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from ..models.base import Record
from ..models.facts import HostFacts
from ..models.plan import LeftOut, LeftOutReason, Transition
from ..models.resolution import Resolution


class _File(Record):
    """What must be one file wherever it is told of."""

    manager: str
    system: str
    origin: str
    package: str
    arch: str
    version: str


def undisputed(
    taken: Iterable[Resolution], facts: Mapping[str, HostFacts]
) -> tuple[tuple[Resolution, ...], tuple[LeftOut, ...]]:
    """The resolutions that may be taken, and the others with the reason.

    What more than half of the hosts tell is taken, so that one host does not keep updates from all
    others. Without such a majority nothing is, and nothing of a package that has no signature: for
    that one its hash is all that vouches.
    """
    resolutions = tuple(taken)
    left_out = {
        host: line
        for file, told in _told(resolutions, facts).items()
        if len(told) > 1
        for host, line in _minority(file, told)
    }
    return (
        tuple(resolution for resolution in resolutions if resolution.host not in left_out),
        tuple(left_out[host] for host in sorted(left_out)),
    )


# SHA-256 -> (host, its package is signed) of those that tell it.
_Told = dict[str, list[tuple[str, bool]]]


def _told(resolutions: Iterable[Resolution], facts: Mapping[str, HostFacts]) -> dict[_File, _Told]:
    told: dict[_File, _Told] = defaultdict(lambda: defaultdict(list))
    for resolution in resolutions:
        system = _system(facts[resolution.host])
        for step in resolution.transitions:
            # Repositories without a name are not to be taken for one.
            if step.file is not None and step.origin:
                told[_file(resolution, system, step)][step.file.sha256].append(
                    (resolution.host, not step.unsigned)
                )
    return told


def _system(facts: HostFacts) -> str:
    """Rebuilds of one distribution have repositories of the same names with other files in them."""
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


def _minority(file: _File, told: _Told) -> Iterable[tuple[str, LeftOut]]:
    """Of each host that tells what is not taken, why. It names the first host of either side."""
    ranked = sorted(told, key=lambda sha256: (-len(told[sha256]), sha256))
    hosts = sum(map(len, told.values()))
    signed = all(is_signed for rows in told.values() for _, is_signed in rows)
    majority = ranked[0] if signed and 2 * len(told[ranked[0]]) > hosts else ""
    for sha256 in ranked:
        if sha256 == majority:
            continue
        other = ranked[0] if sha256 != ranked[0] else ranked[1]
        names = min(told[sha256])[0], min(told[other])[0]
        for host, _ in told[sha256]:
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
