"""Exclusions: rules of the operator that keep packages out of plans for a limited time."""

import re
from collections.abc import Collection, Iterable
from fnmatch import translate
from functools import lru_cache

from .base import Record


class Exclusion(Record):
    """A rule that keeps packages out of plans.

    `rule` is its name in messages: `--exclude`, `patch_exclude` or `policy.exclude[0]`. `packages`
    are shell patterns of source or binary names; a source name excludes all its binaries. `until`
    is the last day on which it holds, an ISO date; empty: it does not end. `hosts` are the hosts on
    which it holds; empty: all.
    """

    rule: str
    packages: tuple[str, ...]
    reason: str = ""
    owner: str = ""
    until: str = ""
    hosts: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The rule in words: `policy.exclude[0] of dba until 2026-12-31: certified only to 15`."""
        owner = f" of {self.owner}" if self.owner else ""
        until = f" until {self.until}" if self.until else ""
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.rule}{owner}{until}{reason}"

    def fits(self, names: Iterable[str]) -> bool:
        """Return whether it excludes a package with these binary and source names."""
        return any(map(_pattern(self.packages).match, names))


# Cached, because each rule is compared with each package of each host.
@lru_cache(maxsize=1024)
def _pattern(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, globs)) or r"(?!)")


class Rules:
    """Exclusions by host. Hosts with the same exclusions get the same tuple."""

    def __init__(self, exclusions: Iterable[Exclusion]) -> None:
        self._all = tuple(exclusions)
        self._everywhere = [
            index for index, exclusion in enumerate(self._all) if not exclusion.hosts
        ]
        self._own: dict[str, list[int]] = {}
        for index, exclusion in enumerate(self._all):
            for host in exclusion.hosts:
                self._own.setdefault(host, []).append(index)
        self._made: dict[tuple[int, ...], tuple[Exclusion, ...]] = {}

    def on(self, host: str) -> tuple[Exclusion, ...]:
        """Return the rules that hold on a host, in their order."""
        indexes = tuple(sorted((*self._everywhere, *self._own.get(host, ()))))
        if indexes not in self._made:
            self._made[indexes] = tuple(self._all[index] for index in indexes)
        return self._made[indexes]


def excluding(exclusions: Iterable[Exclusion], names: Collection[str]) -> Exclusion | None:
    """Return the first rule that excludes a package with these names, or None."""
    return next((exclusion for exclusion in exclusions if exclusion.fits(names)), None)
