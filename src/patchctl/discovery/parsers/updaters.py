"""Find other programs that install packages by themselves."""

import re
from collections.abc import Iterable, Mapping, Sequence

from ...models.facts import CompetingUpdater, Package, Service
from ...models.host_rules import UPDATERS_AT_WORK, apt_upgrades_itself, is_off
from ...protocol.sections import Unparsed

_SETTING = re.compile(r'([A-Za-z:-]+) "([^"]*)";')
_DNF_PACKAGES = frozenset({"dnf-automatic", "dnf5-plugin-automatic", "yum-cron"})
_DNF_UNITS = ("dnf-automatic", "dnf5-automatic", "yum-cron")
# Timers that install updates whatever the settings say, and timers that depend on the settings.
_DNF_INSTALLS = ("dnf-automatic-install.timer",)
_DNF_BY_SETTINGS = ("dnf-automatic.timer", "dnf5-automatic.timer", "yum-cron.service")
_ACTIVE = frozenset({"active", "activating", "reloading"})
States = Mapping[str, Service]


def competing(
    lines: Sequence[str], packages: Iterable[Package], states: States, unparsed: Unparsed
) -> tuple[CompetingUpdater, ...]:
    """Return the programs that install packages by themselves, and whether they are enabled.

    `lines` are the settings of apt or dnf-automatic; `states` are those of the known timers.
    """
    names = {package.name for package in packages}
    rows = []
    if "unattended-upgrades" in names:
        rows.append(_unattended(lines, states, unparsed))
    # The units may exist without the package: a timer of the site or of cockpit.
    if names & _DNF_PACKAGES or any(unit.startswith(_DNF_UNITS) for unit in states):
        rows.append(_dnf_automatic(lines, states))
    if names & {"packagekit", "PackageKit"}:
        running = _is_at_work(states, "packagekit")
        rows.append(
            CompetingUpdater(name="packagekit", state="running" if running else "installed")
        )
    return tuple(rows)


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
    wanted = apt_upgrades_itself(settings)
    # Without systemd, cron.daily/apt-compat starts the same script.
    timed = (
        _is_enabled(states, "apt-daily-upgrade.timer")
        or _is_active(states, "apt-daily-upgrade.timer")
        if "systemd yes" in words
        else "cron apt-compat" in words
    )
    if _is_at_work(states, "apt"):
        state = "running"
    else:
        state = "enabled" if wanted and timed else "installed"
    reboots = not is_off(settings.get("Unattended-Upgrade::Automatic-Reboot", "false"))
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
    applies = not is_off(settings.get("apply_updates", "no"))
    timers = (*_DNF_INSTALLS, *_DNF_BY_SETTINGS) if applies else _DNF_INSTALLS
    enabled = _is_enabled(states, *timers) or _is_active(states, *timers)
    state = "running" if _is_at_work(states, "dnf") else "enabled" if enabled else "installed"
    detail = f"apply_updates {'yes' if applies else 'no'}"
    return CompetingUpdater(name="dnf-automatic", state=state, detail=detail)


def _is_at_work(states: States, tool: str) -> bool:
    return _is_active(states, *(unit for unit in UPDATERS_AT_WORK if unit.startswith(tool)))


def _is_active(states: States, *units: str) -> bool:
    return any(unit in states and states[unit].active in _ACTIVE for unit in units)


def _is_enabled(states: States, *units: str) -> bool:
    return any(unit in states and states[unit].enabled.startswith("enabled") for unit in units)
