"""Assess the hosts of one snapshot, without what was discovered later."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ...assessment.findings import fixed_cves
from ...assessment.findings.assess import Assessor
from ...assessment.findings.fleet import HostInput
from ...models.assessment import Finding
from ...models.snapshot import Snapshot
from ...models.state import KnownHost
from ...models.words import day
from .assess import Parts, assess


def known_hosts(snapshot: Snapshot) -> Iterator[KnownHost]:
    """The hosts of a snapshot that answered; hosts with equal software get the same label."""
    labels: dict[object, str] = {}
    for host in snapshot.hosts:
        facts = host.facts
        if facts is None:
            continue
        software = (facts.packages, facts.pending, facts.repositories, facts.os, facts.manager)
        yield KnownHost(
            name=host.name,
            snapshot=snapshot.id,
            taken=snapshot.taken,
            imported=False,
            software=labels.setdefault(software, str(len(labels))),
            facts=facts,
        )


@dataclass
class SnapshotFindings:
    """Findings on the day of the snapshot, so that the same snapshot and feeds give the same
    result. `parts` are those of the snapshot; `hosts` are names, None for all."""

    parts: Parts
    snapshot: Snapshot
    hosts: Collection[str] | None = None
    assessor: Assessor = field(init=False)
    findings: Mapping[str, Sequence[Finding]] = field(init=False)

    def __post_init__(self) -> None:
        names = {host.name for host in self.snapshot.hosts if host.facts is not None}
        if self.hosts is not None:
            names &= set(self.hosts)
        today = day(self.snapshot.taken)
        running = assess(self.parts, names, (), today)
        self.assessor = running.assessor
        self.findings = dict(running.hosts())

    @cached_property
    def inputs(self) -> dict[str, HostInput]:
        """Hosts by name, as they were assessed."""
        return {host.name: host for host in self.assessor.hosts}

    def built_from(self, host: str) -> Mapping[str, frozenset[str]]:
        """Source package as findings name it -> the host's installed binaries of it."""
        return fixed_cves.built_from(self.assessor.matched, self.inputs[host])
