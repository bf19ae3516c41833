"""Lint the inventory, and compare it with a git revision."""

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
from ..workflows.plan.plan_files import read_plan
from .workspace import Workspace


def lint(workspace: Workspace) -> Linted:
    """Find mistakes in the inventory, with the newest facts where there are any."""
    snapshot = None
    with contextlib.suppress(NotFoundError):
        snapshot = workspace.database(create=False).snapshots.load()
    return workflow.lint(
        workspace.settings,
        workspace.reader(cached=True),
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
    """Compare the inventory of the working tree with that of a git revision.

    Raises NotFoundError where there is no such revision. `warn` takes a line for each plan that
    cannot be read and each host that is refused.
    """
    environment = workspace.caller.environment
    with run_folders.passing_folder(in_memory=False) as folder:
        revision_folder = folder / "revision"
        commit = git_archive.commit_of(workspace.root, revision, environment)
        links_astray = git_archive.extract(workspace.root, commit, revision_folder, environment)
        old = _settings_of(revision_folder, revision)
        connection = _from_anywhere(workspace.connection, workspace.root)
        differ = Differ(
            lambda root, static: InventoryReader(connection, root, environment, static),
            static_sources,
            folder,
            run_sources,
            warn,
        )
        sources_given = tuple(_below(workspace, source) for source in workspace.access.sources)
        before, after = (
            sources_given
            or tuple(portable(source, workspace.root) for source in settings.inventory)
            for settings in (old, workspace.settings)
        )
        return differ.diff(
            commit,
            Side(revision, revision_folder, old, before, links_astray),
            Side("", workspace.root, workspace.settings, after),
            _stored_plans(workspace, warn),
        )


def _stored_plans(workspace: Workspace, warn: Callable[[str], None]) -> list[StoredPlan]:
    """Return the plans of `plans/` and of the state database that have not expired."""
    plans = {}
    for path in sorted((workspace.root / "plans").glob("*.lock")):
        try:
            plan = read_plan(path)
            plans[plan.digest] = StoredPlan(plan, str(path.relative_to(workspace.root)))
        except PatchctlError as error:
            warn(f"warning: {error}")
    with contextlib.suppress(NotFoundError):
        stored = workspace.database(create=False).plans
        for summary in stored.list():
            known = None if summary.digest in plans else stored.load(summary.digest)
            if known is not None:
                plans[known.digest] = StoredPlan(known, "")
    now = now_ms() // 1000
    return [stored_plan for stored_plan in plans.values() if stored_plan.plan.body.expires > now]


def _settings_of(root: Path, revision: str) -> Settings:
    try:
        return settings_file.load(root / settings_file.FILE_NAME)
    except InvalidInputError as error:
        problems = [problem.inside(revision) for problem in error.problems]
        raise InvalidInputError(problems=problems, hint=error.hint) from error


def _from_anywhere(connection: Connection, root: Path) -> Connection:
    """Make vault paths absolute: a revision in another folder uses those of the working tree."""
    password_file = connection.vault_password_file
    identities = (identity.rpartition("@") for identity in connection.vault_ids)
    return msgspec.structs.replace(
        connection,
        vault_password_file=str(root / password_file) if password_file else "",
        vault_ids=tuple(
            f"{label}{separator}{root / file}" for label, separator, file in identities
        ),
    )


def _below(workspace: Workspace, source: str) -> str:
    """Return a command line source relative to the workspace, as a revision has it too."""
    if "," in source:
        return source
    path = workspace.caller.folder / source
    if not path.is_relative_to(workspace.root):
        raise UsageError(f"-i {source}: lies outside of the workspace, so no revision has it")
    return str(path.relative_to(workspace.root))
