"""Show, verify and rebuild the audit log of a workspace."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..adapters.clock import now_ms
from ..errors import PatchctlError
from ..models.audit import AuditNote, AuditRecord, AuditVerdict
from ..workflows import audit as workflow
from .fleet import load
from .workspace import Workspace


def record_filter(*, run: str, host: str, since: str) -> workflow.Filter:
    """Return the filter for the command line's options. Raises UsageError for an invalid time."""
    start = workflow.since(since, now_ms()) if since else 0
    return workflow.Filter(run=run, host=host, since=start)


def records(workspace: Workspace, record_filter: workflow.Filter) -> Iterator[AuditRecord]:
    """Return records, oldest first. Raises IntegrityError where a log was written and is gone,
    NotFoundError at the end for a run or a host that is not known."""
    workflow.check_there(workspace.audit_files, partial(workspace.database, create=False))
    return workflow.records(workspace.audit_files, record_filter, partial(_is_host, workspace))


def _is_host(workspace: Workspace, name: str) -> bool:
    try:
        return load(workspace).fleet.host(name) is not None
    except PatchctlError:  # the log can be read where no inventory is
        return False


def notes(
    workspace: Workspace, record_filter: workflow.Filter, *, every: bool
) -> Iterator[AuditNote]:
    """Return the same records in words; without `every` only the decisions among them."""
    shown = replace(record_filter, decisions=not every)
    return workflow.in_words(records(workspace, shown))


def verify(workspace: Workspace) -> AuditVerdict:
    """Check that the log is complete, unchanged, and agrees with the journal."""
    return workflow.verify(workspace.audit_files, partial(workspace.database, create=False))


def rebuild(workspace: Workspace) -> tuple[int, Path]:
    """Write the log again from the journal; return its length and the folder of the old files."""
    return workflow.rebuild(workspace.audit_files, partial(workspace.database, create=False))
