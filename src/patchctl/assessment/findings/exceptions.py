"""Exceptions on findings: which fits, whether it holds, and what is wrong with which."""

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
    RiskException,
    Standing,
)
from ...models.words import count, some
from .assess import Waived
from .fleet import HostInput

SOON_DAYS = 30


def standing(
    exception: RiskException, today: str, known_exploited: Collection[str] = ()
) -> Standing:
    """How an exception stands on a day (ISO date); its last day counts. `known_exploited` are the
    CVEs of KEV."""
    left = (date.fromisoformat(exception.expires) - date.fromisoformat(today)).days
    state = ExceptionState.HOLDS
    if left < 0:
        state = ExceptionState.EXPIRED
    elif left <= SOON_DAYS:
        state = ExceptionState.EXPIRING
    exploited = tuple(cve for cve in exception.cves if cve in known_exploited)
    return Standing(exception=exception, state=state, days_left=left, exploited=exploited)


@dataclass(frozen=True, slots=True)
class _Compiled:
    exception: RiskException
    place: int
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
    """An `assess.Waiver`, which also counts what it is asked: `matched` findings by exception,
    and by exception the CVEs of them that are known to be exploited."""

    def __init__(self, exceptions: Sequence[RiskException], today: str) -> None:
        self.matched: Counter[str] = Counter()
        self.exploited: dict[str, set[str]] = defaultdict(set)
        self._by_cve: dict[str, list[_Compiled]] = defaultdict(list)
        self._any_cve: list[_Compiled] = []
        self._here: tuple[str, frozenset[int]] = ("", frozenset())
        self._all: list[_Compiled] = []
        for place, one in enumerate(exceptions):
            compiled = _Compiled(
                exception=one,
                place=place,
                expired=standing(one, today).state is ExceptionState.EXPIRED,
                hosts=_pattern(one.hosts),
                groups=frozenset(one.groups),
                packages=_pattern(one.packages),
            )
            self._all.append(compiled)
            for cve in one.cves:
                self._by_cve[cve].append(compiled)
            if not one.cves:
                self._any_cve.append(compiled)

    def __call__(
        self, host: HostInput, cve: str, names: Collection[str], exploited: bool
    ) -> Waived | None:
        """What the exceptions say of a finding; of several the first that holds counts."""
        # Most findings have none: this is asked once for each on each host.
        candidates = self._by_cve.get(cve)
        if candidates is None and not self._any_cve:
            return None
        here = self._on(host)
        if not here:
            return None
        found: Waived | None = None
        fitting = [one for one in (*(candidates or ()), *self._any_cve) if one.place in here]
        for one in sorted(fitting, key=_place):
            if not one.of(names):
                continue
            self.matched[one.exception.id] += 1
            if exploited:
                self.exploited[one.exception.id].add(cve)
            said = _said(one, exploited)
            if found is None or (said.holds and not found.holds):
                found = said
        return found

    def _on(self, host: HostInput) -> frozenset[int]:
        """Which exceptions fit a host; findings come host by host."""
        if self._here[0] != host.name:
            fitting = frozenset(one.place for one in self._all if one.on(host))
            self._here = (host.name, fitting)
        return self._here[1]


def _place(one: _Compiled) -> int:
    return one.place


def _pattern(globs: Iterable[str]) -> re.Pattern[str] | None:
    made = "|".join(translate(glob) for glob in globs)
    return re.compile(made) if made else None


def _said(one: _Compiled, exploited: bool) -> Waived:
    exception = one.exception
    if one.expired:
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
    """What is wrong with which exception, after `waivers` has seen every finding.

    `known_exploited` are the CVEs of KEV; a named one counts whether a host has it or not.
    """
    found = []
    for one in exceptions:
        stands = standing(one, today, known_exploited)
        if stands.state is ExceptionState.EXPIRED:
            detail = f"expired on {one.expires}: its findings are open again"
            found.append(Complaint(id=one.id, problem=ExceptionProblem.EXPIRED, detail=detail))
        elif stands.state is ExceptionState.EXPIRING:
            left = "today" if not stands.days_left else f"in {count(stands.days_left, 'day')}"
            detail = f"expires {left}, on {one.expires}"
            found.append(Complaint(id=one.id, problem=ExceptionProblem.EXPIRING, detail=detail))
        listed = waivers.exploited[one.id].union(stands.exploited)
        if listed:
            named = some(sorted(listed), 5)
            detail = f"does not hold for what is known to be exploited (KEV): {named}"
            found.append(Complaint(id=one.id, problem=ExceptionProblem.EXPLOITED, detail=detail))
        if not waivers.matched[one.id]:
            detail = "fits no finding: mended, not discovered yet, or a name is wrong"
            found.append(Complaint(id=one.id, problem=ExceptionProblem.UNUSED, detail=detail))
    return found
