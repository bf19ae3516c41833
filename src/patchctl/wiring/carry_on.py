"""Have a process in the background carry a run on, after this one has let go of it."""

import sys
import time
from pathlib import Path

from ..adapters import files, processes
from ..errors import AdapterError
from ..workflows.rollout.runs import Rollouts
from .workspace import Workspace

# A new controller has to read the inventory first.
_TAKES_S = 60.0
_LOOK_S = 0.2


def cannot_carry_on(workspace: Workspace) -> str:
    """Return why no other process can reach the hosts as this one does; "" where it can."""
    access = workspace.access
    asked = (access.ssh_password, access.vault_password, access.become_password)
    if any(secret is not None for secret in asked) or access.vault_passwords:
        return "a password was asked for here"
    if any(not variables.startswith("@") for variables in access.extra_vars):
        return "extra variables on its command line may be secret (give them as -e @FILE)"
    return ""


def command(workspace: Workspace, run: str, *, wait: bool) -> list[str]:
    """Return the command that carries the run on, with the same access to hosts."""
    access = workspace.access
    words = [sys.executable, "-m", "patchctl", "-C", str(workspace.root)]
    words += ["--trust-workspace"] if workspace.trusted else []
    words += ["rollout", "resume", run, "--ephemeral-state", "--reason", "left to the background"]
    words += [] if wait else ["--no-wait"]
    for option, values in (
        ("-i", access.sources),
        ("-u", [access.user]),
        ("--private-key", [access.private_key]),
        ("--vault-id", access.vault_ids),
        ("--vault-password-file", [access.vault_password_file]),
        ("-e", access.extra_vars),
        ("-f", [str(access.forks or "")]),
    ):
        words += [word for value in values if value for word in (option, value)]
    return words


def carry_on(workspace: Workspace, rollouts: Rollouts, run: str, *, wait: bool) -> Path:
    """Begin the process and return the file with its output, once it has taken the run. Raises
    AdapterError where it ends before that."""
    folder = files.private_folder(workspace.state / "background")
    log = folder / f"{run}.log"
    files.private_file(log)
    caller = workspace.caller
    process = processes.begin_apart(
        command(workspace, run, wait=wait), log, caller.folder, caller.environment
    )
    until = time.monotonic() + _TAKES_S
    while time.monotonic() < until:
        controller = rollouts.database.leases.controller(run)
        if controller is not None and controller[0].pid == process.pid:
            return log
        if process.poll() is not None:
            break
        time.sleep(_LOOK_S)
    said = log.read_text("utf-8", "replace").strip().splitlines()[-1:]
    raise AdapterError(
        f"no process carries run {run} on: {''.join(said) or 'it did not take the run'}",
        hint=f"go on with `patchctl rollout resume {run}`",
    )
