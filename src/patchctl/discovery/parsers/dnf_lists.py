"""What a dnf host's lists of its repositories are worth, and what its excludes hide."""

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from ...models.facts import HiddenUpdate, Package, PackageLists, PendingUpdate, Repository
from ...protocol.sections import Section, Unparsed, clip, fields, number
from . import rpm

NEVER = "its lists were never fetched; `dnf makecache` there fetches them"
IGNORED = "dnf could not bring it up to date, and goes on without it"
UNREAD = "which repositories it has could not be read"
_FAILED = re.compile(r"Error: Failed to download metadata for repo '([^']+)': (.*)")
_REASON_OF = re.compile(r"Errors during downloading metadata for repository '([^']+)':")
_IGNORED = re.compile(r"Ignoring repositories: (.*)")
_ON = ("1", "yes", "true", "on")


def lists(
    sources: Section,
    settings: Iterable[str],
    refresh: Section | None,
    *,
    now: int,
    ahead: int,
    unparsed: Unparsed,
) -> tuple[PackageLists, ...]:
    """One record for each enabled repository.

    `sources`: `ID\tSECONDS\tyes|no` lines: when its index was fetched, by the host's clock, which
    is `ahead` seconds before ours, 0 never; and does it publish advisories? `settings` are lines of
    the files that define repositories, `refresh` is what dnf said when it fetched them anew, None
    where nobody asked. A repository that may be missing by its own setting has no fault for that: a
    setting of all of them is the distribution's, and nobody's decision.
    """
    if sources.code != 0:
        return (PackageLists(fault=UNREAD),)
    faults = _faults(refresh.lines if refresh else ())
    optional = _optional(settings)
    found = []
    for line in sources.lines:
        parts = fields(line, 3)
        moment = number(parts[1]) if parts else None
        if parts is None or moment is None:
            unparsed.add("sources", line)
            continue
        fault = faults.get(parts[0], "") or ("" if moment else NEVER)
        fetched = now if refresh and refresh.code == 0 and not fault else max(moment - ahead, 0)
        found.append(
            PackageLists(
                repository=clip(parts[0]),
                fetched=now if parts[0] in optional else fetched if moment else 0,
                fault="" if parts[0] in optional else clip(fault),
                advisories=parts[2] == "yes",
            )
        )
    return tuple(found)


def _faults(lines: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    repository = ""
    for line in lines:
        if named := _REASON_OF.match(line):
            repository = named[1]
        elif repository and line.startswith("  - "):
            found.setdefault(repository, line.removeprefix("  - "))
        elif failed := _FAILED.match(line):
            found.setdefault(failed[1], failed[2])
        elif ignored := _IGNORED.match(line):
            for name in ignored[1].split(", "):
                found.setdefault(name.strip(), IGNORED)
    return found


def _optional(lines: Iterable[str]) -> frozenset[str]:
    found: set[str] = set()
    section = "main"
    for line in lines:
        text = line.strip()
        if text.startswith("[") and text.endswith("]"):
            section = text[1:-1]
        key, equals, value = text.partition("=")
        if equals and key.strip() == "skip_if_unavailable" and section != "main":
            (found.add if value.strip().lower() in _ON else found.discard)(section)
    return frozenset(found)


def hidden(
    lines: Mapping[str, Sequence[str]],
    installed: Sequence[Package],
    pending: Iterable[PendingUpdate],
    repositories: Sequence[Repository],
) -> tuple[HiddenUpdate, ...]:
    """Security updates that excludes of the host keep from it. `lines` by section: `unhidden` is
    `check-update` without excludes, `unhidden_advisories` its advisories, `excludes` the settings,
    as `FILE:KEY=VALUE`.
    """
    unparsed = Unparsed()
    advised = rpm.advisories(lines["unhidden_advisories"], unparsed)
    known = {(one.name, one.arch, one.candidate) for one in pending}
    rows = rpm.pending(lines["unhidden"], installed, advised, repositories, unparsed)
    return tuple(
        HiddenUpdate(
            name=one.name,
            arch=one.arch,
            installed=one.installed,
            version=one.candidate,
            label=one.label,
            by=_excluded_by(one.name, lines["excludes"]),
        )
        for one in rows
        if one.security and (one.name, one.arch, one.candidate) not in known
    )


def _excluded_by(name: str, settings: Iterable[str]) -> str:
    for line in settings:
        file, _, setting = line.partition(":")
        patterns = setting.partition("=")[2].replace(",", " ").split()
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            return clip(f"{setting.strip()} in {file}")
    return "an exclude of dnf there"
