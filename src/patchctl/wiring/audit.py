"""Builds what shows, verifies and mends the audit log."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ..adapters.clock import now_ms
from ..models.audit import AuditNote, AuditRecord, AuditVerdict
from ..workflows import audit as workflow
from .workspace import Workspace


def wanted(*, run: str, host: str, since: str) -> workflow.Filter:
    """Which records to show, as the command line has it. Raises UsageError for what is no time."""
    start = workflow.since(since, now_ms()) if since else 0
    return workflow.Filter(run=run, host=host, since=start)


def records(workspace: Workspace, wanted: workflow.Filter) -> Iterator[AuditRecord]:
    """Records, oldest first. Raises IntegrityError where a log was written and is gone."""
    workflow.check_there(workspace.audit_files, partial(workspace.database, create=False))
    return workflow.records(workspace.audit_files, wanted)


def notes(workspace: Workspace, wanted: workflow.Filter) -> Iterator[AuditNote]:
    """The same in words."""
    return workflow.in_words(records(workspace, wanted))


def verify(workspace: Workspace) -> AuditVerdict:
    """Is the log whole, unchanged, and what the journal says?"""
    return workflow.verify(workspace.audit_files, partial(workspace.database, create=False))


def rebuild(workspace: Workspace) -> tuple[int, Path]:
    """Write the log anew from the journal: its length, and where the old files lie."""
    return workflow.rebuild(workspace.audit_files, partial(workspace.database, create=False))
