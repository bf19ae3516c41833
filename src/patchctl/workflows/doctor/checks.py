"""Check this machine, the workspace, and the way to every host."""

import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import msgspec

from ...errors import PatchctlError, Problem, UsageError
from ...models.connection import Connection
from ...models.doctor import Check, CheckStatus, DoctorReport, LearnedKey
from ...models.fleet import Fleet, Host
from ...models.policy import UpdaterPolicy
from ...models.reach import Stage
from ...models.settings import Settings
from ...protocol.jobs import Runner
from ..discovery.discover import Clock, Look, Progress, Request, look
from ..interfaces import Files
from ..inventory.lint import Linted
from ..inventory.show import Loaded, hosts_of
from . import host_keys
from . import hosts as doctor_hosts
from . import machine as doctor_machine
from . import workspace as doctor_workspace
from .interfaces import Endpoint, Git, Ownership, Ssh, System

FORKS = 50
_SIDE_BY_SIDE = 32


class Opened(Protocol):
    """A workspace with sound settings."""

    @property
    def root(self) -> Path: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def state(self) -> Path: ...
    @property
    def connection(self) -> Connection: ...
    def code(self) -> tuple[str, ...]: ...


W = TypeVar("W", bound=Opened)

Approve = Callable[[Sequence[LearnedKey]], None]


@dataclass(frozen=True, kw_only=True)
class CheckRequest:
    """What the operator asks for. `cwd` is where an `@file` of the limit is looked for; `forks`: 0
    for the settings', at least 50. `approve` is given the keys that are about to be written, and
    raises where they must not be; None learns none."""

    cwd: Path
    limit: str = ""
    forks: int = 0
    approve: Approve | None = None


@dataclass
class Doctor(Generic[W]):
    """`find` and `open` the workspace, `load` and `lint` its inventory; `at_risk` says
    why its state would be lost, "" where it would not; `not_used` tells what of an ansible.cfg is
    not; `runner` lends one that leaves nothing in
    it; `state` is where state would lie without sound settings; `expand` knows whose home folder
    `~` is; `engine` names the lab's container engine. Programs get `environment`; the rest is what
    this machine is asked by."""

    find: Callable[[], Path]
    open: Callable[[], W]
    load: Callable[[W], Loaded]
    lint: Callable[[W], Linted]
    at_risk: Callable[[W], str]
    not_used: Callable[[W], Sequence[Problem]]
    runner: Callable[[W], AbstractContextManager[Runner]]
    engine: Callable[[], str]
    state: Path
    environment: Mapping[str, str]
    expand: Callable[[str], Path]
    settings_file: str
    system: System
    ownership: Ownership
    git: Git
    ssh: Ssh
    files: Files
    clock: Clock
    trusted: bool
    progress: Progress

    def run(self, wanted: CheckRequest) -> DoctorReport:
        """All checks. A mistake in the workspace or on a host is a check, not an exception.

        Raises UsageError for a `limit` that fits nothing, and what `approve` raises.
        """
        begun = self.clock.now_ms()
        with ThreadPoolExecutor(2) as pool:
            opened, checks = self._open()
            state = opened.state if opened else self.state
            own = pool.submit(self._machine, state)
            learned: tuple[LearnedKey, ...] = ()
            results: Sequence[Check] = ()
            asked = 0
            if opened is not None:
                fleet, found = self._inventory(opened)
                checks += found
                if fleet is not None:
                    linted = pool.submit(self._lint, opened)
                    asked, results, learned = self._hosts(opened, fleet, wanted)
                    checks += linted.result()
                checks += self._workspace(opened)
            everything = (*own.result(), *checks, *results)
        count = Counter(check.status for check in everything)
        return DoctorReport(
            ok=not count[CheckStatus.FAIL],
            elapsed_s=round((self.clock.now_ms() - begun) / 1000, 1),
            hosts=asked,
            counts={status: count[status] for status in CheckStatus},
            checks=everything,
            learned=learned,
        )

    def _machine(self, state: Path) -> list[Check]:
        return list(doctor_machine.checks(self.system.look(state, self.environment), self.engine()))

    # --- the workspace --------------------------------------------------------------------------

    def _open(self) -> tuple[W | None, list[Check]]:
        try:
            root = self.find()
        except PatchctlError as error:
            return None, list(doctor_workspace.from_error("settings", error))
        users = self.ownership.trusted_users(self.environment)
        problems = self.ownership.problems(root, users=users)
        if problems and not self.trusted:  # not a byte of it is read
            return None, list(doctor_workspace.owner(problems, trusted=False))
        try:
            opened = self.open()
        except PatchctlError as error:
            owner = doctor_workspace.owner(problems, trusted=self.trusted)
            return None, [*owner, *doctor_workspace.from_error("settings", error)]
        problems += self.ownership.problems(root, opened.code(), users)
        problems += self.ownership.state_problems(opened.state, users)
        checks = list(doctor_workspace.owner(problems, trusted=self.trusted))
        if problems and not self.trusted:
            return None, checks
        return opened, [
            *checks,
            doctor_workspace.check(self.settings_file, "settings", CheckStatus.OK),
        ]

    def _workspace(self, opened: W) -> Iterator[Check]:
        yield from doctor_workspace.not_used(self.not_used(opened))
        yield from doctor_workspace.secrets(opened.root, opened.settings.ansible, self.expand)
        network = self.system.space(opened.state).network
        yield from doctor_workspace.state(
            opened.root, opened.state, self.at_risk(opened), network, self._ask
        )
        yield doctor_workspace.known_hosts(Path(opened.connection.known_hosts), self.ssh)
        now = self.clock.now_ms() // 1000
        yield doctor_workspace.policy(opened.root, self.settings_file, now, self._ask)

    def _ask(self, folder: Path, *words: str) -> str:
        return self.git.ask(folder, self.environment, *words)

    def _inventory(self, opened: W) -> tuple[Fleet | None, list[Check]]:
        try:
            loaded = self.load(opened)
        except PatchctlError as error:
            return None, list(doctor_workspace.from_error("inventory", error))
        warnings = [
            doctor_workspace.check("", "inventory", CheckStatus.WARN, line, "mend the source")
            for line in loaded.warnings
        ]
        return loaded.fleet, warnings

    def _lint(self, opened: W) -> list[Check]:
        try:
            return list(doctor_workspace.lint(self.lint(opened).report))
        except PatchctlError as error:  # the state database among them
            return list(doctor_workspace.from_error("state", error))

    # --- the hosts ------------------------------------------------------------------------------

    def _hosts(
        self, opened: W, fleet: Fleet, wanted: CheckRequest
    ) -> tuple[int, list[Check], tuple[LearnedKey, ...]]:
        names = hosts_of(fleet, wanted.limit, wanted.cwd)
        hosts = {host.name: host for host in fleet.hosts if host.name in set(names)}
        try:
            ways = _ways(opened, self.ssh)
            learned = (
                _learn(hosts.values(), ways, wanted.approve, self.files) if wanted.approve else ()
            )
            request = Request(
                hosts=names,
                timeout_s=opened.settings.discovery_timeout_s,
                forks=wanted.forks or max(FORKS, opened.settings.ansible.forks),
            )
            with self.runner(opened) as runner:
                begun = self.clock.now_ms()
                seen = look(
                    fleet, names, request, runner=runner, begun=begun, progress=self.progress
                )
                looks = sorted(seen, key=lambda one: one.result.name)
        except PatchctlError as error:
            if isinstance(error, UsageError):
                raise
            return len(names), list(doctor_workspace.from_error("hosts", error)), ()
        policies = {ring.name: ring.updaters for ring in opened.settings.rings}
        checks = [
            check
            for one in looks
            for check in doctor_hosts.checks(
                one, policies.get(hosts[one.result.name].ring or "", UpdaterPolicy.WARN)
            )
        ]
        return len(names), _explained(checks, looks, hosts, ways), learned


