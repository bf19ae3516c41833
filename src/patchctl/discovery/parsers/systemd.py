"""Parse units as systemctl shows them."""

import re
from collections.abc import Iterable

from ...models.facts import Service
from ...protocol.sections import Unparsed, fields

# systemd.unit(5): the characters of a unit's name.
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,255}\.[a-z]+")
_STATE = re.compile(r"[a-z-]{0,40}")


def services(
    lines: Iterable[str], unparsed: Unparsed, section: str = "units"
) -> tuple[Service, ...]:
    """Lines `UNIT ACTIVE SUB ENABLED`, separated by tabs."""
    by_name = {}
    for line in lines:
        parts = fields(line, 4)
        if parts and _UNIT.fullmatch(parts[0]) and all(map(_STATE.fullmatch, parts[1:])):
            name, active, sub, enabled = parts
            by_name[name] = Service(name=name, active=active, sub=sub, enabled=enabled)
        else:
            unparsed.add(section, line)
    return tuple(by_name[name] for name in sorted(by_name))


def failed(lines: Iterable[str], unparsed: Unparsed) -> tuple[str, ...]:
    """Names of failed units of every kind."""
    names = set()
    for line in lines:
        if _UNIT.fullmatch(line.strip()):
            names.add(line.strip())
        else:
            unparsed.add("failed", line)
    return tuple(sorted(names))


def states(lines: Iterable[str], unparsed: Unparsed) -> dict[str, Service]:
    """Lines as those of `services`, by unit."""
    return {service.name: service for service in services(lines, unparsed, section="timers")}
