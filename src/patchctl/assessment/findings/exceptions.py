"""Apply exceptions to findings: which one fits, whether it holds, and which need attention."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import translate

from ...models.exceptions import (
    Complaint,
    ExceptionProblem,
    ExceptionState,
    ExceptionStatus,
    RiskException,
)
from ...models.words import count, some
from .assess import Waived
from .fleet import HostInput

SOON_DAYS = 30


def status_of(
    exception: RiskException, today: str, known_exploited: Collection[str] = ()
) -> ExceptionStatus:
    """The status of an exception on a day (ISO date); it still holds on its last day.
    `known_exploited` are the CVEs of KEV."""
    left = (date.fromisoformat(exception.expires) - date.fromisoformat(today)).days
    state = ExceptionState.HOLDS
    if left < 0:
        state = ExceptionState.EXPIRED
    elif left <= SOON_DAYS:
        state = ExceptionState.EXPIRING
    exploited = tuple(cve for cve in exception.cves if cve in known_exploited)
    return ExceptionStatus(exception=exception, state=state, days_left=left, exploited=exploited)


@dataclass(frozen=True, slots=True)
class _Compiled:
    exception: RiskException
    position: int
    expired: bool
    hosts: re.Pattern[str] | None
    groups: frozenset[str]
    packages: re.Pattern[str] | None

    def on(self, host: HostInput) -> bool:
        return not self.groups.isdisjoint(host.groups) or (
            self.hosts is not None and self.hosts.match(host.name) is not None
        )

    def of(self, names: Collection[str]) -> bool:
        return self.packages is None or any(map(self.packages.match, names))


class Waivers:
    """An `assess.Waiver` that also counts: `matched` is exception id -> number of findings that it
    fits, `exploited` is exception id -> those of their CVEs that are known to be exploited."""

    def __init__(self, exceptions: Sequence[RiskException], today: str) -> None:
        self.matched: Counter[str] = Counter()
        self.exploited: dict[str, set[str]] = defaultdict(set)
        self._by_cve: dict[str, list[_Compiled]] = defaultdict(list)
        self._any_cve: list[_Compiled] = []
        self._here: tuple[str, frozenset[int]] = ("", frozenset())
        self._all: list[_Compiled] = []
        for position, exception in enumerate(exceptions):
            compiled = _Compiled(
                exception=exception,
                position=position,
                expired=status_of(exception, today).state is ExceptionState.EXPIRED,
                hosts=_pattern(exception.hosts),
                groups=frozenset(exception.groups),
                packages=_pattern(exception.packages),
            )
            self._all.append(compiled)
            for cve in exception.cves:
                self._by_cve[cve].append(compiled)
            if not exception.cves:
                self._any_cve.append(compiled)

    def __call__(
        self, host: HostInput, cve: str, names: Collection[str], exploited: bool
    ) -> Waived | None:
        """What the exceptions say of a finding; of several the first that holds counts."""
        # Return early: most findings have no exception, and this runs for each on each host.
        candidates = self._by_cve.get(cve)
        if candidates is None and not self._any_cve:
            return None
        here = self._on(host)
        if not here:
            return None
        best: Waived | None = None
        fitting = [
            compiled
            for compiled in (*(candidates or ()), *self._any_cve)
            if compiled.position in here
        ]
        for compiled in sorted(fitting, key=_position):
            if not compiled.of(names):
                continue
            self.matched[compiled.exception.id] += 1
            if exploited:
                self.exploited[compiled.exception.id].add(cve)
            waived = _waived(compiled, exploited)
            if best is None or (waived.holds and not best.holds):
                best = waived
        return best

    def _on(self, host: HostInput) -> frozenset[int]:
        """Positions of the exceptions that fit a host, kept while findings of that host come."""
        if self._here[0] != host.name:
            fitting = frozenset(compiled.position for compiled in self._all if compiled.on(host))
            self._here = (host.name, fitting)
        return self._here[1]


def _position(compiled: _Compiled) -> int:
    return compiled.position


def _pattern(globs: Iterable[str]) -> re.Pattern[str] | None:
    pattern = "|".join(translate(glob) for glob in globs)
    return re.compile(pattern) if pattern else None


def _waived(compiled: _Compiled, exploited: bool) -> Waived:
    exception = compiled.exception
    if compiled.expired:
        return Waived(
            exception.id, False, f"exception {exception.id} expired on {exception.expires}"
        )
    if exploited:
        note = f"exception {exception.id} does not hold: the CVE is known to be exploited (KEV)"
        return Waived(exception.id, False, note)
    note = (
        f"exception {exception.id} of {exception.owner} until {exception.expires}: "
        f"{exception.reason}; instead: {exception.control}"
    )
    return Waived(exception.id, True, note)


def complaints(
    exceptions: Iterable[RiskException],
    waivers: Waivers,
    known_exploited: Collection[str],
    today: str,
) -> list[Complaint]:
    """The problems of all exceptions, after `waivers` has seen every finding.

    `known_exploited` are the CVEs of KEV. A CVE that an exception names counts even where no host
    has it.
    """
    problems = []
    for exception in exceptions:
        status = status_of(exception, today, known_exploited)
        if status.state is ExceptionState.EXPIRED:
            detail = f"expired on {exception.expires}: its findings are open again"
            problems.append(
                Complaint(id=exception.id, problem=ExceptionProblem.EXPIRED, detail=detail)
            )
        elif status.state is ExceptionState.EXPIRING:
            left = "today" if not status.days_left else f"in {count(status.days_left, 'day')}"
            detail = f"expires {left}, on {exception.expires}"
            problems.append(
                Complaint(id=exception.id, problem=ExceptionProblem.EXPIRING, detail=detail)
            )
        listed = waivers.exploited[exception.id].union(status.exploited)
        if listed:
            named = some(sorted(listed), 5)
            detail = f"does not hold for what is known to be exploited (KEV): {named}"
            problems.append(
                Complaint(id=exception.id, problem=ExceptionProblem.EXPLOITED, detail=detail)
            )
        if not waivers.matched[exception.id]:
            detail = "fits no finding: fixed, not discovered yet, or a name is wrong"
            problems.append(
                Complaint(id=exception.id, problem=ExceptionProblem.UNUSED, detail=detail)
            )
    return problems
