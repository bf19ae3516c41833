"""Builds the doctor, which must work where the workspace does not."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ..adapters.ansible import leftovers
from ..adapters.ansible.runner import AnsibleRunner
from ..adapters.clock import SystemClock
from ..config import settings as settings_file
from ..errors import InvalidInputError, PatchctlError
from ..lab import engine
from ..report.discovery_text import Narrator
from ..workflows.doctor.checks import Doctor, Opened
from .workspace import Access, open_workspace


def doctor(
    directory: Path | None, access: Access, *, trusted: bool, say: Callable[[str], None]
) -> Doctor:
    """Checks this machine, the workspace at or above `directory`, and its hosts.

    Raises InvalidInputError where there is no such folder. `say` takes lines of progress.
    """
    here = directory or Path.cwd()
    if not here.is_dir():
        raise InvalidInputError("no such folder", where=str(here))
    return Doctor(
        find=lambda: settings_file.find_workspace(here),
        open=lambda: open_workspace(here, access, trusted=True),
        runner=_passing_runner,
        engine=_engine,
        state=Path(os.environ.get("PATCHCTL_STATE") or here / ".patchctl").absolute(),
        settings_file=settings_file.FILE_NAME,
        clock=SystemClock(),
        trusted=trusted,
        progress=Narrator(say),
    )


@contextlib.contextmanager
def _passing_runner(opened: Opened) -> Iterator[AnsibleRunner]:
    """A runner that makes no state folder where there is none."""
    with leftovers.passing_folder(in_memory=False) as folder:
        there = opened.state.is_dir() and os.access(opened.state, os.W_OK | os.X_OK)
        workdir = opened.state / "runs" if there else folder
        with AnsibleRunner(workdir, opened.root, opened.connection) as runner:
            yield runner


def _engine() -> str:
    try:
        return engine.find().program
    except PatchctlError:
        return ""
