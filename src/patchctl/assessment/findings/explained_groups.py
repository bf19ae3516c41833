"""Count opinions by version and state: what a person wants to know before the reasons."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from ...models.explain import ExplainedGroup
from ...models.priority import Decision
from ...models.versions import VersionScheme
from ..versions import InvalidVersionError, key
from .judgements import Opinion
from .ranking import cve_order

_Version = tuple[str, str]  # source package, installed version


@dataclass
class _Sum:
    packages: set[str] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)
    cves: set[str] = field(default_factory=set)
    why: set[str] = field(default_factory=set)
    fixed: set[tuple[VersionScheme, str]] = field(default_factory=set)
    decisions: set[Decision] = field(default_factory=set)
    due: set[str] = field(default_factory=set)
    # id() of the tuples of hosts that were added: many opinions share one.
    added: set[int] = field(default_factory=set)


def groups(opinions: Iterable[Opinion]) -> tuple[ExplainedGroup, ...]:
    """The groups: what is affected first, by its date, then by how many hosts and CVEs."""
    sums: dict[tuple[_Version, bool, str], _Sum] = defaultdict(_Sum)
    for opinion in opinions:
        verdict, _ = opinion.case.on(opinion.cve)
        package, finding = opinion.case.package, opinion.finding
        version = (package.source, package.version)
        total = sums[version, verdict.affected, opinion.state]
        total.packages.add(package.name)
        total.cves.add(opinion.cve)
        total.why.add(verdict.why.value)
        if verdict.fixed:
            total.fixed.add((opinion.case.index.scheme, verdict.fixed))
        if finding is not None:
            total.decisions.add(finding.decision)
            if finding.due:
                total.due.add(finding.due)
        if id(opinion.hosts) not in total.added:
            total.added.add(id(opinion.hosts))
            total.hosts.update(opinion.hosts)
    affected: dict[_Version, set[str]] = defaultdict(set)
    for (version, is_affected, _), total in sums.items():
        if is_affected:
            affected[version] |= total.hosts
    made = [
        _group(version, is_affected, state, total)
        for (version, is_affected, state), total in sums.items()
        if is_affected or total.hosts - affected[version]
    ]
    return tuple(
        sorted(
            made,
            key=lambda group: (
                *(not group.affected, group.due or "9999"),
                *(-len(group.hosts), -len(group.cves)),
                *(group.source, group.installed, group.state),
            ),
        )
    )


def _group(version: _Version, is_affected: bool, state: str, total: _Sum) -> ExplainedGroup:
    source, installed = version
    decisions = sorted(total.decisions, key=lambda decision: decision.urgency)
    return ExplainedGroup(
        source=source,
        packages=tuple(sorted(total.packages)),
        installed=installed,
        affected=is_affected,
        hosts=tuple(sorted(total.hosts)),
        cves=tuple(sorted(total.cves, key=cve_order)),
        state=state,
        fixed=_newest(total.fixed),
        decision=decisions[0].value if decisions else "",
        due=min(total.due, default=""),
        why=tuple(sorted(total.why)),
    )


def _newest(fixes: Iterable[tuple[VersionScheme, str]]) -> str:
    keyed = []
    for scheme, fixed in sorted(fixes):
        try:
            keyed.append((key(scheme, fixed), fixed))
        except InvalidVersionError:
            continue
    return max(keyed)[1] if keyed else ""
