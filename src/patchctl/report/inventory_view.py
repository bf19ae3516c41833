"""Show results of the `inventory` verbs to people. Pure: models to lines."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..models.fleet import GroupNode, Host, Listing
from ..models.fleet_diff import InventoryDiff, NotCompared, OtherChange
from ..models.lint import LintReport
from ..models.words import count, short
from .view import Figures, Lines, Note, Part, Table, View, all_notes


def findings(report: LintReport) -> Iterator[str]:
    """Return a line for each finding in the form of compiler messages, so that editors can jump to
    it.
    """
    for finding in report.findings:
        where = f"{finding.where}: " if finding.where else ""
        yield f"{where}{finding.level} {finding.rule}: {finding.message}; {finding.hint}"


def lint_summary(report: LintReport) -> str:
    """Return how many findings there are, and what could not be checked."""
    summary = (
        f"{count(report.hosts, 'host')}: {count(report.errors, 'error')}, "
        f"{count(report.warnings, 'warning')}"
    )
    unknown = report.hosts - report.facts
    if not unknown:
        return summary
    return f"{summary}; no facts of {count(unknown, 'host')}, `patchctl discover` learns them"


def graph(node: GroupNode) -> Iterator[str]:
    """Return the tree of groups in the form of `ansible-inventory --graph`."""
    yield f"@{node.name}:"
    yield from _below(node, "  |--")


def _below(node: GroupNode, indent: str) -> Iterator[str]:
    for child in node.children:
        yield f"{indent}@{child.name}:"
        yield from _below(child, f"  |{indent}")
    for host in node.hosts:
        yield f"{indent}{host}"


def diff(difference: InventoryDiff) -> Iterator[str]:
    """Return the differences: `+` is only in the working tree, `-` only in the revision, `~`
    changed, `!` is a plan that is no longer valid.
    """
    revision = difference.revision[:12]
    if not difference.differs:
        yield f"The inventory is that of {revision}"
    else:
        yield f"From {revision} to the working tree"
    if difference.rings_before != difference.rings_after:
        before, after = map(", ".join, (difference.rings_before, difference.rings_after))
        yield f"  ~ rings {before} -> {after}"
    yield from (f"  + host {row.host} ({row.ring or 'no ring'})" for row in difference.appeared)
    yield from (f"  - host {row.host} ({row.ring or 'no ring'})" for row in difference.vanished)
    for move in difference.moved:
        yield f"  ~ host {move.host}: {move.before or 'no ring'} -> {move.after or 'no ring'}"
    for change in difference.connection:
        before, after = (value or "(unset)" for value in (change.before, change.after))
        yield f"  ~ host {change.host}: {change.variable} {before} -> {after}"
    yield from (f"  ~ host {row.host}: {_other(row)}" for row in difference.other)
    for plan in difference.invalid_plans:
        name = short(plan.digest) + (f" ({plan.path})" if plan.path else "")
        yield f"  ! plan {name} becomes invalid, by {', '.join(plan.hosts)}"


def not_compared(row: NotCompared) -> str:
    """Return a line about a source that could not be compared."""
    changed = "; its files differ, so anything may" if row.changed else ""
    return f"not compared: {row.source} {row.reason}{changed}"


def _other(change: OtherChange) -> str:
    groups = [f"+{name}" for name in change.groups_added]
    groups += [f"-{name}" for name in change.groups_removed]
    parts = [f"groups {' '.join(groups)}"] if groups else []
    parts += [f"variables {', '.join(change.variables)}"] if change.variables else []
    return "; ".join(parts)


# --- views --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class HostsView(View):
    """`inventory list`."""

    listing: Listing

    def data(self) -> Listing:
        """All hosts, and counts."""
        return self.listing

    def parts(self) -> Iterator[Part]:
        """A row for each host, then the number of hosts in each ring."""
        listing = self.listing
        yield Table(
            ("HOST", "RING", "WHY", "ADDRESS", "GROUPS"),
            (
                (row.name, row.ring or "-", row.ring_reason, row.address, " ".join(row.groups))
                for row in listing.hosts
            ),
        )
        rings = ", ".join(f"{ring} {hosts}" for ring, hosts in listing.rings.items())
        hosts = count(len(listing.hosts), "host")
        yield Note(f"{hosts}: {rings}, without a ring {listing.without_ring}")


@dataclass(frozen=True)
class HostView(View):
    """`inventory show`. Secrets are hidden already."""

    host: Host

    def data(self) -> Host:
        """The host."""
        return self.host

    def parts(self) -> Iterator[Part]:
        """The host's facts in the inventory."""
        host = self.host
        yield Figures(
            [
                ("host", host.name),
                ("ring", host.ring or "-"),
                ("why", host.ring_reason),
                ("groups", " ".join(host.groups)),
                *((f"  {key}", str(value)) for key, value in sorted(host.variables.items())),
            ]
        )


@dataclass(frozen=True)
class GraphView(View):
    """`inventory graph`."""

    root: GroupNode

    def data(self) -> GroupNode:
        """The groups."""
        return self.root

    def parts(self) -> Iterator[Part]:
        """The tree."""
        yield Lines(graph(self.root))


@dataclass(frozen=True)
class LintView(View):
    """`inventory lint`."""

    report: LintReport

    def data(self) -> LintReport:
        """All findings, and counts."""
        return self.report

    def parts(self) -> Iterator[Part]:
        """A line for each finding."""
        yield Lines(findings(self.report))
        yield Note(lint_summary(self.report))


@dataclass(frozen=True)
class InventoryDiffView(View):
    """`inventory diff`."""

    difference: InventoryDiff

    def data(self) -> InventoryDiff:
        """The difference."""
        return self.difference

    def parts(self) -> Iterator[Part]:
        """A line for each difference, then what could not be compared."""
        yield Lines(diff(self.difference))
        yield from all_notes(map(not_compared, self.difference.not_compared), kept=True)


@dataclass(frozen=True)
class AnsibleInventoryView(View):
    """`inventory export`, for Ansible."""

    inventory: Mapping[str, Any]

    def data(self) -> Mapping[str, Any]:
        """The inventory in the form of a dynamic inventory of Ansible."""
        return self.inventory

    def parts(self) -> Iterator[Part]:
        """Nothing, since only Ansible reads it."""
        return iter(())
