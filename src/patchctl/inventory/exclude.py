"""`patch_exclude`: packages that the inventory keeps out of plans, for a host or a group."""

from collections.abc import Iterable, Mapping
from typing import Any

from ..models import grammar
from ..models.exclusions import Exclusion
from ..models.fleet import Host

VARIABLE = "patch_exclude"


class ExcludeError(ValueError):
    """The variable does not name packages. The message names no host."""


def patterns(variables: Mapping[str, Any]) -> tuple[str, ...]:
    """The patterns of a host: one as text, or a list of them.

    Raises ExcludeError with what is wrong: a rule that nobody can read must let nothing through.
    """
    value = variables.get(VARIABLE)
    if value is None:
        return ()
    items = value if isinstance(value, list | tuple) else [value]
    return tuple(_pattern(item) for item in items)


def _pattern(value: Any) -> str:
    if not isinstance(value, str):
        raise ExcludeError(f"{VARIABLE} must be a package's name or pattern, or a list of them")
    if "{{" in value or "{%" in value:
        raise ExcludeError(f"{VARIABLE} must be plain names or patterns, not a template")
    if not grammar.fits("package pattern", value):
        shown = ascii(value if len(value) <= 80 else value[:79])
        raise ExcludeError(f"{VARIABLE} says {shown}, which is no package's name or pattern")
    return str(value)


def problem(variables: Mapping[str, Any]) -> str:
    """Why the variable cannot be read, "" where it can."""
    try:
        patterns(variables)
    except ExcludeError as error:
        return str(error)
    return ""


def rules(hosts: Iterable[Host]) -> tuple[Exclusion, ...]:
    """One rule for the hosts that have the same patterns. Where they cannot be read, which `load`
    refuses, everything is excluded."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for host in hosts:
        if found := ("*",) if problem(host.variables) else patterns(host.variables):
            alike.setdefault(found, []).append(host.name)
    return tuple(
        Exclusion(rule=VARIABLE, packages=found, hosts=tuple(sorted(names)))
        for found, names in sorted(alike.items())
    )