def _ways(opened: Opened, ssh: Ssh) -> host_keys.Ways:
    connection = opened.connection
    return host_keys.Ways(
        ssh=ssh,
        file=Path(connection.known_hosts),
        cwd=opened.root,
        user=connection.user,
        extra_vars=connection.extra_vars,
        timeout_s=connection.connect_timeout_s,
    )


def _learn(
    hosts: Iterable[Host], ways: host_keys.Ways, approve: Approve, files: Files
) -> tuple[LearnedKey, ...]:
    seen = host_keys.before(ways.file)
    found = host_keys.look(hosts, ways)
    keys = found.learnable()
    if keys:
        approve(keys)
        host_keys.learn(found, ways.file, seen, files)
    return keys


def _explained(
    checks: Iterable[Check],
    looks: Iterable[Look],
    hosts: dict[str, Host],
    ways: host_keys.Ways,
) -> list[Check]:
    """The same checks; where the way ended early, with what ssh and DNS say of it."""
    stages = {one.result.name: doctor_hosts.ended(one) for one in looks}
    strangers = [hosts[name] for name, stage in stages.items() if stage is Stage.HOST_KEY]
    lost = [name for name, stage in stages.items() if stage in (Stage.RESOLVE, Stage.CONNECT)]
    better: dict[tuple[str, str], Check] = {}
    if strangers:
        for name, one in host_keys.look(strangers, ways).hosts.items():
            if one.check.status is CheckStatus.FAIL:
                better[name, host_keys.CHECK] = one.check
    if lost:
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            went = pool.map(lambda name: host_keys.way(hosts[name], ways), lost)
            places = dict(zip(lost, went, strict=True))
            found = dict(zip(lost, pool.map(_addresses, places.values()), strict=True))
        for check in checks:
            place = places.get(check.subject)
            if check.name == "resolve" and place is not None and not isinstance(place, str):
                better[check.subject, "resolve"] = _resolved(check, place, found[check.subject])
    return [better.get((check.subject, check.name), check) for check in checks]


def _addresses(place: Endpoint | str) -> tuple[str, ...]:
    if isinstance(place, str) or place.jump:
        return ()
    try:
        found = socket.getaddrinfo(place.address, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(one[4][0]) for one in found))


def _resolved(check: Check, place: Endpoint, addresses: Sequence[str]) -> Check:
    if place.jump:
        text = f"{place.address} by way of {place.jump}"
        if check.status is CheckStatus.FAIL:
            text = f"{text}: one of the two names does not resolve"
    elif check.status is CheckStatus.FAIL:
        text = f"{place.address} does not resolve"
    else:
        text = f"{place.address} is {', '.join(addresses)}" if addresses else place.address
    return msgspec.structs.replace(check, text=text)
