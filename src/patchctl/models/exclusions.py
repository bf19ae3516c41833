"""Exclusions: rules of the operator that keep packages out of plans for a while."""

import re
from collections.abc import Collection, Iterable
from fnmatch import translate
from functools import lru_cache

from .base import Record


class Exclusion(Record):
    """A rule that keeps packages out of plans.

    `rule` is what messages call it: `--exclude`, `patch_exclude` or `policy.exclude[0]`. `packages`
    are shell patterns of source or binary names; a source stands for all its binaries. `until` is
    the last day on which it holds, an ISO date; empty: it does not end. `hosts` are the hosts on
    which it holds; empty: all.
    """

    rule: str
    packages: tuple[str, ...]
    reason: str = ""
    owner: str = ""
    until: str = ""
    hosts: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """The rule in words: `policy.exclude[0] of dba until 2026-12-31: certified only to 15`."""
        owner = f" of {self.owner}" if self.owner else ""
        until = f" until {self.until}" if self.until else ""
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.rule}{owner}{until}{reason}"

    def fits(self, names: Iterable[str]) -> bool:
        """Whether one of a package's names, of its source or its binary, is excluded."""
        return any(map(_pattern(self.packages).match, names))


# By content: a rule is asked for every package of every host.
@lru_cache(maxsize=1024)
def _pattern(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, globs)) or r"(?!)")


class Rules:
    """Exclusions by host. Hosts on which the same ones hold get the same tuple of them."""

    def __init__(self, exclusions: Iterable[Exclusion]) -> None:
        self._all = tuple(exclusions)
        self._everywhere = [place for place, one in enumerate(self._all) if not one.hosts]
        self._own: dict[str, list[int]] = {}
        for place, one in enumerate(self._all):
            for host in one.hosts:
                self._own.setdefault(host, []).append(place)
        self._made: dict[tuple[int, ...], tuple[Exclusion, ...]] = {}

    def on(self, host: str) -> tuple[Exclusion, ...]:
        """The rules that hold on a host, in their order."""
        places = tuple(sorted((*self._everywhere, *self._own.get(host, ()))))
        if places not in self._made:
            self._made[places] = tuple(self._all[place] for place in places)
        return self._made[places]


def excluding(exclusions: Iterable[Exclusion], names: Collection[str]) -> Exclusion | None:
    """The first rule that excludes a package of these names, None where none does."""
    return next((one for one in exclusions if one.fits(names)), None)
