"""Find the module stream that an advisory is for, and the one that an installed package is from.

AlmaLinux's OSV records state neither. They follow from the advisory's title (`ruby:2.5 security
update`), the build tag in the release (`.module_el8.5.0+259+8cec6917`) and the versions themselves.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from .builds import build_of, shared_parts, upstream
from .installed import InstalledPackage, PackageTable

# 389-ds:1.4 begins with a number; text without a letter before the colon is a time or an epoch.
_TITLE = re.compile(
    r"(?<![A-Za-z0-9:_.+-])([0-9]*[A-Za-z_.+-]*[A-Za-z][A-Za-z0-9_.+-]*):([A-Za-z0-9][A-Za-z0-9_.+-]*)"
)


def in_title(title: str) -> frozenset[str]:
    """`NAME:STREAM`s that an advisory's title names; `Important: ruby:2.5 ...` names one."""
    text = re.sub(r"^\s*(?:Critical|Important|Moderate|Low|None)\s*:\s*", "", title)
    return frozenset(f"{name}:{stream}" for name, stream in _TITLE.findall(text))


class ModuleStreams:
    """The builds and versions of module streams, learnt from a feed's modular advisories."""

    def __init__(self) -> None:
        self._by_build: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._versions: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self._candidates: dict[tuple[str, str], frozenset[str]] = {}

    def learn(self, name: str, fixed: str, streams: Iterable[str]) -> None:
        """Note a fix of a modular package in an advisory for these streams."""
        self._candidates.clear()
        build, version = build_of(fixed), upstream(fixed)
        for stream in streams:
            if build:
                self._by_build[name, build][stream] += 1
            self._versions[name][stream].add(version)

    def resolve(
        self, packages: Sequence[InstalledPackage], table: PackageTable
    ) -> Sequence[InstalledPackage]:
        """One host's packages, with streams for those that state none.

        The stream that the feed names for the build wins, else the one whose versions are nearest.
        A host has one stream of a module at most (dnf enables no second), so all its packages vote.
        """
        unlabelled = [package for package in packages if package.modular and not package.streams]
        if not unlabelled:
            return packages
        candidates = {
            package: self.candidates(package.name, package.version) for package in unlabelled
        }
        winners = elect(candidates.values())
        return [
            table.change(package, streams=candidates[package] & winners)
            if package in candidates
            else package
            for package in packages
        ]

    def candidates(self, name: str, version: str) -> frozenset[str]:
        """The streams that a modular package of this version may be from."""
        streams = self._candidates.get((name, version))
        if streams is None:
            streams = self._candidates[name, version] = self._nearest(name, version)
        return streams

    def _nearest(self, name: str, version: str) -> frozenset[str]:
        seen = self._by_build.get((name, build_of(version)))
        if seen:
            return frozenset(seen)
        own = upstream(version)
        near = {
            stream: max((shared_parts(own, fixed) for fixed in versions), default=0)
            for stream, versions in self._versions.get(name, {}).items()
        }
        best = max(near.values(), default=0)
        return frozenset(stream for stream, length in near.items() if length == best and best > 0)


def module_of(stream: str) -> str:
    """`ruby` of `ruby:2.5`."""
    return stream.partition(":")[0]


def elect(choices: Iterable[frozenset[str]]) -> frozenset[str]:
    """The streams of each module that most packages can be from. A package with fewer choices has
    more weight."""
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for streams in choices:
        for stream in streams:
            # Keeps votes whole numbers: 5040 is divisible by any likely number of streams.
            votes[module_of(stream)][stream] += 5040 // len(streams)
    return frozenset(
        stream
        for counts in votes.values()
        for stream, count in counts.items()
        if count == max(counts.values())
    )
