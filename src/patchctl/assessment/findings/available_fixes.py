"""Tell whether the updates that a host's repositories offer deliver a fix."""

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
    """Whether the repositories deliver the fix. `version` is the one that they offer of the
    package, empty where they offer none."""

    delivers: bool
    version: str = ""
    held: bool = False
    note: str = ""


@dataclass(frozen=True)
class AvailableFixes:
    """A host's pending updates: `candidates` are package name -> offered version. `known` is False
    where nobody looked into its repositories (a host that was imported): then every fix that exists
    counts as available."""

    known: bool = False
    scheme: VersionScheme | None = None
    candidates: Mapping[str, str] = field(default_factory=dict)
    held: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, facts: HostFacts, scheme: VersionScheme | None, held: frozenset[str]
    ) -> "AvailableFixes":
        """Read them from discovery's facts. `held` are the packages that the operator holds."""
        if not facts.repositories and not facts.pending:
            return cls(scheme=scheme, held=held) if held else _NOTHING[scheme]
        candidates = {update.name: update.candidate for update in facts.pending}
        return cls(True, scheme, candidates, held)

    @property
    def key(self) -> tuple[object, ...]:
        """A key that is equal for hosts with equal updates."""
        return self.known, tuple(sorted(self.candidates.items())), self.held

    def key_of(self, packages: Iterable[InstalledPackage]) -> tuple[object, ...]:
        """A key that is equal for hosts with equal updates of these packages."""
        if not self.known and not self.held:
            return ()
        names = [package.name for package in packages]
        if self.candidates.keys().isdisjoint(names) and self.held.isdisjoint(names):
            return _NONE_OF_THESE if self.known else ()
        return (
            self.known,
            tuple(self.candidates.get(name) for name in names),
            tuple(name in self.held for name in names),
        )

    def for_fix(
        self, packages: list[InstalledPackage], hit: Hit, affected: InstalledPackage
    ) -> AvailableFix:
        """Whether the updates of these binaries of one source bring the fix for `affected`.

        The update of any of them tells for the source; where the advisory names a binary, only the
        update of that binary counts.
        """
        held = any(package.name in self.held for package in packages)
        note = "held on purpose" if held else ""
        if not self.known:
            return AvailableFix(True, held=held, note=note)
        of_binary = hit.entry.affected.kind is NameKind.BINARY and not hit.entry.listed
        names = [affected.name] if of_binary else [package.name for package in packages]
        if packages and is_deb_source(packages[0].source):
            # A new Debian kernel is a package with a new name, which its meta package pulls in.
            names += [name for name in self.candidates if is_deb_image(name) or is_meta(name)]
        offered = [(name, self.candidates[name]) for name in names if name in self.candidates]
        for name, candidate in offered:
            if self._reaches(name, candidate, packages, hit):
                return AvailableFix(True, candidate, held, note)
        best = offered[0][1] if offered else ""
        return AvailableFix(
            False, best, held, note or "no repository of the host has the fixed version"
        )

    def _reaches(
        self, name: str, candidate: str, packages: list[InstalledPackage], hit: Hit
    ) -> bool:
        if self.scheme is None:
            return False
        package = next((binary for binary in packages if binary.name == name), None)
        by_source = hit.entry.affected.kind is NameKind.SOURCE or bool(hit.entry.listed)
        if by_source and package is not None and _has_own_version(package):
            # The binary's own version does not tell the source's; the package manager offers the
            # binary because its source was updated.
            return True
        version = _REBUILD.sub("", candidate) if self.scheme is VersionScheme.DEB else candidate
        fixed = hit.fixed
        if self.scheme is VersionScheme.RPM and by_source:
            version, fixed = bare(version), bare(fixed)
        version, fixed = (comparable(raw, modular=False) for raw in (version, fixed))
        try:
            return key(self.scheme, version) >= key(self.scheme, fixed)
        except InvalidVersionError:
            return False


def _has_own_version(package: InstalledPackage) -> bool:
    return bare(_REBUILD.sub("", package.version)) != bare(package.source_version)


_NONE_OF_THESE = (True,)
_NOTHING = {scheme: AvailableFixes(scheme=scheme) for scheme in (None, *VersionScheme)}
NO_AVAILABLE_FIXES = _NOTHING[None]
