"""Decide from the state of apt's lists which repositories could be looked at.

That lists are good is told by evidence of its own, never by silence: the time that apt gives their
Release file when it fetched or confirmed it, or that apt says so itself and ends well. A complaint
about the repository counts before both.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ...models.facts import PackageLists
from ...protocol.sections import Section, Unparsed, clip, fields, number

_ERROR = re.compile(r"(?:E|Error): (.*)")
_WARNING = re.compile(r"(?:W|Warning): (.*)")
_FAILED = re.compile(r"Err:\d+ (.*)")
_FETCHED = re.compile(r"(?:Hit|Get):\d+ (.*)")
# Warnings that lists were not fetched, or old ones kept. Others are about what may come one day.
_GRAVE = ("Failed to fetch", "GPG error", "An error occurred during the signature verification")
_ADDRESS = re.compile(r"[a-z]:/")
# What the script says instead of what it leaves away.
_CUT = re.compile(r"and [0-9]+ lines more")
# What apt says besides, whatever the cause.
_SAYS_NOTHING = ("Some index files failed to download", "Unable to lock directory")
NO_REPOSITORY = "no repository is set up"
NEVER = "its package lists were never fetched"
UNEXPLAINED = "its package lists were not fetched, and apt did not say why"


@dataclass
class Refresh:
    """What came of fetching the lists: names of the files that have a new time, items (`URI SUITE`
    and more, as apt calls them) that it has, what went wrong with which item, errors and warnings.

    `ended_well`: by apt's exit code.
    """

    ended_well: bool
    fetched: set[str] = field(default_factory=set)
    had: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def refresh(section: Section) -> Refresh:
    """Read the answer of the script's `refresh_apt`."""
    result, item = Refresh(ended_well=section.code == 0), ""
    for line in section.lines:
        if line.startswith("fetched\t"):
            result.fetched.add(line.removeprefix("fetched\t"))
        elif failed := _FAILED.fullmatch(line):
            item = failed[1]
            continue
        elif item and line.startswith("  "):
            result.failed.append((item, clip(line)))
        elif had := _FETCHED.fullmatch(line):
            result.had.append(had[1])
        elif error := _ERROR.fullmatch(line):
            result.errors.append(clip(error[1]))
        elif warning := _WARNING.fullmatch(line):
            result.warnings.append(clip(warning[1]))
        item = ""
    return result


def is_detail(line: str) -> bool:
    """Is a line of that answer about one item only, and no complaint?"""
    return line.startswith(("fetched\t", "Hit:", "Get:", "Err:", "  "))


def lists(
    sources: Section,
    times: Iterable[str],
    fetching: Refresh | None,
    native: str,
    now: int,
    ahead: int,
    unparsed: Unparsed,
) -> tuple[PackageLists, ...]:
    """One record for each repository that is set up, in the order of the host's files; one without
    a repository where the host could not tell which there are.

    `sources`: `FILE\tADDRESS` lines, `times`: `SECONDS\tFILE` lines by the host's clock, which is
    `ahead` seconds before ours; `fetching` is None where the lists are as they lay there. `native`
    is the host's own architecture; `now` is by our clock.
    """
    if sources.code != 0:
        said = next((line.partition(": ")[2] for line in sources.lines), "")
        return (PackageLists(fault=clip(said) or "which repositories it has could not be read"),)
    rows = []
    set_up = _set_up(sources.lines, unparsed)
    for repository in _with_files(set_up, _times(times, unparsed)):
        fault = (
            repository.fault(fetching, native) if fetching else "" if repository.moment else NEVER
        )
        fetched = max(repository.moment - ahead, 0) if repository.moment else 0
        if fetching and not fault:
            fetched = now
        rows.append(PackageLists(repository=repository.name, fetched=fetched, fault=clip(fault)))
    if fetching and any(_CUT.fullmatch(line) for line in fetching.warnings):
        rows.append(PackageLists(fault="apt complained of more than is told here"))
    if len(set_up) < len(set(sources.lines)):
        rows.append(PackageLists(fault="the name of a repository could not be read"))
    return tuple(rows) or (PackageLists(fault=NO_REPOSITORY),)


