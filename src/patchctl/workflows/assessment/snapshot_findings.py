"""The findings of one snapshot's hosts, whatever was seen of them since."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ...assessment.findings import removals
from ...assessment.findings.assess import Assessor
from ...assessment.findings.fleet import HostInput
from ...models.assessment import Finding
from ...models.snapshot import Snapshot
from ...models.state import KnownHost
from ...models.words import day
from .assess import Parts, assess


def known_hosts(snapshot: Snapshot) -> Iterator[KnownHost]:
    """The hosts of a snapshot that answered; equal software has one label."""
    labels: dict[object, str] = {}
    for one in snapshot.hosts:
        facts = one.facts
        if facts is None:
            continue
        software = (facts.packages, facts.pending, facts.repositories, facts.os, facts.manager)
        yield KnownHost(
            name=one.name,
            snapshot=snapshot.id,
            taken=snapshot.taken,
            imported=False,
            software=labels.setdefault(software, str(len(labels))),
            facts=facts,
        )


@dataclass
class SnapshotFindings:
    """As of the snapshot's day, so that the same snapshot and feeds give the same. `parts` are
    those of the snapshot; `hosts` are names, None for all."""

    parts: Parts
    snapshot: Snapshot
    hosts: Collection[str] | None = None
    assessor: Assessor = field(init=False)
    findings: Mapping[str, Sequence[Finding]] = field(init=False)

    def __post_init__(self) -> None:
        names = {one.name for one in self.snapshot.hosts if one.facts is not None}
        if self.hosts is not None:
            names &= set(self.hosts)
        today = day(self.snapshot.taken)
        running = assess(self.parts, names, (), today)
        self.assessor = running.assessor
        self.findings = dict(running.hosts())

    @cached_property
    def inputs(self) -> dict[str, HostInput]:
        """Hosts by name, as they were assessed."""
        return {one.name: one for one in self.assessor.hosts}

    def built_from(self, host: str) -> Mapping[str, frozenset[str]]:
        """Source package as findings name it -> the host's installed binaries of it."""
        return removals.built_from(self.assessor.matched, self.inputs[host])
