"""Parse the units that systemctl lists."""

import re
from collections.abc import Iterable

from ...models.facts import Service
from ...protocol.sections import Unparsed, fields

# systemd.unit(5): the characters that a unit's name may have.
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,255}\.[a-z]+")
_STATE = re.compile(r"[a-z-]{0,40}")


def services(
    lines: Iterable[str], unparsed: Unparsed, section: str = "units"
) -> tuple[Service, ...]:
    """Return the services in lines `UNIT ACTIVE SUB ENABLED`, separated by tabs. `section` names
    the lines in `unparsed`."""
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
    """Return the names of failed units of every kind."""
    names = set()
    for line in lines:
        if _UNIT.fullmatch(line.strip()):
            names.add(line.strip())
        else:
            unparsed.add("failed", line)
    return tuple(sorted(names))


def states(lines: Iterable[str], unparsed: Unparsed) -> dict[str, Service]:
    """Return unit -> its state, from lines in the form of `services`."""
    return {service.name: service for service in services(lines, unparsed, section="timers")}