def _set_up(lines: Iterable[str], unparsed: Unparsed) -> dict[str, str]:
    """Stem of the lists' names -> address."""
    names = {}
    for line in lines:
        parts = fields(line, 2)
        if parts is None or not parts[0].endswith("InRelease"):
            unparsed.add("sources", line)
        else:
            names[parts[0].removesuffix("InRelease")] = parts[1]
    return names


def _times(lines: Iterable[str], unparsed: Unparsed) -> dict[str, int]:
    moments = {}
    for line in lines:
        parts = fields(line, 2)
        moment = number(parts[0]) if parts else None
        if parts is None or moment is None:
            unparsed.add("lists", line)
        else:
            moments[parts[1]] = moment
    return moments


def _with_files(set_up: Mapping[str, str], times: Mapping[str, int]) -> list["_Source"]:
    """Each repository with the lists that are its own: `stable` has none of `stable/updates`."""
    own: dict[str, dict[str, int]] = {stem: {} for stem in set_up}
    for name, moment in times.items():
        stems = [stem for stem in set_up if name.startswith(stem)]
        if stems:
            stem = max(stems, key=len)
            own[stem][name.removeprefix(stem)] = moment
    return [_Source(stem, address, own[stem]) for stem, address in set_up.items()]


@dataclass(frozen=True)
class _Source:
    """A repository: the stem of its lists' names, the folder of its Release file, and its lists
    (name without the stem -> seconds)."""

    stem: str
    address: str
    times: Mapping[str, int]

    @property
    def name(self) -> str:
        """As apt names it: `http://deb.example/debian bookworm`, `http://deb.example/flat ./`."""
        base, dists, suite = self.address.rpartition("/dists/")
        if dists:
            return clip(f"{base} {suite}")
        return clip(f"{self.address.removesuffix('/.')} ./")

    @property
    def _telling(self) -> list[str]:
        """The lists that tell of all: its Release file. A repository without one, which a host may
        allow, has its package lists alone."""
        release = [name for name in ("InRelease", "Release") if name in self.times]
        return release or list(self.times)

    @property
    def moment(self) -> int:
        """When its lists were last known to be good, 0 where there are none."""
        return max((self.times[name] for name in self._telling), default=0)

    def fault(self, fetching: Refresh, native: str) -> str:
        """Why it could not be looked into as a whole, "" where it could."""
        if complaint := next(self._complaints(fetching), ""):
            return complaint
        if not self._is_fetched(fetching):
            said = (line for line in fetching.errors if not line.startswith(_SAYS_NOTHING))
            return next((line for line in said if not _ADDRESS.search(line)), UNEXPLAINED)
        index = f"/binary-{native}/Packages'"
        for line in fetching.warnings:
            if line.startswith("Skipping acquire") and index in line and self._is_in(line):
                return line
        return ""

    def _complaints(self, fetching: Refresh) -> Iterator[str]:
        """What apt says against it, that which tells the cause first."""
        yield from (reason for item, reason in fetching.failed if self._is_in(f"{item} "))
        yield from (line for line in fetching.errors if self._is_in(line))
        yield from (
            line for line in fetching.warnings if line.startswith(_GRAVE) and self._is_in(line)
        )

    def _is_fetched(self, fetching: Refresh) -> bool:
        if any(f"{self.stem}{name}" in fetching.fetched for name in self._telling):
            return True
        # A mirror that has an older Release file than the host leaves the host's as it is.
        return fetching.ended_well and any(self._is_in(f"{item} ") for item in fetching.had)

    def _is_in(self, text: str) -> bool:
        """Is a line of apt's about this repository?"""
        name = re.escape(self.name.removesuffix(" ./"))
        after = r"(?: \./|/\./|/ )" if self.name.endswith(" ./") else r"[ /]"
        return re.search(rf"{name}{after}|{re.escape(self.address)}/", text) is not None
