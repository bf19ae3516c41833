"""Hold a reader for each package manager, whose sections of an answer differ."""

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
class AnswerParts:
    """The sections of a host's answer, with the values that parsers need.

    `architecture` is the host's own. `now` is when the answer came in, epoch seconds by our clock;
    the host's clock is `ahead` seconds ahead of ours.
    """

    sections: Mapping[str, Section]
    architecture: str
    now: int
    ahead: int
    unparsed: Unparsed = field(default_factory=Unparsed)

    def lines(self, name: str) -> Sequence[str]:
        """Return the lines of a section; none where it is missing."""
        section = self.sections.get(name)
        return section.lines if section else ()


class Reader(Protocol):
    """Reads the sections that depend on one package manager."""

    kernel_package: str  # the name of a kernel's package; `{}` stands for its version

    def installed(self, answer: AnswerParts) -> rpm.Installed:
        """Return all packages, and when they were installed where the package manager knows it."""

    def updates(
        self, answer: AnswerParts, packages: Sequence[Package]
    ) -> tuple[tuple[Repository, ...], tuple[PendingUpdate, ...]]:
        """Return the enabled repositories, and the updates that they have."""

    def hidden(
        self,
        answer: AnswerParts,
        packages: Sequence[Package],
        repositories: Sequence[Repository],
        pending: Sequence[PendingUpdate],
    ) -> tuple[HiddenUpdate, ...]:
        """Return security updates that are not pending because of the host's own preferences."""

    def lists(self, answer: AnswerParts, sources: Section) -> tuple[PackageLists, ...]:
        """Return how old the package lists of each repository are, and why some cannot be used."""

    def waiting(self, times: Mapping[str, int], booted: int, *, managed: bool) -> Collection[str]:
        """Return packages that were installed after the boot and need a reboot to take effect.

        `times` is package name -> epoch seconds; `managed` is False in a container.
        """

    def is_detail(self, line: str) -> bool:
        """Return whether a line of the refresh is about a single repository."""


class _Apt:
    kernel_package = "linux-image-{}"

    def installed(self, answer: AnswerParts) -> rpm.Installed:
        automatic = answer.lines("automatic")
        packages = dpkg.packages(
            answer.lines("packages"), automatic, answer.architecture, answer.unparsed
        )
        return rpm.Installed(packages, {})

    def updates(
        self, answer: AnswerParts, packages: Sequence[Package]
    ) -> tuple[tuple[Repository, ...], tuple[PendingUpdate, ...]]:
        known = apt.sources(answer.lines("repositories"), answer.lines("releases"), answer.unparsed)
        updates = apt.pending(
            answer.lines("pending"),
            packages,
            known,
            answer.architecture,
            answer.unparsed,
            self._deferred(answer),
        )
        return tuple(source.repository for source in known), updates

    @staticmethod
    def _deferred(answer: AnswerParts) -> frozenset[tuple[str, str]] | None:
        """Return (package, version) that apt defers; None where the host did not report them."""
        section = answer.sections.get("phased")
        if section is not None and section.code != 0:
            return None
        pairs = (line.partition(" ") for line in answer.lines("phased"))
        return frozenset((name, version) for name, _, version in pairs)

    def hidden(
        self,
        answer: AnswerParts,
        packages: Sequence[Package],
        repositories: Sequence[Repository],
        pending: Sequence[PendingUpdate],
    ) -> tuple[HiddenUpdate, ...]:
        known = apt.sources(answer.lines("repositories"), answer.lines("releases"), Unparsed())
        release = next(iter(answer.lines("preferred")), "")
        return apt.hidden(answer.lines("pending"), packages, known, answer.architecture, release)

    def lists(self, answer: AnswerParts, sources: Section) -> tuple[PackageLists, ...]:
        refresh = answer.sections.get("refresh")
        return apt_lists.lists(
            sources,
            answer.lines("lists"),
            apt_lists.refresh(refresh) if refresh else None,
            answer.architecture,
            answer.now,
            answer.ahead,
            answer.unparsed,
        )

    def waiting(self, times: Mapping[str, int], booted: int, *, managed: bool) -> Collection[str]:
        return ()

    def is_detail(self, line: str) -> bool:
        return apt_lists.is_detail(line)


class _Dnf:
    kernel_package = "kernel-core-{}"

    def installed(self, answer: AnswerParts) -> rpm.Installed:
        automatic, holds = answer.lines("automatic"), answer.lines("holds")
        return rpm.packages(answer.lines("packages"), automatic, holds, answer.unparsed)

    def updates(
        self, answer: AnswerParts, packages: Sequence[Package]
    ) -> tuple[tuple[Repository, ...], tuple[PendingUpdate, ...]]:
        settings = answer.lines("releases")
        repositories = rpm.repositories(answer.lines("repositories"), settings, answer.unparsed)
        advised = rpm.advisories(answer.lines("advisories"), answer.unparsed)
        pending = answer.lines("pending")
        return repositories, rpm.pending(pending, packages, advised, repositories, answer.unparsed)

    def hidden(
        self,
        answer: AnswerParts,
        packages: Sequence[Package],
        repositories: Sequence[Repository],
        pending: Sequence[PendingUpdate],
    ) -> tuple[HiddenUpdate, ...]:
        sections = ("unhidden", "unhidden_advisories", "excludes")
        lines = {name: answer.lines(name) for name in sections}
        return dnf_hidden.hidden(lines, packages, pending, repositories)

    def lists(self, answer: AnswerParts, sources: Section) -> tuple[PackageLists, ...]:
        return dnf_lists.lists(
            sources,
            answer.lines("lists"),
            answer.lines("releases"),
            answer.lines("silent"),
            answer.sections.get("refresh"),
            answer.now,
            answer.ahead,
            answer.unparsed,
        )

    def waiting(self, times: Mapping[str, int], booted: int, *, managed: bool) -> Collection[str]:
        return rpm.wants_reboot(times, booted, managed=managed)

    def is_detail(self, line: str) -> bool:
        return dnf_lists.is_detail(line)


READERS: Mapping[PackageManager, Reader] = {
    PackageManager.APT: _Apt(),
    PackageManager.DNF: _Dnf(),
}
