"""The composition root: builds adapters and workflows from settings and the command line."""

import contextlib
import getpass
import os
import socket
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..adapters import ownership
from ..config import settings as settings_file
from ..errors import ConflictError, InvalidInputError, NotFoundError, Problem, UsageError
from ..models import grammar
from ..models.settings import Settings

if TYPE_CHECKING:
    from ..adapters.ansible.job import Connection
    from ..adapters.ansible.runner import AnsibleRunner
    from ..adapters.audit_files import AuditFiles
    from ..adapters.content_store import ContentStore
    from ..adapters.database import Database
    from ..adapters.feeds.store import FeedStore
    from ..adapters.known_names import KnownNames
    from ..executors.hooks import PlannedHooks
    from ..models.fleet import Fleet
    from ..models.plan import Plan
    from ..models.snapshot import Snapshot
    from ..rollout.interfaces import EventSink, Executor
    from ..workflows.inventory.lint import Linted
    from ..workflows.inventory.show import Loaded
    from ..workflows.plan.make_plan import FoundPlan
    from ..workflows.rollout.host_clean import Action, HostKeeps
    from ..workflows.rollout.runs import Rollouts


_NO = frozenset({"", "0", "false", "no", "off"})  # a CI that was switched off by hand


@dataclass(frozen=True)
class Access:
    """What the command line says about inventory and access; it wins over the settings."""

    sources: tuple[str, ...] = ()
    user: str = ""
    private_key: str = ""
    ssh_password: str | None = field(default=None, repr=False)
    become_password: str | None = field(default=None, repr=False)
    vault_ids: tuple[str, ...] = ()
    vault_password_file: str = ""
    vault_password: str | None = field(default=None, repr=False)
    vault_passwords: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    extra_vars: tuple[str, ...] = ()
    forks: int = 0


def open_workspace(
    directory: Path | None, access: Access | None = None, *, trusted: bool = False
) -> "Workspace":
    """The workspace at or above `directory` (default: the current folder).

    Raises InvalidInputError where there is none, its settings are wrong, or, unless it is
    `trusted`, somebody else could have written it.
    """
    root = settings_file.find_workspace(directory or Path.cwd())
    if not trusted:
        _refuse(ownership.problems(root))  # before a byte of it is read
    settings = settings_file.load(root / settings_file.FILE_NAME)
    opened = Workspace(root, settings, access or Access(), trusted=trusted)
    if not trusted:
        _refuse(ownership.problems(root, opened.code()))
        _refuse(ownership.state_problems(opened.state))
    opened.sweep()
    return opened


def _refuse(found: tuple[Problem, ...]) -> None:
    if found:
        raise InvalidInputError(
            problems=ownership.counted(found),
            hint="or give --trust-workspace where that is meant",
        )


def known_names(directory: Path | None, *, trusted: bool = False) -> "KnownNames":
    """What shell completion may offer in the workspace; nothing of it is run."""
    from ..adapters.known_names import KnownNames

    opened = open_workspace(directory, trusted=trusted)
    return KnownNames(opened.state, opened.settings.ring_names)


def state_folder(root: Path, settings: Settings) -> Path:
    """Where state lies: PATCHCTL_STATE, else the settings' `state`, relative to the workspace."""
    chosen = os.environ.get("PATCHCTL_STATE") or settings.state
    return (root / Path(chosen).expanduser()).absolute()


def operator() -> str:
    """Who is at the keyboard: `user@machine`. In a sudo session the user behind it."""
    user = os.environ.get("SUDO_USER") or getpass.getuser()
    return f"{user}@{socket.gethostname()}"


