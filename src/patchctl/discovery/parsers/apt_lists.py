"""Decide from the state of apt's lists which repositories could be read.

Lists count as current only with positive evidence, never because there was no error. The evidence
is the time of their Release file, which apt sets when it fetches or confirms it, or a line of apt's
about it in a run that ended well. An error about the repository outweighs both.
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
# Warnings that lists were not fetched, or that old ones are used. Other warnings are about changes
# in later versions.
_GRAVE = ("Failed to fetch", "GPG error", "An error occurred during the signature verification")
_ADDRESS = re.compile(r"[a-z]:/")
# The line that the script prints in place of lines that it leaves out.
_CUT = re.compile(r"and [0-9]+ lines more")
# Errors that apt adds to every failure; they do not name the cause.
_SAYS_NOTHING = ("Some index files failed to download", "Unable to lock directory")
NO_REPOSITORY = "no repository is set up"
NEVER = "its package lists were never fetched"
UNEXPLAINED = "its package lists were not fetched, and apt did not say why"


@dataclass
class Refresh:
    """The result of fetching the lists.

    `ended_well` is by apt's exit code. `fetched` are the names of files with a new time. `current`
    are items, as apt calls them (`URI SUITE` and more), that apt has fetched or found unchanged.
    `failed` is (item, reason). `errors` and `warnings` are lines of apt.
    """

    ended_well: bool
    fetched: set[str] = field(default_factory=set)
    current: list[str] = field(default_factory=list)
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
        elif current := _FETCHED.fullmatch(line):
            result.current.append(current[1])
        elif error := _ERROR.fullmatch(line):
            result.errors.append(clip(error[1]))
        elif warning := _WARNING.fullmatch(line):
            result.warnings.append(clip(warning[1]))
        item = ""
    return result


def is_detail(line: str) -> bool:
    """Return whether a line of that answer is about a single item, and is neither error nor
    warning."""
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
    """Return a record for each configured repository, in the order of the host's files.

    Where the host could not list its repositories there is one record without a name. `sources` has
    lines `FILE\tADDRESS`. `times` are lines `SECONDS\tFILE` by the host's clock, which is `ahead`
    seconds ahead of ours. `fetching` is None where the host did not fetch its lists now. `native`
    is the host's own architecture; `now` is epoch seconds by our clock.
    """
    if sources.code != 0:
        error = next((line.partition(": ")[2] for line in sources.lines), "")
        return (PackageLists(fault=clip(error) or "which repositories it has could not be read"),)
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
    """Return the common start of a repository's list names -> its address."""
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
    """Return each repository with its own lists: those of `stable/updates` are not of `stable`."""
    own: dict[str, dict[str, int]] = {stem: {} for stem in set_up}
    for name, moment in times.items():
        stems = [stem for stem in set_up if name.startswith(stem)]
        if stems:
            stem = max(stems, key=len)
            own[stem][name.removeprefix(stem)] = moment
    return [_Source(stem, address, own[stem]) for stem, address in set_up.items()]


@dataclass(frozen=True)
class _Source:
    """A configured repository.

    `stem` is the common start of its list names, `address` the folder of its Release file. `times`
    is list name without the stem -> epoch seconds.
    """

    stem: str
    address: str
    times: Mapping[str, int]

    @property
    def name(self) -> str:
        """The repository as apt names it: `http://deb.example/debian bookworm`, or
        `http://deb.example/flat ./`."""
        base, dists, suite = self.address.rpartition("/dists/")
        if dists:
            return clip(f"{base} {suite}")
        return clip(f"{self.address.removesuffix('/.')} ./")

    @property
    def _main_lists(self) -> list[str]:
        """The lists whose time stands for all: the Release file; where a host allows a repository
        without one, its package lists."""
        release = [name for name in ("InRelease", "Release") if name in self.times]
        return release or list(self.times)

    @property
    def moment(self) -> int:
        """When its lists were last known to be good, epoch seconds, 0 where there are none."""
        return max((self.times[name] for name in self._main_lists), default=0)

    def fault(self, fetching: Refresh, native: str) -> str:
        """Return why the repository could not be read completely, "" where it could."""
        if complaint := next(self._complaints(fetching), ""):
            return complaint
        if not self._is_fetched(fetching):
            errors = (line for line in fetching.errors if not line.startswith(_SAYS_NOTHING))
            return next((line for line in errors if not _ADDRESS.search(line)), UNEXPLAINED)
        index = f"/binary-{native}/Packages'"
        for line in fetching.warnings:
            if line.startswith("Skipping acquire") and index in line and self._is_in(line):
                return line
        return ""

    def _complaints(self, fetching: Refresh) -> Iterator[str]:
        """Yield apt's errors about it; the most exact cause comes first."""
        yield from (reason for item, reason in fetching.failed if self._is_in(f"{item} "))
        yield from (line for line in fetching.errors if self._is_in(line))
        yield from (
            line for line in fetching.warnings if line.startswith(_GRAVE) and self._is_in(line)
        )

    def _is_fetched(self, fetching: Refresh) -> bool:
        if any(f"{self.stem}{name}" in fetching.fetched for name in self._main_lists):
            return True
        # apt keeps the host's Release file, with its old time, where the mirror's is older.
        return fetching.ended_well and any(self._is_in(f"{item} ") for item in fetching.current)

    def _is_in(self, text: str) -> bool:
        """Return whether a line of apt's is about this repository."""
        name = re.escape(self.name.removesuffix(" ./"))
        after = r"(?: \./|/\./|/ )" if self.name.endswith(" ./") else r"[ /]"
        return re.search(rf"{name}{after}|{re.escape(self.address)}/", text) is not None
