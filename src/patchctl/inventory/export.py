"""Write the fleet as Ansible inventories: one for a run's hosts, one for all other hosts that a
hook knows of, and the dynamic-inventory protocol."""

from collections.abc import Sequence
from typing import Any

from ..errors import NotFoundError
from ..models.fleet import Fleet, Host
from ..models.hooks import EVERYTHING, RingHook
from ..models.unsafe import marked
from .rings import ring_group
from .withheld_hosts import withheld


def generate(fleet: Fleet, hosts: Sequence[str]) -> dict[str, Any]:
    """Return the inventory of these hosts alone, in the shape of Ansible's yaml plugin.

    Each host has its merged variables and the `inventory_dir` of its source. Host variables outrank
    what Ansible sets for the generated file, so `{{ inventory_dir }}/key` means the same file as
    before. Groups keep their names and nesting, without variables of their own. A variable that
    asks for `hostvars` or `groups` of any other host fails there, unless the inventory of `beside`
    is used too. Raises NotFoundError for a host that is not in the fleet.
    """
    run_hosts = _hosts(fleet, hosts)
    inventory = _nested(_members(fleet, {host.name for host in run_hosts}))
    inventory["all"]["hosts"] = {host.name: marked(host.variables) for host in run_hosts}
    return inventory


def beside(fleet: Fleet, hosts: Sequence[str], hook: RingHook) -> dict[str, Any]:
    """Return the second inventory of a hook, beside that of the hosts that it works on: all groups
    with all their hosts, and all variables of the hosts that the hook may see.

    It has no value of any other host. A task that asks for one, or connects to such a host, fails
    with a line that names the setting; `| default` does not hide that.
    """
    working = frozenset(hosts)
    names = [host.name for host in fleet.hosts]
    inventory = _nested(_members(fleet, set(names)))
    others = (host for host in fleet.hosts if host.name not in working)
    inventory["all"]["hosts"] = {
        host.name: marked(host.variables) if _sees(hook, host) else withheld(host, hook)
        for host in others
    }
    return inventory


def group_names(fleet: Fleet) -> frozenset[str]:
    """Return the groups that have a host, ring groups too: what a hook's `sees` may name."""
    return frozenset(name for host in fleet.hosts for name in _groups_of(host))


def _groups_of(host: Host) -> tuple[str, ...]:
    return (*host.groups, *((ring_group(host.ring),) if host.ring is not None else ()))


def _sees(hook: RingHook, host: Host) -> bool:
    return EVERYTHING in hook.sees or not set(hook.sees).isdisjoint(_groups_of(host))


def listing(fleet: Fleet, hosts: Sequence[str] | None = None) -> dict[str, Any]:
    """Return `--list` of Ansible's dynamic-inventory protocol, with a group `ring_NAME` for every
    ring.

    `inventory_dir` stays that of the original source, as in `generate`. Raises NotFoundError for a
    host that is not in the fleet.
    """
    hosts_listed = list(fleet.hosts) if hosts is None else _hosts(fleet, hosts)
    names = [host.name for host in hosts_listed]
    members = _members(fleet, set(names))
    in_groups = {name for direct, _ in members.values() for name in direct}
    protocol: dict[str, Any] = {
        "_meta": {"hostvars": {host.name: marked(host.variables) for host in hosts_listed}},
        "all": {"children": ["ungrouped", *members]},
    }
    if ungrouped := [name for name in names if name not in in_groups]:
        protocol["ungrouped"] = {"hosts": ungrouped}
    for name, (direct, children) in members.items():
        protocol[name] = {
            **({"hosts": direct} if direct else {}),
            **({"children": children} if children else {}),
        }
    return protocol


def host_variables(fleet: Fleet, name: str) -> dict[str, Any]:
    """Return `--host NAME` of the protocol. Raises NotFoundError for an unknown host."""
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
    """Return the groups in the shape of Ansible's yaml plugin; `all` has no hosts of its own."""
    children: dict[str, Any] = {
        name: {
            "hosts": {host: {} for host in direct},
            "children": {child: {} for child in below},
        }
        for name, (direct, below) in members.items()
    }
    return {"all": {"hosts": {}, "children": children}}


def _members(fleet: Fleet, hosts: set[str]) -> dict[str, tuple[list[str], list[str]]]:
    """Return group -> (direct hosts, child groups): rings, and groups that lead to these hosts."""
    groups = {group.name: group for group in fleet.groups}
    groups_used = {group for host in fleet.hosts if host.name in hosts for group in host.groups}
    members = {
        name: (
            [host for host in groups[name].hosts if host in hosts],
            [child for child in groups[name].children if child in groups_used],
        )
        for name in sorted(groups_used)
    }
    for ring in fleet.rings:
        name = ring_group(ring)
        in_ring = [host.name for host in fleet.hosts if host.name in hosts and host.ring == ring]
        if in_ring:
            direct, children = members.get(name, ([], []))
            members[name] = (sorted({*direct, *in_ring}), children)
    return members
