"""Rings, rules and roles: what an early ring does not prove, and what it would hit all at once."""

from collections.abc import Iterator

from ...models.facts import OsRelease
from ...models.lint import Finding
from ...models.words import plural, some
from ..load import problem
from ..rings import ring_group
from .context import Context, error, warning


def rings(context: Context) -> Iterator[Finding]:
    """Hosts without a ring or with two, and rings without a host."""
    hints = {
        "host-name": "rename it, and put the address into ansible_host",
        "unknown-ring": "name a ring of patchctl.yml",
        "two-rings": "leave one of them",
        "bad-exclude": "write names or patterns of packages, such as openssl or nginx*",
    }
    for refusal in context.refusals:
        place = context.where(refusal.host)
        yield error(
            refusal.rule, problem(refusal).message, hints[refusal.rule], place, refusal.host
        )
    told = {refusal.host for refusal in context.refusals if refusal.rule != "bad-exclude"}
    for host in context.fleet.hosts:
        if host.ring is None and host.name not in told:
            yield error(
                "no-ring",
                f"host {host.name} has no ring: {host.ring_reason}",
                "set patch_ring, put it into a ring's group, or add a rule or shares to assign",
                context.where(host.name),
                host.name,
            )
    for number, ring in enumerate(context.fleet.rings):
        if all(host.ring != ring for host in context.fleet.hosts):
            yield warning(
                "empty-ring",
                f"ring {ring} has no host",
                "give it hosts, or take it out of patchctl.yml",
                context.settings_line(("rings", number)),
            )


def groups_of_rules(context: Context) -> Iterator[Finding]:
    """Rules and probes that name a group which is not there."""
    known = {group.name for group in context.fleet.groups} | {"all", "ungrouped"}
    for number, rule in enumerate(context.assignment.rules):
        for place, group in enumerate(rule.groups):
            if group not in known:
                yield error(
                    "unknown-group",
                    f"rule {number + 1} names the group {group}, which the inventory has not",
                    "mend the name, or take it out",
                    context.settings_line(("assign", "rules", number, "groups", place)),
                )
    for number, probe in enumerate(context.probes):
        for place, group in enumerate(probe.groups):
            if group not in known:
                yield error(
                    "unknown-group",
                    f"probe {probe.name} names the group {group}, which the inventory has not",
                    "mend the name, or take it out",
                    context.settings_line(("probes", number, "groups", place)),
                )


def strata(context: Context) -> Iterator[Finding]:
    """Operating systems and roles that no early ring has, roles that one ring has wholly.

    Early is every ring but the last; a role is a group that stands for no ring.
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
        inside = _rings_of(context, names)
        what = f"{plural('group', len(roles))} {', '.join(roles)}"
        place = context.places.group(roles[0]) or context.where(names[0])
        if inside == {last}:
            yield warning(
                "role-not-early",
                f"{what}: in {last} only ({some(names)}), no early ring proves its updates",
                "move one of its hosts to an early ring",
                place,
                *names,
            )
        if len(names) > 1 and len(inside) == 1:
            yield warning(
                "role-in-one-ring",
                f"{what}: all {len(names)} hosts are in {next(iter(inside))}, where a bad update "
                "can reach all of them",
                "spread it over the rings",
                place,
                *names,
            )


def _releases(context: Context) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for host in context.fleet.hosts:
        facts = context.facts.get(host.name)
        if facts is not None and host.ring is not None:
            found.setdefault(_release(facts.os), []).append(host.name)
    return found


def _release(release: OsRelease) -> str:
    return f"{release.id} {release.version_id}".strip()


def _roles(context: Context) -> dict[tuple[str, ...], list[str]]:
    """Groups with the same hosts -> these hosts. All hosts together are no role."""
    standing_for_rings = {name for ring in context.fleet.rings for name in (ring, ring_group(ring))}
    members: dict[str, list[str]] = {}
    for host in context.fleet.hosts:
        for group in host.groups if host.ring is not None else ():
            if group not in standing_for_rings:
                members.setdefault(group, []).append(host.name)
    alike: dict[tuple[str, ...], list[str]] = {}
    for group, names in sorted(members.items()):
        if len(names) < len(context.fleet.hosts):
            alike.setdefault(tuple(names), []).append(group)
    return {tuple(groups): list(names) for names, groups in alike.items()}


def _rings_of(context: Context, names: list[str]) -> set[str]:
    wanted = set(names)
    return {host.ring for host in context.fleet.hosts if host.name in wanted and host.ring}
