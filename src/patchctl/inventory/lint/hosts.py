"""One host counted twice, and connection variables that cannot work."""

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import Problem
from ...models.fleet import Host
from ...models.lint import Finding
from ...models.words import some
from . import templates
from .context import Context, error


def duplicates(context: Context) -> Iterator[Finding]:
    """Two names for one address and port, or for one machine: it would be patched twice."""
    seen: set[tuple[str, ...]] = set()
    by_address: dict[tuple[str, ...], list[str]] = {}
    for host in context.fleet.hosts:
        if key := endpoint(host):
            by_address.setdefault(key, []).append(host.name)
    for key, names in by_address.items():
        if len(names) > 1:
            seen.add(tuple(names))
            yield error(
                "duplicate-address",
                f"hosts {some(names)} have one address, {key[0]} port {key[1]}",
                "keep one of them, or mend ansible_host and ansible_port",
                context.where(names[1]),
                *names,
            )
    for names in _machines(context):
        if tuple(names) not in seen:
            yield error(
                "duplicate-machine",
                f"hosts {some(names)} are one machine: the newest snapshot has one machine-id",
                "keep one of them; on clones empty /etc/machine-id, run systemd-machine-id-setup, "
                "and discover again",
                context.where(names[1]),
                *names,
            )


def endpoint(host: Host) -> tuple[str, ...]:
    """Address, port, and what else leads elsewhere; empty where a template hides it.

    One private address behind two jump hosts is two machines.
    """
    known = {"inventory_hostname": host.name, **host.variables}
    address = _first(known, "ansible_host", "ansible_ssh_host", default=host.name)
    port = _first(known, "ansible_port", "ansible_ssh_port", default="22")
    kind = _first(known, "ansible_connection", default="ssh")
    if address is None or port is None or kind is None:
        return ()
    ways = ("ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args")
    ways_given = [str(host.variables.get(name, "")) for name in ways]
    jumps = [way for way in ways_given if "proxy" in way.lower() or "-J" in way]
    return (_same_form(address), port, kind.removeprefix("ansible.builtin."), *jumps)


def _first(variables: Mapping[str, Any], *names: str, default: str = "") -> str | None:
    for name in names:
        if name in variables:
            return templates.plain(variables[name], variables)
    return default


def _same_form(address: str) -> str:
    try:
        return str(ipaddress.ip_address(address.strip("[]")))
    except ValueError:
        return address.lower().rstrip(".")


def _machines(context: Context) -> list[list[str]]:
    found: dict[str, list[str]] = {}
    for host in context.fleet.hosts:
        facts = context.facts.get(host.name)
        if facts is not None and facts.machine_id:
            found.setdefault(facts.machine_id, []).append(host.name)
    return [names for names in found.values() if len(names) > 1]


def connection(context: Context) -> Iterator[Finding]:
    """Templates of `ansible_*` variables that would fail when the host is reached."""
    if context.given is None:
        return
    alike: dict[tuple[str, Problem, str], list[str]] = {}
    for host in context.fleet.hosts:
        known = {**host.variables, **dict.fromkeys(context.given, "")}
        for key, value in host.variables.items():
            if key.startswith("ansible_"):
                for problem in _problems(value, known):
                    place = context.where_set(host, key)
                    alike.setdefault((key, problem, place), []).append(host.name)
    for (key, problem, place), names in alike.items():
        said = f"{key} of {some(names)} {problem.message}"
        yield error(problem.code, said, problem.hint, place, *names)


def _problems(value: Any, known: Mapping[str, Any]) -> Iterator[Problem]:
    for text in templates.texts(value):
        try:
            for name in sorted(templates.undefined(text, known)):
                yield Problem(
                    code="undefined-variable",
                    message=f"needs the variable {name}, which nothing defines",
                    hint="define it in the inventory, or give it a `default`",
                )
        except ValueError as error:
            yield Problem(
                code="broken-template",
                message=f"is no template that Ansible can read: {error}",
                hint="mend the template",
            )
