"""Findings in order: every distinct one is made and given its rank once, and hosts sort numbers."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from ...models.assessment import Finding, FindingState
from ...models.priority import Context
from .findings import Core

Rank = tuple[bool, int, str, int, tuple[int, int, str]]


def rank(finding: Finding) -> Rank:
    """The most urgent sorts first."""
    return (
        finding.state is FindingState.WAIVED,
        finding.decision.urgency,
        finding.due or "9999",
        -finding.score,
        cve_order(finding.cve),
    )


def cve_order(cve: str) -> tuple[int, int, str]:
    """CVE ids by year and number (numbers have four digits or more)."""
    parts = cve.split("-")
    if len(parts) == 3 and parts[1].isdigit() and parts[2].isdigit():
        return int(parts[1]), int(parts[2]), ""
    return 0, 0, cve


class Ranking:
    """All distinct findings of a fleet: a core on hosts of one context is one finding."""

    def __init__(
        self,
        hosts: Iterable[tuple[Context, tuple[Core, ...]]],
        make: Callable[[Core, Context], Finding],
    ) -> None:
        wanted: dict[Context, set[Core]] = defaultdict(set)
        for context, cores in hosts:
            wanted[context].update(cores)
        made = [
            (make(core, context), context, core)
            for context, some in wanted.items()
            for core in some
        ]
        made.sort(key=lambda one: rank(one[0]))
        self._findings = [finding for finding, _, _ in made]
        self._cores = [core for _, _, core in made]
        numbers: dict[Context, dict[Core, int]] = defaultdict(dict)
        for number, (_, context, core) in enumerate(made):
            numbers[context][core] = number
        self._numbers: Mapping[Context, Mapping[Core, int]] = numbers

    def of(self, context: Context, cores: tuple[Core, ...]) -> list[Finding]:
        """The findings of a host, the most urgent first."""
        return list(map(self._findings.__getitem__, self._sorted(context, cores)))

    def pairs(self, context: Context, cores: tuple[Core, ...]) -> Iterable[tuple[Core, Finding]]:
        """The same, each with its core."""
        return [(self._cores[one], self._findings[one]) for one in self._sorted(context, cores)]

    def _sorted(self, context: Context, cores: tuple[Core, ...]) -> list[int]:
        return sorted(map(self._numbers[context].__getitem__, cores)) if cores else []
