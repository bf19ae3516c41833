"""What else installs packages on its own."""

import re
from collections.abc import Iterable, Mapping, Sequence

from ...models.facts import CompetingUpdater, Package, Service
from ...protocol.sections import Unparsed

_SETTING = re.compile(r'([A-Za-z:-]+) "([^"]*)";')
_OFF = frozenset({"", "0", "false", "no", "off", "never", "disable"})
_ACTIVE = frozenset({"active", "activating", "reloading"})
States = Mapping[str, Service]


def competing(
    lines: Sequence[str], packages: Iterable[Package], states: States, unparsed: Unparsed
) -> tuple[CompetingUpdater, ...]:
    """`lines`: apt's settings or dnf-automatic's, `states`: those of the known timers."""
    names = {package.name for package in packages}
    found = []
    if "unattended-upgrades" in names:
        found.append(_unattended(lines, states, unparsed))
    if names & {"dnf-automatic", "dnf5-plugin-automatic", "yum-cron"}:
        found.append(_dnf_automatic(lines, states))
    if names & {"packagekit", "PackageKit"}:
        running = _is_active(states, "packagekit.service", "packagekit-offline-update.service")
        found.append(
            CompetingUpdater(name="packagekit", state="running" if running else "installed")
        )
    return tuple(found)


def _unattended(lines: Sequence[str], states: States, unparsed: Unparsed) -> CompetingUpdater:
    settings: dict[str, str] = {}
    words = set()
    for line in lines:
        setting = _SETTING.fullmatch(line.strip())
        if setting:
            settings[setting[1]] = setting[2]
        elif line.startswith(("systemd ", "cron ")):
            words.add(line.strip())
        else:
            unparsed.add("updaters", line)
    every = settings.get("APT::Periodic::Unattended-Upgrade", "0")
    # /usr/lib/apt/apt.systemd.daily does nothing at all where Enable is 0.
    wanted = every.lower() not in _OFF and settings.get("APT::Periodic::Enable", "1") != "0"
    # Without systemd the same script is started by cron.daily/apt-compat.
    timed = (
        _is_enabled(states, "apt-daily-upgrade.timer")
        or _is_active(states, "apt-daily-upgrade.timer")
        if "systemd yes" in words
        else "cron apt-compat" in words
    )
    # unattended-upgrades.service only waits for the shutdown; the work is apt-daily-upgrade's.
    if _is_active(states, "apt-daily-upgrade.service"):
        state = "running"
    else:
        state = "enabled" if wanted and timed else "installed"
    reboots = settings.get("Unattended-Upgrade::Automatic-Reboot", "false").lower() not in _OFF
    detail = f"APT::Periodic::Unattended-Upgrade {every or '0'}" + (
        ", reboots on its own" if reboots else ""
    )
    return CompetingUpdater(name="unattended-upgrades", state=state, detail=detail[:200])


def _dnf_automatic(lines: Sequence[str], states: States) -> CompetingUpdater:
    settings = {}
    for line in lines:
        key, equals, value = line.partition("=")
        if equals:
            settings[key.strip()] = value.strip()
    applies = settings.get("apply_updates", "no").lower() not in _OFF
    timers = ("dnf-automatic.timer", "dnf5-automatic.timer", "yum-cron.service")
    enabled = _is_enabled(states, "dnf-automatic-install.timer") or (
        applies and _is_enabled(states, *timers)
    )
    running = _is_active(
        states, "dnf-automatic.service", "dnf-automatic-install.service", "dnf5-automatic.service"
    )
    state = "running" if running else "enabled" if enabled else "installed"
    detail = f"apply_updates {'yes' if applies else 'no'}"
    return CompetingUpdater(name="dnf-automatic", state=state, detail=detail)


def _is_active(states: States, *units: str) -> bool:
    return any(unit in states and states[unit].active in _ACTIVE for unit in units)


def _is_enabled(states: States, *units: str) -> bool:
    return any(unit in states and states[unit].enabled.startswith("enabled") for unit in units)
