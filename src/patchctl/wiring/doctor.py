"""Build the doctor, which must work where the workspace does not."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ..adapters import files, git, machine, ownership, ssh_keys
from ..adapters.ansible import run_folders
from ..adapters.ansible.runner import AnsibleRunner
from ..adapters.clock import SystemClock
from ..config import settings as settings_file
from ..config.root import find_workspace
from ..errors import InvalidInputError, PatchctlError
from ..lab import engine
from ..report.discovery_view import Narrator
from ..workflows.doctor.checks import Doctor
from . import ansible_cfg, guards
from .caller import Caller
from .fleet import load
from .inventory import lint
from .workspace import Access, Workspace, open_workspace


def doctor(
    directory: Path | None,
    caller: Caller,
    access: Access,
    *,
    trusted: bool,
    say: Callable[[str], None],
) -> Doctor[Workspace]:
    """Return the doctor of this machine, the workspace at or above `directory`, and its hosts.

    Raises InvalidInputError where there is no such folder. `say` takes lines of progress.
    """
    folder = directory or caller.folder
    if not (caller.folder / folder).is_dir():
        raise InvalidInputError("no such folder", where=str(folder))
    state = caller.environment.get("PATCHCTL_STATE") or folder / ".patchctl"
    return Doctor(
        find=lambda: find_workspace(folder, caller.folder),
        open=lambda: open_workspace(folder, caller, access, trusted=True),
        load=load,
        lint=lint,
        at_risk=lambda opened: guards.state_at_risk(opened.root, opened.state, caller),
        not_used=lambda opened: ansible_cfg.not_used(opened.root, opened.settings),
        runner=_passing_runner,
        engine=lambda: _engine(caller.environment),
        state=caller.folder / state,
        environment=caller.environment,
        expand=caller.expand,
        settings_file=settings_file.FILE_NAME,
        system=machine,
        ownership=ownership,
        git=git,
        ssh=ssh_keys,
        files=files,
        clock=SystemClock(),
        trusted=trusted,
        progress=Narrator(say),
    )


@contextlib.contextmanager
def _passing_runner(opened: Workspace) -> Iterator[AnsibleRunner]:
    """Yield a runner that makes no state folder where there is none."""
    with run_folders.passing_folder(in_memory=False) as folder:
        writable = opened.state.is_dir() and os.access(opened.state, os.W_OK | os.X_OK)
        workdir = opened.state / "runs" if writable else folder
        environment = opened.caller.environment
        with AnsibleRunner(workdir, opened.root, opened.connection, environment) as runner:
            yield runner


def _engine(environment: Mapping[str, str]) -> str:
    try:
        return engine.find(environment).program
    except PatchctlError:
        return ""
