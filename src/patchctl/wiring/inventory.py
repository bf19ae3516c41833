"""Builds what judges the inventory: lint, and the comparison with a git revision."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from ..adapters import git_archive
from ..adapters.ansible import run_folders, static_sources
from ..adapters.ansible.inventory import InventoryReader
from ..adapters.ansible.static_sources import portable
from ..adapters.clock import now_ms
from ..config import settings as settings_file
from ..errors import InvalidInputError, NotFoundError, PatchctlError, UsageError
from ..models.connection import Connection
from ..models.fleet_diff import InventoryDiff
from ..models.settings import Settings
from ..workflows.inventory import lint as workflow
from ..workflows.inventory.diff import Differ, Side, StoredPlan
from ..workflows.inventory.lint import Linted
from ..workflows.plan.make_plan import read_plan
from .workspace import Workspace


def lint(workspace: Workspace) -> Linted:
    """What is wrong with the inventory, with the newest facts where there are any."""
    snapshot = None
    with contextlib.suppress(NotFoundError):
        snapshot = workspace.database(create=False).snapshots.load()
    return workflow.lint(
        workspace.settings,
        workspace.reader(),
        workspace.sources,
        snapshot=snapshot,
        extra_vars=workspace.access.extra_vars,
        settings_file=(
            settings_file.FILE_NAME,
            (workspace.root / settings_file.FILE_NAME).read_text("utf-8-sig"),
        ),
    )


def inventory_diff(
    workspace: Workspace, revision: str, *, run_sources: bool, warn: Callable[[str], None]
) -> InventoryDiff:
    """What the working tree changes in the inventory of a git revision.

    Raises NotFoundError where there is no such revision. `warn` takes lines on plans that
    cannot be read, and on hosts that cannot be taken.
    """
    environment = workspace.caller.environment
    with run_folders.passing_folder(in_memory=False) as folder:
        then = folder / "revision"
        commit = git_archive.commit_of(workspace.root, revision, environment)
        astray = git_archive.extract(workspace.root, commit, then, environment)
        old = _settings_of(then, revision)
        connection = _from_anywhere(workspace.connection, workspace.root)
        differ = Differ(
            lambda root, static: InventoryReader(connection, root, environment, static),
            static_sources,
            folder,
            run_sources,
            warn,
        )
        given = tuple(_below(workspace, source) for source in workspace.access.sources)
        before, after = (
            given or tuple(portable(source, workspace.root) for source in one.inventory)
            for one in (old, workspace.settings)
        )
        return differ.diff(
            commit,
            Side(revision, then, old, before, astray),
            Side("", workspace.root, workspace.settings, after),
            _stored_plans(workspace, warn),
        )


def _stored_plans(workspace: Workspace, warn: Callable[[str], None]) -> list[StoredPlan]:
    """The plans of `plans/` and of the state database that have not expired."""
    found = {}
    for path in sorted((workspace.root / "plans").glob("*.lock")):
        try:
            plan = read_plan(path)
            found[plan.digest] = StoredPlan(plan, str(path.relative_to(workspace.root)))
        except PatchctlError as error:
            warn(f"warning: {error}")
    with contextlib.suppress(NotFoundError):
        stored = workspace.database(create=False).plans
        for summary in stored.list():
            known = None if summary.digest in found else stored.load(summary.digest)
            if known is not None:
                found[known.digest] = StoredPlan(known, "")
    now = now_ms() // 1000
    return [one for one in found.values() if one.plan.body.expires > now]


def _settings_of(root: Path, revision: str) -> Settings:
    try:
        return settings_file.load(root / settings_file.FILE_NAME)
    except InvalidInputError as error:
        found = [one.inside(revision) for one in error.problems]
        raise InvalidInputError(problems=found, hint=error.hint) from error


def _from_anywhere(connection: Connection, root: Path) -> Connection:
    """Vault passwords are those of the working tree, also for a revision beside it."""
    file = connection.vault_password_file
    identities = (one.rpartition("@") for one in connection.vault_ids)
    return msgspec.structs.replace(
        connection,
        vault_password_file=str(root / file) if file else "",
        vault_ids=tuple(f"{label}{at}{root / place}" for label, at, place in identities),
    )


def _below(workspace: Workspace, source: str) -> str:
    """A source of the command line, relative to the workspace: a revision has it there too."""
    if "," in source:
        return source
    path = workspace.caller.folder / source
    if not path.is_relative_to(workspace.root):
        raise UsageError(f"-i {source}: lies outside of the workspace, so no revision has it")
    return str(path.relative_to(workspace.root))
