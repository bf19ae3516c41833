"""Run the doctor: check this machine, the workspace, and the connection to every host."""

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
_THREADS = 32


class Opened(Protocol):
    """An opened workspace, with valid settings."""

    @property
    def root(self) -> Path: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def state(self) -> Path: ...
    @property
    def connection(self) -> Connection: ...
    def paths_run_as_user(self) -> tuple[str, ...]: ...


W = TypeVar("W", bound=Opened)

Approve = Callable[[Sequence[LearnedKey]], None]


@dataclass(frozen=True, kw_only=True)
class CheckRequest:
    """What the operator asks for. A relative `@file` of the limit is read from `cwd`; `forks`: 0
    for those of the settings, but at least 50. `approve` gets the keys before they are written, and
    raises where they must not be; with None no key is learned."""

    cwd: Path
    limit: str = ""
    forks: int = 0
    approve: Approve | None = None


@dataclass
class Doctor(Generic[W]):
    """Checks this machine, a workspace and its hosts.

    `find` and `open` give the workspace, `load` and `lint` its inventory. `at_risk` returns why its
    state would be lost, "" where it would not; `not_used` what of an ansible.cfg is not used;
    `runner` lends a runner that leaves nothing in the workspace; `engine` returns the name of the
    lab's container engine. `state` is the state folder without valid settings; `expand` replaces
    `~` by the caller's home folder; programs get `environment`. The others ask this machine."""

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

    def run(self, check_request: CheckRequest) -> DoctorReport:
        """Run all checks. A mistake in the workspace or on a host is a check, not an exception.

        Raises UsageError for a `limit` that fits nothing, and what `approve` raises.
        """
        begun = self.clock.now_ms()
        with ThreadPoolExecutor(2) as pool:
            opened, checks = self._open()
            state = opened.state if opened else self.state
            machine_checks = pool.submit(self._machine, state)
            learned: tuple[LearnedKey, ...] = ()
            results: Sequence[Check] = ()
            hosts_asked = 0
            if opened is not None:
                fleet, inventory_checks = self._inventory(opened)
                checks += inventory_checks
                if fleet is not None:
                    linted = pool.submit(self._lint, opened)
                    hosts_asked, results, learned = self._hosts(opened, fleet, check_request)
                    checks += linted.result()
                checks += self._workspace(opened)
            all_checks = (*machine_checks.result(), *checks, *results)
        count = Counter(check.status for check in all_checks)
        return DoctorReport(
            ok=not count[CheckStatus.FAIL],
            elapsed_s=round((self.clock.now_ms() - begun) / 1000, 1),
            hosts=hosts_asked,
            counts={status: count[status] for status in CheckStatus},
            checks=all_checks,
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
        if problems and not self.trusted:  # so no file of it is read
            return None, list(doctor_workspace.owner(problems, trusted=False))
        try:
            opened = self.open()
        except PatchctlError as error:
            owner = doctor_workspace.owner(problems, trusted=self.trusted)
            return None, [*owner, *doctor_workspace.from_error("settings", error)]
        problems += self.ownership.problems(root, opened.paths_run_as_user(), users)
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
            doctor_workspace.check("", "inventory", CheckStatus.WARN, line, "fix the source")
            for line in loaded.warnings
        ]
        return loaded.fleet, warnings

    def _lint(self, opened: W) -> list[Check]:
        try:
            return list(doctor_workspace.lint(self.lint(opened).report))
        except PatchctlError as error:  # also where the state database cannot be read
            return list(doctor_workspace.from_error("state", error))

    # --- the hosts ------------------------------------------------------------------------------

    def _hosts(
        self, opened: W, fleet: Fleet, check_request: CheckRequest
    ) -> tuple[int, list[Check], tuple[LearnedKey, ...]]:
        names = hosts_of(fleet, check_request.limit, check_request.cwd)
        hosts = {host.name: host for host in fleet.hosts if host.name in set(names)}
        try:
            context = _ssh_context(opened, self.ssh)
            learned = (
                _learn(hosts.values(), context, check_request.approve, self.files)
                if check_request.approve
                else ()
            )
            request = Request(
                hosts=names,
                timeout_s=opened.settings.discovery_timeout_s,
                forks=check_request.forks or max(FORKS, opened.settings.ansible.forks),
            )
            with self.runner(opened) as runner:
                begun = self.clock.now_ms()
                answers = look(
                    fleet, names, request, runner=runner, begun=begun, progress=self.progress
                )
                looks = sorted(answers, key=lambda host_look: host_look.result.name)
        except PatchctlError as error:
            if isinstance(error, UsageError):
                raise
            return len(names), list(doctor_workspace.from_error("hosts", error)), ()
        policies = {ring.name: ring.updaters for ring in opened.settings.rings}
        checks = [
            check
            for host_look in looks
            for check in doctor_hosts.checks(
                host_look, policies.get(hosts[host_look.result.name].ring or "", UpdaterPolicy.WARN)
            )
        ]
        return len(names), _explained(checks, looks, hosts, context), learned


