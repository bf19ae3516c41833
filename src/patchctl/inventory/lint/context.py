"""What every rule of lint looks at."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ...models.facts import HostFacts
from ...models.fleet import Fleet, Host
from ...models.lint import Finding, Level
from ...models.plan import Probe
from ...models.settings import Assignment
from ..load import Refusal
from ..places import Places

SettingsLine = Callable[[Sequence[str | int]], str]


@dataclass(frozen=True)
class Context:
    """`facts` are those of the newest snapshot, by host. `given` are the names of extra variables,
    None where they are not known. `settings_line` turns a path such as `("assign", "rules", 0)`
    into `patchctl.yml:line`."""

    fleet: Fleet
    refusals: tuple[Refusal, ...] = ()
    assignment: Assignment = field(default_factory=Assignment)
    probes: tuple[Probe, ...] = ()
    places: Places = field(default_factory=lambda: Places(()))
    settings_line: SettingsLine = lambda path: "patchctl.yml"
    facts: Mapping[str, HostFacts] = field(default_factory=dict)
    given: frozenset[str] | None = frozenset()

    def where(self, host: str) -> str:
        """Where the host stands: file and line, or the program that names it."""
        found = self.fleet.host(host)
        source = found.variables.get("inventory_file", "") if found else ""
        return self.places.host(host) or (source if isinstance(source, str) else "")

    def where_set(self, host: Host, key: str) -> str:
        """Where a variable of the host is set, or the host."""
        return self.places.variable(key, host.name, host.groups) or self.where(host.name)


def error(rule: str, message: str, hint: str, where: str, *hosts: str) -> Finding:
    """A finding with which a rollout would not do what was meant."""
    return Finding(
        level=Level.ERROR, rule=rule, message=message, hint=hint, where=where, hosts=hosts
    )


def warning(rule: str, message: str, hint: str, where: str, *hosts: str) -> Finding:
    """A finding that is a risk."""
    return Finding(
        level=Level.WARNING, rule=rule, message=message, hint=hint, where=where, hosts=hosts
    )
