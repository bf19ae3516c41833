"""Find hosts that are listed twice, and connection variables that cannot work."""

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
    """Find two names for one address and port, or for one machine: it would be patched twice."""
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
                "keep one of them, or fix ansible_host and ansible_port",
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
    """Return address, port, connection and jump hosts; empty where a template hides one of them.

    One private address behind two jump hosts is two machines.
    """
    known = {"inventory_hostname": host.name, **host.variables}
    address = _first(known, "ansible_host", "ansible_ssh_host", default=host.name)
    port = _first(known, "ansible_port", "ansible_ssh_port", default="22")
    kind = _first(known, "ansible_connection", default="ssh")
    if address is None or port is None or kind is None:
        return ()
    ssh_arguments = ("ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args")
    arguments = [str(host.variables.get(name, "")) for name in ssh_arguments]
    jumps = [argument for argument in arguments if "proxy" in argument.lower() or "-J" in argument]
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
    names_by_machine: dict[str, list[str]] = {}
    for host in context.fleet.hosts:
        facts = context.facts.get(host.name)
        if facts is not None and facts.machine_id:
            names_by_machine.setdefault(facts.machine_id, []).append(host.name)
    return [names for names in names_by_machine.values() if len(names) > 1]


def connection(context: Context) -> Iterator[Finding]:
    """Find templates in `ansible_*` variables that would fail when Ansible connects."""
    if context.extra_variables is None:
        return
    hosts_by_problem: dict[tuple[str, Problem, str], list[str]] = {}
    for host in context.fleet.hosts:
        known = {**host.variables, **dict.fromkeys(context.extra_variables, "")}
        for key, value in host.variables.items():
            if key.startswith("ansible_"):
                for problem in _problems(value, known):
                    where = context.where_set(host, key)
                    hosts_by_problem.setdefault((key, problem, where), []).append(host.name)
    for (key, problem, where), names in hosts_by_problem.items():
        message = f"{key} of {some(names)} {problem.message}"
        yield error(problem.code, message, problem.hint, where, *names)


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
                message=f"is not a template that Ansible can read: {error}",
                hint="fix the template",
            )
