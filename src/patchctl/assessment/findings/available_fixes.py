"""What a host's own repositories offer, and whether that delivers a fix."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ...models.advisory import NameKind
from ...models.facts import HostFacts
from ...models.kernel_names import is_deb_image, is_deb_source, is_meta
from ...models.versions import VersionScheme
from ..matching.builds import bare, comparable
from ..matching.installed import InstalledPackage
from ..matching.match import Hit
from ..versions import InvalidVersionError, key

_REBUILD = re.compile(r"\+b[0-9]+$")


@dataclass(frozen=True)
class AvailableFix:
    """`delivers` the fix; `version` is what the repository has of the package."""

    delivers: bool
    version: str = ""
    held: bool = False
    note: str = ""


@dataclass(frozen=True)
class AvailableFixes:
    """A host's pending updates. `known` is False where nobody looked into its repositories (a host
    that was imported): then a fix that exists counts as one that can be had."""

    known: bool = False
    scheme: VersionScheme | None = None
    candidates: Mapping[str, str] = field(default_factory=dict)
    held: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, facts: HostFacts, scheme: VersionScheme | None, held: frozenset[str]
    ) -> "AvailableFixes":
        """From discovery's facts; `held` are the names of packages that the operator holds."""
        if not facts.repositories and not facts.pending:
            return cls(scheme=scheme, held=held) if held else _NOTHING[scheme]
        candidates = {update.name: update.candidate for update in facts.pending}
        return cls(True, scheme, candidates, held)

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for hosts with equal offers."""
        return self.known, tuple(sorted(self.candidates.items())), self.held

    def of_names(self, units: Iterable[InstalledPackage]) -> tuple[object, ...]:
        """Equal for hosts with equal offers of these packages."""
        if not self.known and not self.held:
            return ()
        names = [unit.name for unit in units]
        if self.candidates.keys().isdisjoint(names) and self.held.isdisjoint(names):
            return _NONE_OF_THESE if self.known else ()
        return (
            self.known,
            tuple(self.candidates.get(name) for name in names),
            tuple(name in self.held for name in names),
        )

    def for_fix(
        self, units: list[InstalledPackage], hit: Hit, affected: InstalledPackage
    ) -> AvailableFix:
        """Whether what is offered of these binaries of one source brings the fix of one of them.
        Any of them tells for the source; an advisory on a binary speaks of that one only."""
        held = any(unit.name in self.held for unit in units)
        note = "held on purpose" if held else ""
        if not self.known:
            return AvailableFix(True, held=held, note=note)
        of_binary = hit.entry.affected.kind is NameKind.BINARY and not hit.entry.listed
        names = [affected.name] if of_binary else [unit.name for unit in units]
        if units and is_deb_source(units[0].source):
            # A Debian kernel comes as a package of a new name, through its meta package.
            names += [name for name in self.candidates if is_deb_image(name) or is_meta(name)]
        offered = [(name, self.candidates[name]) for name in names if name in self.candidates]
        for name, candidate in offered:
            if self._reaches(name, candidate, units, hit):
                return AvailableFix(True, candidate, held, note)
        best = offered[0][1] if offered else ""
        return AvailableFix(
            False, best, held, note or "no repository of the host has the fixed version"
        )

    def _reaches(self, name: str, candidate: str, units: list[InstalledPackage], hit: Hit) -> bool:
        if self.scheme is None:
            return False
        unit = next((one for one in units if one.name == name), None)
        by_source = hit.entry.affected.kind is NameKind.SOURCE or bool(hit.entry.listed)
        if by_source and unit is not None and _own_version(unit):
            # A binary with a version of its own does not tell the source's; the package manager
            # offers it because its source was updated.
            return True
        version = _REBUILD.sub("", candidate) if self.scheme is VersionScheme.DEB else candidate
        fixed = hit.fixed
        if self.scheme is VersionScheme.RPM and by_source:
            version, fixed = bare(version), bare(fixed)
        version, fixed = (comparable(one, modular=False) for one in (version, fixed))
        try:
            return key(self.scheme, version) >= key(self.scheme, fixed)
        except InvalidVersionError:
            return False


def _own_version(unit: InstalledPackage) -> bool:
    return bare(_REBUILD.sub("", unit.version)) != bare(unit.source_version)


_NONE_OF_THESE = (True,)
_NOTHING = {scheme: AvailableFixes(scheme=scheme) for scheme in (None, *VersionScheme)}
NO_AVAILABLE_FIXES = _NOTHING[None]
