"""Show what a plan's exclusions leave out, for people. Pure: models to lines."""

from collections.abc import Iterable, Sequence

from ..models.exclusions import Exclusion
from ..models.plan import LeftOut, LeftOutReason, PlanBody, Unproven
from ..models.words import count, more, some
from .wrapping import wrapped

# How many items of a long list are shown before "and N more".
_NAMES = 12
# Reason -> the words for a package that is left for later, and for several.
_LATER = (
    (LeftOutReason.EXCLUDED, "is excluded", "are excluded"),
    (LeftOutReason.PHASED, "waits for its phase", "wait for their phase"),
)


def exclusions(body: PlanBody, *, full: bool) -> list[str]:
    """Return the rules that were valid when the plan was made, each with the number of updates it
    left out.
    """
    lines = ["Exclusions:"] if body.exclusions else []
    for rule in body.exclusions:
        rows = [row for row in body.left_out if _by(rule, row)]
        packages = count(len({row.package for row in rows if row.package}), "package")
        left = f"{packages} on {count(len({row.host for row in rows}), 'host')}"
        where = f" on {some(rule.hosts, _NAMES, full=full)}" if rule.hosts else ""
        lines += wrapped(
            f"{some(rule.packages, _NAMES, full=full)}{where} by {rule.text};"
            f" leaves out {left if rows else 'nothing'}"
        )
    return lines


def _by(rule: Exclusion, row: LeftOut) -> bool:
    return row.rule == rule.rule and (not rule.hosts or row.host in rule.hosts)


def excluded(rows: Sequence[LeftOut], *, full: bool) -> list[str]:
    """Return what rules leave out. Packages with the same change on the same hosts share a line."""
    hosts: dict[tuple[str, str, tuple[str, ...]], set[str]] = {}
    for row in rows:
        hosts.setdefault((row.package, row.detail, row.cves), set()).add(row.host)
    packages: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for (package, detail, cves), names in sorted(hosts.items()):
        packages.setdefault((detail, cves, tuple(sorted(names))), []).append(package)
    ranked = sorted(packages.items(), key=lambda item: (-len(item[0][2]), item[0]))
    lines: list[str] = []
    for (detail, cves, on), alike in ranked if full else ranked[:_NAMES]:
        named = [package for package in alike if package]
        what = f"{some(named, _NAMES, full=full)} on " if named else ""
        which = f", {some(cves, _NAMES, full=full)}" if cves else ""
        why = f"{LeftOutReason.EXCLUDED}: {what}{some(on, _NAMES, full=full)}{which} ({detail})"
        lines += wrapped(why)
    if len(ranked) > _NAMES and not full:
        lines.append(f"  {LeftOutReason.EXCLUDED}: {more(len(ranked) - _NAMES)}; see --full")
    return lines


def excluded_before(body: PlanBody, unproven: Unproven, *, full: bool) -> str:
    """Return `, excluded on staging-1 by policy.exclude[0]` where an exclusion is why no earlier
    ring proves the update, else "".
    """
    rings = [ring.name for ring in body.rings]
    later = set(rings[rings.index(unproven.ring) :])
    ring_of = {host.name: host.ring for host in body.hosts}
    rows = [
        row
        for row in body.left_out
        if row.reason is LeftOutReason.EXCLUDED
        and (row.package, row.version) == (unproven.package, unproven.to)
        and ring_of.get(row.host) not in later
    ]
    if not rows:
        return ""
    hosts = some(sorted({row.host for row in rows}), _NAMES, full=full)
    return f", excluded on {hosts} by {', '.join(sorted({row.rule for row in rows}))}"


def beside(why: str, rows: Iterable[LeftOut]) -> str:
    """Return why there is no plan, and how much is left for later: `nothing to do; 2 packages are
    excluded; 1 package waits for its phase`.
    """
    packages: dict[LeftOutReason, set[str]] = {}
    for row in rows:
        if row.package:
            packages.setdefault(row.reason, set()).add(row.package)
    parts = [why]
    for reason, alone, several in _LATER:
        if names := packages.get(reason):
            verb = alone if len(names) == 1 else several
            parts.append(f"{count(len(names), 'package')} {verb}")
    return "; ".join(parts)
