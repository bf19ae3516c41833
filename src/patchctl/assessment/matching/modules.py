"""Module streams: which stream an advisory is for, and which one an installed package is from.

AlmaLinux's OSV records state neither; what tells is the advisory's title (`ruby:2.5 security
update`), the build tag in the release (`.module_el8.5.0+259+8cec6917`) and the versions themselves.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from .builds import build_of, shared_parts, upstream
from .installed import InstalledPackage, PackageTable

# 389-ds:1.4 begins with a number; a name without a letter is a time or an epoch.
_TITLE = re.compile(
    r"(?<![A-Za-z0-9:_.+-])([0-9]*[A-Za-z_.+-]*[A-Za-z][A-Za-z0-9_.+-]*):([A-Za-z0-9][A-Za-z0-9_.+-]*)"
)


def in_title(title: str) -> frozenset[str]:
    """`NAME:STREAM`s that an advisory's title names; `Important: ruby:2.5 ...` names one."""
    text = re.sub(r"^\s*(?:Critical|Important|Moderate|Low|None)\s*:\s*", "", title)
    return frozenset(f"{name}:{stream}" for name, stream in _TITLE.findall(text))


class ModuleStreams:
    """What a feed's modular advisories tell of builds and versions."""

    def __init__(self) -> None:
        self._by_build: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._versions: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self._candidates: dict[tuple[str, str], frozenset[str]] = {}

    def learn(self, name: str, fixed: str, streams: Iterable[str]) -> None:
        """A fix of a modular package in an advisory for these streams."""
        self._candidates.clear()
        build, version = build_of(fixed), upstream(fixed)
        for stream in streams:
            if build:
                self._by_build[name, build][stream] += 1
            self._versions[name][stream].add(version)

    def resolve(
        self, units: Sequence[InstalledPackage], table: PackageTable
    ) -> Sequence[InstalledPackage]:
        """One host's units with the streams of those that state none.

        What the feed says of a build decides, else the stream whose versions are nearest. A host
        has one stream of a module at most (dnf enables no second), so all its packages decide
        together.
        """
        unlabelled = [unit for unit in units if unit.modular and not unit.streams]
        if not unlabelled:
            return units
        candidates = {unit: self.candidates(unit.name, unit.version) for unit in unlabelled}
        winners = elect(candidates.values())
        return [
            table.change(unit, streams=candidates[unit] & winners) if unit in candidates else unit
            for unit in units
        ]

    def candidates(self, name: str, version: str) -> frozenset[str]:
        """The streams that a modular package of this version may be from."""
        found = self._candidates.get((name, version))
        if found is None:
            found = self._candidates[name, version] = self._nearest(name, version)
        return found

    def _nearest(self, name: str, version: str) -> frozenset[str]:
        seen = self._by_build.get((name, build_of(version)))
        if seen:
            return frozenset(seen)
        own = upstream(version)
        near = {
            stream: max((shared_parts(own, one) for one in versions), default=0)
            for stream, versions in self._versions.get(name, {}).items()
        }
        best = max(near.values(), default=0)
        return frozenset(stream for stream, length in near.items() if length == best and best > 0)


def module_of(stream: str) -> str:
    """`ruby` of `ruby:2.5`."""
    return stream.partition(":")[0]


def elect(choices: Iterable[frozenset[str]]) -> frozenset[str]:
    """Of each module the streams that most packages can be from; less choice weighs more."""
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for streams in choices:
        for stream in streams:
            # Whole numbers: 5040 divides by every number of streams that a package may have.
            votes[module_of(stream)][stream] += 5040 // len(streams)
    return frozenset(
        stream
        for counts in votes.values()
        for stream, count in counts.items()
        if count == max(counts.values())
    )
