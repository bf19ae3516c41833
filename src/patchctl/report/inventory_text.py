"""What the `inventory` verbs say to a person. Pure: models to lines."""

from collections.abc import Iterator

from ..models.fleet import GroupNode
from ..models.lint import LintReport


def findings(report: LintReport) -> Iterator[str]:
    """One line a finding, as compilers write them, so that editors jump to the place."""
    for one in report.findings:
        place = f"{one.where}: " if one.where else ""
        yield f"{place}{one.level} {one.rule}: {one.message}; {one.hint}"


def lint_summary(report: LintReport) -> str:
    """How much was found, and what could not be looked at."""
    found = (
        f"{_count(report.hosts, 'host')}: {_count(report.errors, 'error')}, "
        f"{_count(report.warnings, 'warning')}"
    )
    unknown = report.hosts - report.facts
    if not unknown:
        return found
    return f"{found}; no facts of {_count(unknown, 'host')}, `patchctl discover` learns them"


def graph(node: GroupNode) -> Iterator[str]:
    """The tree in the form of `ansible-inventory --graph`."""
    yield f"@{node.name}:"
    yield from _below(node, "  |--")


def _below(node: GroupNode, indent: str) -> Iterator[str]:
    for child in node.children:
        yield f"{indent}@{child.name}:"
        yield from _below(child, f"  |{indent}")
    for host in node.hosts:
        yield f"{indent}{host}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