class Workspace:
    """One workspace and everything that is built from it, each when it is first asked for."""

    def __init__(
        self, root: Path, settings: Settings, access: Access, *, trusted: bool = False
    ) -> None:
        self.root = root
        self.trusted = trusted
        self.settings = settings
        self.access = access
        self.state = state_folder(root, settings)

    def sweep(self) -> None:
        """Remove what holds a secret of commands that were killed, of any workspace whose folders
        lie in memory, and of this one."""
        from ..adapters.ansible import leftovers

        leftovers.sweep_secrets(self.state / "runs")

    def state_at_risk(self) -> str:
        """Why a pipeline would lose what a command that changes hosts writes: the journal, the
        leases and the audit log lie in a checkout that is thrown away. "" where it would not."""
        from ..adapters import git

        if os.environ.get("CI", "").strip().lower() in _NO:
            return ""
        checkout = git.work_tree(self.root)
        if checkout is None or not self.state.resolve().is_relative_to(checkout):
            return ""
        return (
            f"CI is set and the state {self.state} lies in the checkout {checkout}, with which its"
            " journal and audit log would be lost"
        )

    def keep_state(self, *, ephemeral: bool) -> None:
        """Raise UsageError where the state is at risk, unless it is meant to be `ephemeral`."""
        if not ephemeral and (why := self.state_at_risk()):
            raise UsageError(
                f"nothing was changed: {why}",
                hint="name a lasting folder in PATCHCTL_STATE or `state:`,"
                " or give --ephemeral-state where that is meant",
            )

    def code(self) -> tuple[str, ...]:
        """What of the workspace runs as the user: inventory sources, and the folders that hooks
        lie in, of which they may include the rest."""
        tops = (grammar.path_parts(hook)[0] for hook in self.hooks() if hook)
        return (*self.sources, *dict.fromkeys(tops))

    def hooks(self) -> "Iterator[str]":
        """Task files of the rings, empty names among them."""
        return (hook for ring in self.settings.rings for hook in (ring.drain, ring.undrain))

    def judge(self, paths: Iterable[str | Path]) -> None:
        """Raise InvalidInputError where others than the user or root could have written these,
        which a plan names and the settings need not."""
        if not self.trusted:
            _refuse(ownership.problems_of(self.root, paths))

    @property
    def sources(self) -> tuple[str, ...]:
        """Inventory sources, as given on the command line or in the settings."""
        if self.access.sources:
            # Given relative to where the operator stands, not to the workspace.
            return tuple(
                source if "," in source else str(Path(source).absolute())
                for source in self.access.sources
            )
        return self.settings.inventory

    @cached_property
    def connection(self) -> "Connection":
        """How hosts are reached."""
        from ..adapters.ansible.job import Connection

        ansible, access = self.settings.ansible, self.access
        become = access.become_password
        if become is None and ansible.become_password_file:
            become = self._secret(ansible.become_password_file)
        if asking := [one for one in ansible.vault_ids if one.rpartition("@")[2] == "prompt"]:
            raise InvalidInputError(
                f"{asking[0]}: settings cannot ask",
                where=f"{settings_file.FILE_NAME}: ansible.vault_ids",
                hint="name a file, or give --vault-id on the command line",
            )
        return Connection(
            user=access.user or ansible.user,
            private_key=access.private_key or ansible.private_key,
            ssh_password=access.ssh_password,
            become_password=become,
            vault_ids=access.vault_ids or (() if access.vault_passwords else ansible.vault_ids),
            vault_passwords=access.vault_passwords,
            vault_password_file=access.vault_password_file or ansible.vault_password_file,
            vault_password=access.vault_password,
            extra_vars=access.extra_vars,
            forks=access.forks or ansible.forks,
            connect_timeout_s=ansible.connect_timeout_s,
            known_hosts=str(self.root / "known_hosts"),
        )

    def _secret(self, name: str) -> str:
        path = self.root / Path(name).expanduser()
        try:
            return path.read_text("utf-8").rstrip("\n")
        except OSError as error:
            raise InvalidInputError(
                f"cannot read the password file: {error.strerror}", where=str(path)
            ) from error

    @cached_property
    def inventory(self) -> "Loaded":
        """The merged inventory with its rings, and what Ansible warned about."""
        from ..adapters import known_names
        from ..adapters.ansible.inventory import InventoryReader
        from ..adapters.ansible.inventory_cache import InventoryCache
        from ..workflows.inventory.show import load_fleet

        # Looking at an inventory makes no state folder.
        cache = InventoryCache(self.state / "cache") if self.state.is_dir() else None
        reader = InventoryReader(self.connection, self.root, cache=cache)
        loaded = load_fleet(self.settings, reader, self.sources)
        if not self.access.sources:
            hosts, groups = loaded.fleet.hosts, loaded.fleet.groups
            known_names.remember(
                self.state, (host.name for host in hosts), (group.name for group in groups)
            )
        return loaded

    @property
    def fleet(self) -> "Fleet":
        """The merged inventory with its rings."""
        return self.inventory.fleet

    def lint(self) -> "Linted":
        """What is wrong with the inventory, with the newest facts where there are any."""
        from ..adapters.ansible.inventory import InventoryReader
        from ..workflows.inventory.lint import lint

        snapshot = None
        with contextlib.suppress(NotFoundError):
            snapshot = self.database(create=False).snapshots.load()
        return lint(
            self.settings,
            InventoryReader(self.connection, self.root),
            self.sources,
            snapshot=snapshot,
            extra_vars=self.access.extra_vars,
            settings_file=(
                settings_file.FILE_NAME,
                (self.root / settings_file.FILE_NAME).read_text("utf-8-sig"),
            ),
        )

    @cached_property
    def runner(self) -> "AnsibleRunner":
        """Runs playbooks."""
        from ..adapters.ansible.runner import AnsibleRunner

        return AnsibleRunner(self.state / "runs", self.root, self.connection)

    @cached_property
    def store(self) -> "ContentStore":
        """The packages of plans, by hash."""
        from ..adapters.content_store import ContentStore

        return ContentStore(self.state / "store")

    @cached_property
    def feeds(self) -> "FeedStore":
        """The vulnerability data that is held."""
        from ..adapters.feeds.store import FeedStore

        return FeedStore(self.state / "feeds")

    @property
    def audit_files(self) -> "AuditFiles":
        """The files of the audit log."""
        from ..adapters.audit_files import AuditFiles

        return AuditFiles(self.state / "audit")

    def database(self, *, create: bool = True) -> "Database":
        """The open state database; NotFoundError where there is none and `create` is False."""
        return self._database if create or "_database" in self.__dict__ else self._existing()

    @cached_property
    def _database(self) -> "Database":
        from ..adapters.database import Database

        return Database(self.state / "state.db").open()

    def _existing(self) -> "Database":
        from ..adapters.database import Database

        self.__dict__["_database"] = found = Database(self.state / "state.db").open(create=False)
        return found

    def find_plan(self, name: str) -> "Plan":
        """A plan by path or by a unique prefix of its digest; the newest where there is no name."""
        return self.found_plan(name).plan

    def found_plan(self, name: str) -> "FoundPlan":
        """The same with the bytes of its file, where it has one."""
        from ..workflows.plan.make_plan import find_plan

        return find_plan(name, lambda: self.database(create=False), self.root)

    def discover(
        self,
        hosts: Collection[str] | None,
        *,
        refresh: bool,
        say: Callable[[str], None],
        timeout_s: int = 0,
    ) -> "Snapshot":
        """Look at the named hosts (None: all) now and store what is found. `say` takes lines of
        progress; `timeout_s` for each host, 0: the settings'."""
        from ..adapters.clock import SystemClock
        from ..report.discovery_text import Narrator
        from ..workflows.discovery.discover import Request, discover

        request = Request(
            hosts=None if hosts is None else tuple(hosts),
            refresh=refresh,
            timeout_s=timeout_s or self.settings.discovery_timeout_s,
        )
        return discover(
            self.fleet,
            request,
            runner=self.runner,
            clock=SystemClock(),
            prepare=self.database,
            save=lambda snapshot: self.database().snapshots.save(snapshot),
            progress=Narrator(say),
        )

    def check_free(self, hosts: Sequence[str]) -> None:
        """Raise ConflictError where a run of this workspace that is not over holds a host."""
        with contextlib.suppress(NotFoundError):
            held = self.database(create=False).leases.held(hosts)
            if held:
                host, run = next(iter(held.items()))
                more = f" (and {len(held) - 1} more)" if len(held) > 1 else ""
                raise ConflictError(
                    f"host {host}{more} is held by run {run}, which could not go on or be undone",
                    hint=f"let it end: `patchctl rollout resume {run}` or `patchctl rollout abort"
                    f" {run}`; --force removes all the same",
                )

    def import_hosts(self, path: Path) -> "Snapshot":
        """Store what a file says of hosts that nobody can reach."""
        from ..adapters.clock import now_ms
        from ..workflows.discovery.import_hosts import import_hosts

        return import_hosts(
            path, now_ms=now_ms, save=lambda taken: self.database().snapshots.save(taken)
        )

    def look_after(self, action: "Action", hosts: Sequence[str]) -> "Iterator[HostKeeps]":
        """Show or remove what patchctl keeps on hosts, one result a host as they answer."""
        from ..adapters import content
        from ..adapters.clock import now_ms
        from ..inventory.export import generate
        from ..protocol.replies import parse
        from ..workflows.rollout.host_clean import look_after

        return look_after(
            action,
            hosts,
            runner=self.runner,
            playbook=content.playbook("host"),
            inventory=lambda names: generate(self.fleet, names),
            read=parse,
            job=f"host-{now_ms()}",
        )

    def rollouts(self, sinks: Sequence["EventSink"] = ()) -> "Rollouts":
        """Carries runs of this workspace; `sinks` are told of every journal entry."""
        from ..adapters import processes
        from ..adapters.clock import SystemClock
        from ..workflows.rollout.runs import Rollouts

        database = self.database()
        return Rollouts(
            database=database,
            executor=self._executor,
            fleet=lambda: self.fleet,
            clock=SystemClock(),
            process=processes.own(),
            alive=processes.is_alive,
            by=operator(),
            audit=self.audit_files,
            check=self.store.check,
            hooks=lambda plan: self._planned_hooks(plan).check(),
            sinks=sinks,
        )

    def _planned_hooks(self, plan: "Plan") -> "PlannedHooks":
        from ..executors.hooks import PlannedHooks

        return PlannedHooks(root=self.root, body=plan.body, judge=self.judge)

    def _executor(self, plan: "Plan") -> "Executor":
        from ..executors.ansible import AnsibleExecutor
        from ..inventory.export import generate

        return AnsibleExecutor(
            plan=plan,
            inventory=lambda hosts: generate(self.fleet, hosts),
            runner=self.runner,
            store=self.store,
            hooks=self._planned_hooks(plan),
            over=self._ended_runs(),
        )

    def _ended_runs(self) -> list[str]:
        """The newest runs that are over."""
        from ..models.states import OVER

        return [run.id for run in self.database().runs.list(500) if run.state in OVER]
