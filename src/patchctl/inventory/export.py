"""The fleet as Ansible inventories: one for a run's hosts, one for all others that a hook knows of,
and the dynamic-inventory protocol."""

from collections.abc import Sequence
from typing import Any

from ..errors import NotFoundError
from ..models.fleet import Fleet, Host
from ..models.hooks import EVERYTHING, RingHook
from ..models.unsafe import marked
from .rings import ring_group
from .unknown_hosts import withheld


def generate(fleet: Fleet, hosts: Sequence[str]) -> dict[str, Any]:
    """The inventory of these hosts alone, in the shape of Ansible's yaml plugin.

    Each host carries its merged variables, and `inventory_dir` of the source it came from: host
    variables outrank what Ansible sets for the generated file, so `{{ inventory_dir }}/key` means
    the same file as before. Groups keep their names and nesting, without variables of their own.
    A variable that asks for `hostvars` or `groups` of a host that is not among these fails there,
    unless `beside` comes along.
    """
    wanted = _hosts(fleet, hosts)
    found = _nested(_members(fleet, {host.name for host in wanted}))
    found["all"]["hosts"] = {host.name: marked(host.variables) for host in wanted}
    return found


def beside(fleet: Fleet, hosts: Sequence[str], hook: RingHook) -> dict[str, Any]:
    """The inventory that a hook gets besides that of the hosts that it works on: all groups with
    all their hosts, and all variables of the hosts that it sees.

    No value of any other host is in there. What asks for one, and what would reach such a host,
    fails with a line that names the setting; `| default` does not hide it.
    """
    working = frozenset(hosts)
    names = [host.name for host in fleet.hosts]
    found = _nested(_members(fleet, set(names)))
    others = (host for host in fleet.hosts if host.name not in working)
    found["all"]["hosts"] = {
        host.name: marked(host.variables) if _sees(hook, host) else withheld(host, hook)
        for host in others
    }
    return found


def group_names(fleet: Fleet) -> frozenset[str]:
    """The groups that have a host, with those of the rings: what a hook can be told to see."""
    return frozenset(name for host in fleet.hosts for name in _groups_of(host))


def _groups_of(host: Host) -> tuple[str, ...]:
    return (*host.groups, *((ring_group(host.ring),) if host.ring is not None else ()))


def _sees(hook: RingHook, host: Host) -> bool:
    return EVERYTHING in hook.sees or not set(hook.sees).isdisjoint(_groups_of(host))


def listing(fleet: Fleet, hosts: Sequence[str] | None = None) -> dict[str, Any]:
    """`--list` of Ansible's dynamic-inventory protocol, with a group `ring_NAME` for every ring.

    `inventory_dir` stays that of the original source, as in `generate`.
    """
    wanted = list(fleet.hosts) if hosts is None else _hosts(fleet, hosts)
    names = [host.name for host in wanted]
    members = _members(fleet, set(names))
    in_groups = {name for direct, _ in members.values() for name in direct}
    answer: dict[str, Any] = {
        "_meta": {"hostvars": {host.name: marked(host.variables) for host in wanted}},
        "all": {"children": ["ungrouped", *members]},
    }
    if ungrouped := [name for name in names if name not in in_groups]:
        answer["ungrouped"] = {"hosts": ungrouped}
    for name, (direct, children) in members.items():
        answer[name] = {
            **({"hosts": direct} if direct else {}),
            **({"children": children} if children else {}),
        }
    return answer


def host_variables(fleet: Fleet, name: str) -> dict[str, Any]:
    """`--host NAME` of the protocol."""
    variables: dict[str, Any] = marked(_hosts(fleet, [name])[0].variables)
    return variables


def _hosts(fleet: Fleet, names: Sequence[str]) -> list[Host]:
    known = {host.name: host for host in fleet.hosts}
    for name in names:
        if name not in known:
            raise NotFoundError(
                f"no host {name!r} in the inventory", hint="`patchctl inventory list` shows all"
            )
    return [known[name] for name in dict.fromkeys(names)]


def _nested(members: dict[str, tuple[list[str], list[str]]]) -> dict[str, Any]:
    """The groups in the shape of Ansible's yaml plugin, without hosts of their own at the top."""
    children: dict[str, Any] = {
        name: {
            "hosts": {host: {} for host in direct},
            "children": {child: {} for child in below},
        }
        for name, (direct, below) in members.items()
    }
    return {"all": {"hosts": {}, "children": children}}


def _members(fleet: Fleet, wanted: set[str]) -> dict[str, tuple[list[str], list[str]]]:
    """Group -> (direct hosts, children), only what leads to a wanted host, and the rings."""
    groups = {group.name: group for group in fleet.groups}
    used = {group for host in fleet.hosts if host.name in wanted for group in host.groups}
    found = {
        name: (
            [host for host in groups[name].hosts if host in wanted],
            [child for child in groups[name].children if child in used],
        )
        for name in sorted(used)
    }
    for ring in fleet.rings:
        name = ring_group(ring)
        inside = [host.name for host in fleet.hosts if host.name in wanted and host.ring == ring]
        if inside:
            direct, children = found.get(name, ([], []))
            found[name] = (sorted({*direct, *inside}), children)
    return found
