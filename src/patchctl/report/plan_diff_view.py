"""Show the difference of two plans to a reviewer. Pure: models to lines."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..models.exclusions import Exclusion
from ..models.plan_diff import Change, CveChange, PlanDiff, SettingChange
from ..models.words import moment, short, some
from .plan_change_lines import change
from .plan_view import left_out
from .view import Lines, Part, View
from .wrapping import wrapped

_NAMES = 6
_LONG = 100


def show(diff: PlanDiff) -> list[str]:
    """Return the differences: `+` is only in the second plan, `-` only in the first."""
    if diff.same:
        return [f"The plans are one: {short(diff.before)}"]
    lines = [f"From plan {short(diff.before)} to {short(diff.after)}"]
    lines += map(_setting, (*diff.selection, *diff.settings))
    if diff.settings_unsure:
        lines += wrapped(
            "~ policy.allow_removals or policy.undo_safe may differ too: one of the plans is from"
            " before a plan kept them"
        )
    if diff.feeds_changed:
        lines.append("  ~ judged by other feeds, or feeds of another date")
    if diff.probes_changed:
        lines.append("  ~ other probes: `patchctl plan show` has them in full")
    lines += [f"  ~ hook: {change}" for change in diff.hooks]
    lines += _exclusions("+", diff.exclusions_added)
    lines += _exclusions("-", diff.exclusions_removed)
    if diff.expires_before != diff.expires_after:
        lines.append(f"  ~ expires {moment(diff.expires_before)} -> {moment(diff.expires_after)}")
    lines += _names("+", "host", diff.hosts_added)
    lines += _names("-", "host", diff.hosts_removed)
    lines += [f"  ~ host {row.host}: {row.before} -> {row.after}" for row in diff.moved]
    lines += _changes("+", diff.added)
    lines += _changes("-", diff.removed)
    lines += _changes("~", diff.files_changed, " (another file of the same version)")
    lines += [f"  + removes {_cves(row)}" for row in diff.cves_gained]
    lines += [f"  - no longer removes {_cves(row)}" for row in diff.cves_lost]
    for title, rows in (
        ("No longer left out:", diff.left_out_removed),
        ("Now left out:", diff.left_out_added),
    ):
        if rows:
            lines += [title, *left_out(rows)[1:]]
    if len(lines) == 1:
        lines.append("  the same changes on the same hosts, from newer facts")
    return lines


def _setting(change: SettingChange) -> str:
    """A setting with its values. Code of several lines, or long code, is not for one line."""
    if any(len(text) > _LONG or "\n" in text for text in (change.before, change.after)):
        return f"  ~ {change.setting}: another text"
    return f"  ~ {change.setting}: {change.before} -> {change.after}"


def _names(sign: str, noun: str, names: Sequence[str]) -> list[str]:
    return [f"  {sign} {noun} {name}" for name in names]


def _exclusions(sign: str, rules: Iterable[Exclusion]) -> list[str]:
    return [f"  {sign} excludes {some(rule.packages, _NAMES)} by {rule.text}" for rule in rules]


def _changes(sign: str, rows: Iterable[Change], note: str = "") -> list[str]:
    return [
        f"  {sign} {row.package} {change(row.action, row.from_version, row.to_version)}"
        f" on {some(row.hosts, _NAMES)}{note}"
        for row in rows
    ]


def _cves(change: CveChange) -> str:
    return f"{some(change.cves, _NAMES)} in {change.source} on {some(change.hosts, _NAMES)}"


@dataclass(frozen=True)
class PlanDiffView(View):
    """`plan diff`."""

    difference: PlanDiff

    def data(self) -> PlanDiff:
        """The difference."""
        return self.difference

    def parts(self) -> Iterator[Part]:
        """A line for each difference."""
        yield Lines(show(self.difference))
