"""Read `patch_exclude`: packages that the inventory keeps out of plans, by host or group."""

from collections.abc import Iterable, Mapping
from typing import Any

from ..models import grammar
from ..models.exclusions import Exclusion
from ..models.fleet import Host

VARIABLE = "patch_exclude"


class ExcludeError(ValueError):
    """The variable does not name packages. The message names no host."""


def patterns(variables: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the package patterns of a host; the variable is one text or a list of texts.

    Raises ExcludeError where the variable is wrong: an unreadable rule must not be ignored.
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
        raise ExcludeError(f"{VARIABLE} says {shown}, which is not a package name or pattern")
    return str(value)


def problem(variables: Mapping[str, Any]) -> str:
    """Return why the variable cannot be read, or "" where it can."""
    try:
        patterns(variables)
    except ExcludeError as error:
        return str(error)
    return ""


def rules(hosts: Iterable[Host]) -> tuple[Exclusion, ...]:
    """Return one rule for each set of hosts with the same patterns. Patterns that cannot be read,
    which `load` refuses, exclude everything."""
    hosts_by_packages: dict[tuple[str, ...], list[str]] = {}
    for host in hosts:
        if packages := ("*",) if problem(host.variables) else patterns(host.variables):
            hosts_by_packages.setdefault(packages, []).append(host.name)
    return tuple(
        Exclusion(rule=VARIABLE, packages=packages, hosts=tuple(sorted(names)))
        for packages, names in sorted(hosts_by_packages.items())
    )
