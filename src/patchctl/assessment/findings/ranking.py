"""Sort findings by urgency: each distinct one is made and ranked once, hosts sort numbers only."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from ...models.assessment import Finding, FindingState
from ...models.priority import Context
from .findings import Core

Rank = tuple[bool, int, str, int, tuple[int, int, str]]


def rank(finding: Finding) -> Rank:
    """The sort key of a finding; the most urgent has the smallest."""
    return (
        finding.state is FindingState.WAIVED,
        finding.decision.urgency,
        finding.due or "9999",
        -finding.score,
        cve_order(finding.cve),
    )


def cve_order(cve: str) -> tuple[int, int, str]:
    """The sort key of a CVE id: its year and number (numbers have four digits or more)."""
    parts = cve.split("-")
    if len(parts) == 3 and parts[1].isdigit() and parts[2].isdigit():
        return int(parts[1]), int(parts[2]), ""
    return 0, 0, cve


class Ranking:
    """All distinct findings of a fleet: one for each core and context."""

    def __init__(
        self,
        hosts: Iterable[tuple[Context, tuple[Core, ...]]],
        make: Callable[[Core, Context], Finding],
    ) -> None:
        cores_by_context: dict[Context, set[Core]] = defaultdict(set)
        for context, cores in hosts:
            cores_by_context[context].update(cores)
        ranked = [
            (make(core, context), context, core)
            for context, distinct in cores_by_context.items()
            for core in distinct
        ]
        ranked.sort(key=lambda entry: rank(entry[0]))
        self._findings = [finding for finding, _, _ in ranked]
        self._cores = [core for _, _, core in ranked]
        numbers: dict[Context, dict[Core, int]] = defaultdict(dict)
        for number, (_, context, core) in enumerate(ranked):
            numbers[context][core] = number
        self._numbers: Mapping[Context, Mapping[Core, int]] = numbers

    def of(self, context: Context, cores: tuple[Core, ...]) -> list[Finding]:
        """The findings of a host, the most urgent first."""
        return list(map(self._findings.__getitem__, self._sorted(context, cores)))

    def pairs(self, context: Context, cores: tuple[Core, ...]) -> Iterable[tuple[Core, Finding]]:
        """(core, finding) of a host, the most urgent first."""
        return [
            (self._cores[number], self._findings[number]) for number in self._sorted(context, cores)
        ]

    def _sorted(self, context: Context, cores: tuple[Core, ...]) -> list[int]:
        return sorted(map(self._numbers[context].__getitem__, cores)) if cores else []
