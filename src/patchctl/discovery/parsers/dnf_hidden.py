"""Find security updates that are not pending because of a dnf host's own excludes."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from ...models.facts import HiddenUpdate, Package, PendingUpdate, Repository
from ...protocol.sections import Unparsed, clip
from . import rpm


def hidden(
    lines: Mapping[str, Sequence[str]],
    installed: Sequence[Package],
    pending: Iterable[PendingUpdate],
    repositories: Sequence[Repository],
) -> tuple[HiddenUpdate, ...]:
    """Return security updates that the host would get without its excludes.

    `lines` is by section: `unhidden` is the output of `check-update` without excludes,
    `unhidden_advisories` has the advisories for it, and `excludes` has the settings as
    `FILE:KEY=VALUE`.
    """
    unparsed = Unparsed()
    advised = rpm.advisories(lines["unhidden_advisories"], unparsed)
    known = {(update.name, update.arch, update.candidate) for update in pending}
    rows = rpm.pending(lines["unhidden"], installed, advised, repositories, unparsed)
    return tuple(
        HiddenUpdate(
            name=update.name,
            arch=update.arch,
            installed=update.installed,
            version=update.candidate,
            label=update.label,
            by=_excluded_by(update.name, lines["excludes"]),
        )
        for update in rows
        if update.security and (update.name, update.arch, update.candidate) not in known
    )


def _excluded_by(name: str, settings: Iterable[str]) -> str:
    for line in settings:
        file, _, setting = line.partition(":")
        key, _, value = setting.partition("=")
        fits = any(fnmatchcase(name, pattern) for pattern in value.replace(",", " ").split())
        if fits == (key == "exclude"):
            return clip(f"{setting.strip()} in {file}")
    return "an exclude of dnf there"