def _ssh_context(opened: Opened, ssh: Ssh) -> host_keys.SshContext:
    connection = opened.connection
    return host_keys.SshContext(
        ssh=ssh,
        file=Path(connection.known_hosts),
        cwd=opened.root,
        user=connection.user,
        extra_vars=connection.extra_vars,
        timeout_s=connection.connect_timeout_s,
    )


def _learn(
    hosts: Iterable[Host], context: host_keys.SshContext, approve: Approve, files: Files
) -> tuple[LearnedKey, ...]:
    content = host_keys.before(context.file)
    compared = host_keys.look(hosts, context)
    keys = compared.learnable()
    if keys:
        approve(keys)
        host_keys.learn(compared, context.file, content, files)
    return keys


def _explained(
    checks: Iterable[Check],
    looks: Iterable[Look],
    hosts: dict[str, Host],
    context: host_keys.SshContext,
) -> list[Check]:
    """Return the checks, with what ssh and DNS tell where the connection failed early."""
    stages = {host_look.result.name: doctor_hosts.ended(host_look) for host_look in looks}
    strangers = [hosts[name] for name, stage in stages.items() if stage is Stage.HOST_KEY]
    lost = [name for name, stage in stages.items() if stage in (Stage.RESOLVE, Stage.CONNECT)]
    explained: dict[tuple[str, str], Check] = {}
    if strangers:
        for name, key_check in host_keys.look(strangers, context).hosts.items():
            if key_check.check.status is CheckStatus.FAIL:
                explained[name, host_keys.CHECK] = key_check.check
    if lost:
        with ThreadPoolExecutor(_THREADS) as pool:
            resolved = pool.map(lambda name: host_keys.endpoint_of(hosts[name], context), lost)
            endpoints = dict(zip(lost, resolved, strict=True))
            addresses = dict(zip(lost, pool.map(_addresses, endpoints.values()), strict=True))
        for check in checks:
            endpoint = endpoints.get(check.subject)
            if check.name == "resolve" and endpoint is not None and not isinstance(endpoint, str):
                explained[check.subject, "resolve"] = _resolved(
                    check, endpoint, addresses[check.subject]
                )
    return [explained.get((check.subject, check.name), check) for check in checks]


def _addresses(endpoint: Endpoint | str) -> tuple[str, ...]:
    if isinstance(endpoint, str) or endpoint.jump:
        return ()
    try:
        rows = socket.getaddrinfo(endpoint.address, endpoint.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(row[4][0]) for row in rows))


def _resolved(check: Check, endpoint: Endpoint, addresses: Sequence[str]) -> Check:
    if endpoint.jump:
        text = f"{endpoint.address} by way of {endpoint.jump}"
        if check.status is CheckStatus.FAIL:
            text = f"{text}: one of the two names does not resolve"
    elif check.status is CheckStatus.FAIL:
        text = f"{endpoint.address} does not resolve"
    else:
        text = f"{endpoint.address} is {', '.join(addresses)}" if addresses else endpoint.address
    return msgspec.structs.replace(check, text=text)
