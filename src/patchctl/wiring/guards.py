"""What must hold of a workspace before it is worked with."""

from collections.abc import Iterable
from pathlib import Path

from ..adapters import git, ownership
from ..errors import InvalidInputError, Problem, UsageError
from .caller import Caller

_NO = frozenset({"", "0", "false", "no", "off"})  # a CI that was switched off by hand


def check_root(root: Path, caller: Caller) -> None:
    """Raise InvalidInputError where others than the caller or root could have written the
    workspace at `root`."""
    _refuse(ownership.problems(root, users=_users(caller)))


def check_code(root: Path, code: Iterable[str | Path], state: Path, caller: Caller) -> None:
    """The same of what it runs, and of its state."""
    _refuse(ownership.problems(root, code, _users(caller)))
    _refuse(ownership.state_problems(state, _users(caller)))


def check_paths(root: Path, paths: Iterable[str | Path], caller: Caller) -> None:
    """The same of paths that a plan names and the settings need not."""
    _refuse(ownership.problems_of(root, paths, users=_users(caller)))


def _users(caller: Caller) -> frozenset[int]:
    return ownership.trusted_users(caller.environment)


def _refuse(found: tuple[Problem, ...]) -> None:
    if found:
        raise InvalidInputError(
            problems=ownership.counted(found),
            hint="or give --trust-workspace where that is meant",
        )


def state_at_risk(root: Path, state: Path, caller: Caller) -> str:
    """Why a pipeline would lose what a command that changes hosts writes: the journal, the leases
    and the audit log lie in a checkout that is thrown away. "" where it would not."""
    if caller.environment.get("CI", "").strip().lower() in _NO:
        return ""
    checkout = git.work_tree(root)
    if checkout is None or not state.resolve().is_relative_to(checkout):
        return ""
    return (
        f"CI is set and the state {state} lies in the checkout {checkout}, with which its"
        " journal and audit log would be lost"
    )


def refuse_ephemeral_state(root: Path, state: Path, caller: Caller) -> None:
    """Raise UsageError where the state is at risk."""
    if why := state_at_risk(root, state, caller):
        raise UsageError(
            f"nothing was changed: {why}",
            hint="name a lasting folder in PATCHCTL_STATE or `state:`,"
            " or give --ephemeral-state where that is meant",
        )


def sweep(state: Path) -> None:
    """Remove what holds a secret of commands that were killed, of any workspace whose folders lie
    in memory, and of this one."""
    from ..adapters.ansible import run_folders

    run_folders.sweep_secrets(state / "runs")
