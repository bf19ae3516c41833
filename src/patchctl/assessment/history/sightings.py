"""Turn findings by host into hosts by finding, at a cost of a few machine steps a finding.

Hosts share their findings, and many findings say the same of the same CVE. So there is a column of
bits for each distinct thing that is said, and a finding of a host only sets the host's bit in it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ...models.assessment import Finding, FindingState
from ...models.history import HostSet, Key, Sighting, Standing

Facets = tuple[Sighting, ...]


class Sightings:
    """Collects the findings of an assessment. `numbers` are host -> its number."""

    def __init__(self, numbers: Mapping[str, int]) -> None:
        self._numbers = numbers
        self._size = max(numbers.values(), default=0) // 8 + 1
        # By id(), which stays unique because the finding is held here.
        self._columns: dict[int, bytearray] = {}
        self._held: list[Finding] = []
        self._by_facets: dict[Facets, bytearray] = {}
        self._threats: dict[Key, tuple[str, bool]] = {}

    def add(self, host: str, findings: Sequence[Finding]) -> None:
        """Add the findings of one host, each CVE once."""
        number = self._numbers[host]
        index, bit = number >> 3, 1 << (number & 7)
        columns = self._columns
        try:
            for column in map(columns.__getitem__, map(id, findings)):
                column[index] |= bit
        except KeyError:
            for finding in findings:
                if id(finding) not in columns:
                    columns[id(finding)] = self._column(finding)
                columns[id(finding)][index] |= bit

    def _column(self, finding: Finding) -> bytearray:
        self._held.append(finding)
        facets = tuple(_facets(finding))
        for facet in facets:
            self._threats[facet.key] = (finding.severity, finding.kev)
        column = self._by_facets.get(facets)
        if column is None:
            column = self._by_facets[facets] = bytearray(self._size)
        return column

    def hosts(self) -> dict[Key, dict[Sighting, HostSet]]:
        """CVE and package -> what is said of it -> on which hosts."""
        hosts: dict[Key, dict[Sighting, HostSet]] = defaultdict(dict)
        for facets, column in self._by_facets.items():
            bits = int.from_bytes(column, "little")
            for facet in facets:
                own = hosts[facet.key]
                own[facet] = own.get(facet, 0) | bits
        return hosts

    def threats(self) -> Mapping[Key, tuple[str, bool]]:
        """CVE and package -> (severity, known to be exploited)."""
        return self._threats


def _facets(finding: Finding) -> Iterator[Sighting]:
    """A sighting for each affected source package; where two have its name, the first decides."""
    waived = finding.state is FindingState.WAIVED
    states = {
        package.source or package.name: package.state for package in reversed(finding.packages)
    } or {finding.source or finding.package: finding.state}
    for package, state in sorted(states.items()):
        standing = Standing(
            state=FindingState.WAIVED if waived else state,
            decision=finding.decision,
            excluded=bool(finding.excluded),
        )
        yield Sighting(key=(finding.cve, package), standing=standing, due=finding.due or "")


def bits(numbers: Iterable[int]) -> HostSet:
    """The set of these hosts."""
    ordered = list(numbers)
    column = bytearray(max(ordered, default=0) // 8 + 1)
    for number in ordered:
        column[number >> 3] |= 1 << (number & 7)
    return int.from_bytes(column, "little")
