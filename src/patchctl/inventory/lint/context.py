"""The input of every lint rule, and helpers that make findings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ...models.facts import HostFacts
from ...models.fleet import Fleet, Host
from ...models.lint import Finding, Level
from ...models.policy import Probe
from ...models.settings import Assignment
from ..load import Refusal
from ..source_map import SourceMap

SettingsLine = Callable[[Sequence[str | int]], str]


@dataclass(frozen=True)
class Context:
    """`facts` are those of the newest snapshot, by host. `extra_variables` are the names that `-e`
    defines, None where they are not known. `settings_line` turns a path such as
    `("assign", "rules", 0)` into `patchctl.yml:line`."""

    fleet: Fleet
    refusals: tuple[Refusal, ...] = ()
    assignment: Assignment = field(default_factory=Assignment)
    probes: tuple[Probe, ...] = ()
    source_map: SourceMap = field(default_factory=lambda: SourceMap(()))
    settings_line: SettingsLine = lambda path: "patchctl.yml"
    facts: Mapping[str, HostFacts] = field(default_factory=dict)
    extra_variables: frozenset[str] | None = frozenset()

    def where(self, host: str) -> str:
        """Return `file:line` of the host, or the program that names it; "" where unknown."""
        known = self._hosts.get(host)
        source = known.variables.get("inventory_file", "") if known else ""
        return self.source_map.host(host) or (source if isinstance(source, str) else "")

    @cached_property
    def _hosts(self) -> dict[str, Host]:
        return {host.name: host for host in self.fleet.hosts}

    @cached_property
    def rings(self) -> dict[str, str]:
        """The ring of each host that has one."""
        return {host.name: host.ring for host in self.fleet.hosts if host.ring}

    def where_set(self, host: Host, key: str) -> str:
        """Return `file:line` where the host's variable is set, else that of the host."""
        return self.source_map.variable(key, host.name, host.groups) or self.where(host.name)


def error(rule: str, message: str, hint: str, where: str, *hosts: str) -> Finding:
    """Return a finding that would make a rollout do something else than was meant."""
    return Finding(
        level=Level.ERROR, rule=rule, message=message, hint=hint, where=where, hosts=hosts
    )


def warning(rule: str, message: str, hint: str, where: str, *hosts: str) -> Finding:
    """Return a finding that is a risk."""
    return Finding(
        level=Level.WARNING, rule=rule, message=message, hint=hint, where=where, hosts=hosts
    )
