"""The table of what discovery reads differently for each package manager."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..models.facts import (
    HiddenUpdate,
    Package,
    PackageLists,
    PackageManager,
    PendingUpdate,
    Repository,
)
from ..protocol.sections import Section, Unparsed
from .parsers import apt, apt_lists, dnf_hidden, dnf_lists, dpkg, rpm


@dataclass
class Told:
    """A host's answer in parts. `architecture` is the host's own; `now` is when it came in, by our
    clock, which the host's is `ahead` seconds of."""

    sections: Mapping[str, Section]
    architecture: str
    now: int
    ahead: int
    unparsed: Unparsed = field(default_factory=Unparsed)

    def lines(self, name: str) -> Sequence[str]:
        """Those of a section; none where it is missing."""
        section = self.sections.get(name)
        return section.lines if section else ()


class Reader(Protocol):
    """What one package manager's answers mean."""

    kernel_package: str  # what a kernel's version makes a package's name of

    def installed(self, told: Told) -> rpm.Installed:
        """All packages, and when they were installed where it knows that."""

    def updates(
        self, told: Told, packages: Sequence[Package]
    ) -> tuple[tuple[Repository, ...], tuple[PendingUpdate, ...]]:
        """Enabled repositories, and what is newer there."""

    def hidden(
        self,
        told: Told,
        packages: Sequence[Package],
        repositories: Sequence[Repository],
        pending: Sequence[PendingUpdate],
    ) -> tuple[HiddenUpdate, ...]:
        """Security updates that the host's own preferences hide."""

    def lists(self, told: Told, sources: Section) -> tuple[PackageLists, ...]:
        """What the lists of each repository are worth."""

    def waiting(self, times: Mapping[str, int], booted: int, *, managed: bool) -> Collection[str]:
        """Packages that wait for a reboot, by the times of their installation."""

    def is_detail(self, line: str) -> bool:
        """Is a line of a refresh about one repository only?"""


class _Apt:
    kernel_package = "linux-image-{}"

    def installed(self, told: Told) -> rpm.Installed:
        automatic = told.lines("automatic")
        packages = dpkg.packages(
            told.lines("packages"), automatic, told.architecture, told.unparsed
        )
        return rpm.Installed(packages, {})

    def updates(
        self, told: Told, packages: Sequence[Package]
    ) -> tuple[tuple[Repository, ...], tuple[PendingUpdate, ...]]:
        known = apt.sources(told.lines("repositories"), told.lines("releases"), told.unparsed)
        updates = apt.pending(
            told.lines("pending"),
            packages,
            known,
            told.architecture,
            told.unparsed,
            self._deferred(told),
        )
        return tuple(source.repository for source in known), updates

    @staticmethod
    def _deferred(told: Told) -> frozenset[tuple[str, str]] | None:
        """Packages and versions that apt defers; None where it did not tell."""
        section = told.sections.get("phased")
        if section is not None and section.code != 0:
            return None
        pairs = (line.partition(" ") for line in told.lines("phased"))
        return frozenset((name, version) for name, _, version in pairs)

    def hidden(
        self,
        told: Told,
        packages: Sequence[Package],
        repositories: Sequence[Repository],
        pending: Sequence[PendingUpdate],
    ) -> tuple[HiddenUpdate, ...]:
        known = apt.sources(told.lines("repositories"), told.lines("releases"), Unparsed())
        release = next(iter(told.lines("preferred")), "")
        return apt.hidden(told.lines("pending"), packages, known, told.architecture, release)

    def lists(self, told: Told, sources: Section) -> tuple[PackageLists, ...]:
        refresh = told.sections.get("refresh")
        return apt_lists.lists(
            sources,
            told.lines("lists"),
            apt_lists.refresh(refresh) if refresh else None,
            told.architecture,
            told.now,
            told.ahead,
            told.unparsed,
        )

    def waiting(self, times: Mapping[str, int], booted: int, *, managed: bool) -> Collection[str]:
        return ()

    def is_detail(self, line: str) -> bool:
        return apt_lists.is_detail(line)


class _Dnf:
    kernel_package = "kernel-core-{}"

    def installed(self, told: Told) -> rpm.Installed:
        automatic, holds = told.lines("automatic"), told.lines("holds")
        return rpm.packages(told.lines("packages"), automatic, holds, told.unparsed)

    def updates(
        self, told: Told, packages: Sequence[Package]
    ) -> tuple[tuple[Repository, ...], tuple[PendingUpdate, ...]]:
        settings = told.lines("releases")
        repositories = rpm.repositories(told.lines("repositories"), settings, told.unparsed)
        advised = rpm.advisories(told.lines("advisories"), told.unparsed)
        pending = told.lines("pending")
        return repositories, rpm.pending(pending, packages, advised, repositories, told.unparsed)

    def hidden(
        self,
        told: Told,
        packages: Sequence[Package],
        repositories: Sequence[Repository],
        pending: Sequence[PendingUpdate],
    ) -> tuple[HiddenUpdate, ...]:
        sections = ("unhidden", "unhidden_advisories", "excludes")
        lines = {name: told.lines(name) for name in sections}
        return dnf_hidden.hidden(lines, packages, pending, repositories)

    def lists(self, told: Told, sources: Section) -> tuple[PackageLists, ...]:
        return dnf_lists.lists(
            sources,
            told.lines("lists"),
            told.lines("releases"),
            told.lines("silent"),
            told.sections.get("refresh"),
            told.now,
            told.ahead,
            told.unparsed,
        )

    def waiting(self, times: Mapping[str, int], booted: int, *, managed: bool) -> Collection[str]:
        return rpm.wants_reboot(times, booted, managed=managed)

    def is_detail(self, line: str) -> bool:
        return dnf_lists.is_detail(line)


READERS: Mapping[PackageManager, Reader] = {
    PackageManager.APT: _Apt(),
    PackageManager.DNF: _Dnf(),
}
