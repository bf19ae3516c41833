"""Find wrong rings and rules, updates that no early ring proves, and roles that are all in one
ring."""

from collections.abc import Iterator

from ...models.facts import OsRelease
from ...models.lint import Finding
from ...models.words import plural, some
from ..load import problem
from ..rings import ring_group
from .context import Context, error, warning


def rings(context: Context) -> Iterator[Finding]:
    """Find hosts without a ring or with two, and rings without a host."""
    hints = {
        "host-name": "rename it, and put the address into ansible_host",
        "unknown-ring": "name a ring of patchctl.yml",
        "two-rings": "leave one of them",
        "bad-exclude": "write names or patterns of packages, such as openssl or nginx*",
    }
    for refusal in context.refusals:
        where = context.where(refusal.host)
        yield error(
            refusal.rule, problem(refusal).message, hints[refusal.rule], where, refusal.host
        )
    reported = {refusal.host for refusal in context.refusals if refusal.rule != "bad-exclude"}
    for host in context.fleet.hosts:
        if host.ring is None and host.name not in reported:
            yield error(
                "no-ring",
                f"host {host.name} has no ring: {host.ring_reason}",
                "set patch_ring, put it into a ring's group, or add a rule or shares to assign",
                context.where(host.name),
                host.name,
            )
    with_hosts = set(context.rings.values())
    for number, ring in enumerate(context.fleet.rings):
        if ring not in with_hosts:
            yield warning(
                "empty-ring",
                f"ring {ring} has no host",
                "give it hosts, or take it out of patchctl.yml",
                context.settings_line(("rings", number)),
            )


def groups_of_rules(context: Context) -> Iterator[Finding]:
    """Find rules and probes that name a group which the inventory does not have."""
    known = {group.name for group in context.fleet.groups} | {"all", "ungrouped"}
    for number, rule in enumerate(context.assignment.rules):
        for position, group in enumerate(rule.groups):
            if group not in known:
                yield error(
                    "unknown-group",
                    f"rule {number + 1} names the group {group}, which the inventory has not",
                    "fix the name, or take it out",
                    context.settings_line(("assign", "rules", number, "groups", position)),
                )
    for number, probe in enumerate(context.probes):
        for position, group in enumerate(probe.groups):
            if group not in known:
                yield error(
                    "unknown-group",
                    f"probe {probe.name} names the group {group}, which the inventory has not",
                    "fix the name, or take it out",
                    context.settings_line(("probes", number, "groups", position)),
                )


def strata(context: Context) -> Iterator[Finding]:
    """Find operating systems and roles that no early ring has, and roles wholly in one ring.

    Every ring but the last is early; a role is a group that stands for no ring.
    """
    if len(context.fleet.rings) < 2:
        return
    last = context.fleet.rings[-1]
    for release, names in _releases(context).items():
        if _rings_of(context, names) == {last}:
            yield warning(
                "os-not-early",
                f"{release} is in {last} only ({some(names)}): no early ring proves its updates",
                "move one such host to an early ring",
                context.where(names[0]),
                *names,
            )
    for roles, names in _roles(context).items():
        in_rings = _rings_of(context, names)
        label = f"{plural('group', len(roles))} {', '.join(roles)}"
        where = context.source_map.group(roles[0]) or context.where(names[0])
        if in_rings == {last}:
            yield warning(
                "role-not-early",
                f"{label}: in {last} only ({some(names)}), no early ring proves its updates",
                "move one of its hosts to an early ring",
                where,
                *names,
            )
        if len(names) > 1 and len(in_rings) == 1:
            yield warning(
                "role-in-one-ring",
                f"{label}: all {len(names)} hosts are in {next(iter(in_rings))}, where a bad "
                "update can reach all of them",
                "spread it over the rings",
                where,
                *names,
            )


def _releases(context: Context) -> dict[str, list[str]]:
    names_by_release: dict[str, list[str]] = {}
    for host in context.fleet.hosts:
        facts = context.facts.get(host.name)
        if facts is not None and host.ring is not None:
            names_by_release.setdefault(_release(facts.os), []).append(host.name)
    return names_by_release


def _release(release: OsRelease) -> str:
    return f"{release.id} {release.version_id}".strip()


def _roles(context: Context) -> dict[tuple[str, ...], list[str]]:
    """Return groups with the same hosts -> these hosts. A group of all hosts is no role."""
    standing_for_rings = {name for ring in context.fleet.rings for name in (ring, ring_group(ring))}
    members: dict[str, list[str]] = {}
    for host in context.fleet.hosts:
        for group in host.groups if host.ring is not None else ():
            if group not in standing_for_rings:
                members.setdefault(group, []).append(host.name)
    groups_by_hosts: dict[tuple[str, ...], list[str]] = {}
    for group, names in sorted(members.items()):
        if len(names) < len(context.fleet.hosts):
            groups_by_hosts.setdefault(tuple(names), []).append(group)
    return {tuple(groups): list(names) for names, groups in groups_by_hosts.items()}


def _rings_of(context: Context, names: list[str]) -> set[str]:
    return {ring for name in names if (ring := context.rings.get(name))}
