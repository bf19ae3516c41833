"""Show, verify and rebuild the audit log of a workspace."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ..adapters.clock import now_ms
from ..models.audit import AuditNote, AuditRecord, AuditVerdict
from ..workflows import audit as workflow
from .workspace import Workspace


def record_filter(*, run: str, host: str, since: str) -> workflow.Filter:
    """Return the filter for the command line's options. Raises UsageError for an invalid time."""
    start = workflow.since(since, now_ms()) if since else 0
    return workflow.Filter(run=run, host=host, since=start)


def records(workspace: Workspace, record_filter: workflow.Filter) -> Iterator[AuditRecord]:
    """Return records, oldest first. Raises IntegrityError where a log was written and is gone."""
    workflow.check_there(workspace.audit_files, partial(workspace.database, create=False))
    return workflow.records(workspace.audit_files, record_filter)


def notes(workspace: Workspace, record_filter: workflow.Filter) -> Iterator[AuditNote]:
    """Return the same records in words."""
    return workflow.in_words(records(workspace, record_filter))


def verify(workspace: Workspace) -> AuditVerdict:
    """Check that the log is complete, unchanged, and agrees with the journal."""
    return workflow.verify(workspace.audit_files, partial(workspace.database, create=False))


def rebuild(workspace: Workspace) -> tuple[int, Path]:
    """Write the log again from the journal; return its length and the folder of the old files."""
    return workflow.rebuild(workspace.audit_files, partial(workspace.database, create=False))
