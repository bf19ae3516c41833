"""Open a workspace for a caller: its paths, its settings and its adapters."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import settings as settings_file
from ..config.root import find_workspace
from ..errors import InvalidInputError
from ..models import grammar
from ..models.settings import Settings
from . import guards
from .caller import Caller

if TYPE_CHECKING:
    from ..adapters.ansible.inventory import InventoryReader
    from ..adapters.ansible.runner import AnsibleRunner
    from ..adapters.audit_files import AuditFiles
    from ..adapters.content_store import ContentStore
    from ..adapters.database import Database
    from ..adapters.feeds.store import FeedStore
    from ..models.connection import Connection


@dataclass(frozen=True)
class Access:
    """The command line's options for inventory and access; they win over the settings."""

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
    directory: Path | None, caller: Caller, access: Access | None = None, *, trusted: bool = False
) -> "Workspace":
    """Open the workspace at or above `directory` (default: the caller's folder).

    Raises InvalidInputError where there is none, its settings are wrong, or, unless it is
    `trusted`, somebody else can write to it.
    """
    root = find_workspace(directory or caller.folder, caller.folder)
    if not trusted:
        guards.check_root(root, caller)  # before any file of it is read
    settings = settings_file.load(root / settings_file.FILE_NAME)
    opened = Workspace(root, settings, caller, access or Access(), trusted=trusted)
    if not trusted:
        guards.check_code_paths(root, opened.paths_run_as_user(), opened.state, caller)
    guards.sweep(opened.state)
    return opened


def state_folder(root: Path, settings: Settings, caller: Caller) -> Path:
    """Return the state folder: PATCHCTL_STATE, else the settings' `state`, relative to `root`."""
    return root / caller.expand(caller.environment.get("PATCHCTL_STATE") or settings.state)


class Workspace:
    """One workspace of one caller: paths, settings, and adapters, which are made on first use. The
    other modules of this package build the use cases with them, one module for each.
    """

    def __init__(
        self, root: Path, settings: Settings, caller: Caller, access: Access, *, trusted: bool
    ) -> None:
        self.root = root
        self.trusted = trusted
        self.settings = settings
        self.caller = caller
        self.access = access
        self.state = state_folder(root, settings, caller)
        self._database: Database | None = None

    # --- paths ----------------------------------------------------------------------------------

    @property
    def settings_file(self) -> Path:
        """`patchctl.yml`."""
        return self.root / settings_file.FILE_NAME

    @property
    def sources(self) -> tuple[str, ...]:
        """Inventory sources of the command line, else those of the settings."""
        if self.access.sources:
            # These paths are relative to the caller's folder, not to the workspace.
            return tuple(
                source if "," in source else str(self.caller.folder / source)
                for source in self.access.sources
            )
        return self.settings.inventory

    def paths_run_as_user(self) -> tuple[str, ...]:
        """Return the paths whose content runs as the user: inventory sources, and the top folders
        of hooks, which may include other files there."""
        tops = (grammar.path_parts(hook)[0] for hook in self.hooks() if hook)
        return (*self.sources, *dict.fromkeys(tops))

    def hooks(self) -> Iterator[str]:
        """Return the hook task files of all rings; a ring without a hook gives ""."""
        return (hook for ring in self.settings.rings for hook in (ring.drain, ring.undrain))

    # --- adapters -------------------------------------------------------------------------------

    @cached_property
    def connection(self) -> "Connection":
        """How Ansible connects to hosts. Raises InvalidInputError for unusable settings."""
        from ..models.connection import Connection

        ansible, access = self.settings.ansible, self.access
        become = access.become_password
        if become is None and ansible.become_password_file:
            become = self._secret(ansible.become_password_file)
        if asking := [
            identity for identity in ansible.vault_ids if identity.rpartition("@")[2] == "prompt"
        ]:
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
        path = self.root / self.caller.expand(name)
        try:
            return path.read_text("utf-8").rstrip("\n")
        except OSError as error:
            raise InvalidInputError(
                f"cannot read the password file: {error.strerror}", where=str(path)
            ) from error

    def reader(self, *, cached: bool = False) -> "InventoryReader":
        """Return a reader of inventory sources; `cached`: unchanged sources are not read again."""
        from ..adapters.ansible.inventory import InventoryReader
        from ..adapters.ansible.inventory_cache import InventoryCache

        # Reading an inventory makes no state folder.
        cache = InventoryCache(self.state / "cache") if cached and self.state.is_dir() else None
        return InventoryReader(self.connection, self.root, self.caller.environment, cache=cache)

    @cached_property
    def runner(self) -> "AnsibleRunner":
        """The runner of Ansible playbooks."""
        from ..adapters.ansible.runner import AnsibleRunner

        return AnsibleRunner(
            self.state / "runs", self.root, self.connection, self.caller.environment
        )

    @cached_property
    def store(self) -> "ContentStore":
        """The store of plans' package files, by hash."""
        from ..adapters.content_store import ContentStore

        return ContentStore(self.state / "store")

    @cached_property
    def feeds(self) -> "FeedStore":
        """The store of vulnerability feeds."""
        from ..adapters.feeds.store import FeedStore

        return FeedStore(self.state / "feeds")

    @property
    def audit_files(self) -> "AuditFiles":
        """The files of the audit log."""
        from ..adapters.audit_files import AuditFiles

        return AuditFiles(self.state / "audit")

    def database(self, *, create: bool = True) -> "Database":
        """Return the open state database. Raises NotFoundError where there is none and `create` is
        False."""
        from ..adapters.database import Database

        if self._database is None:
            self._database = Database(self.state / "state.db").open(create=create)
        return self._database
