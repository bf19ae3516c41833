"""Check that a workspace is safe before patchctl works with it."""

from collections.abc import Iterable
from pathlib import Path

from ..adapters import git, ownership
from ..errors import InvalidInputError, Problem, UsageError
from .caller import Caller

_NO = frozenset({"", "0", "false", "no", "off"})  # values of CI that mean no pipeline


def check_root(root: Path, caller: Caller) -> None:
    """Raise InvalidInputError where somebody other than the caller or root can write to the
    workspace at `root`."""
    _refuse(ownership.problems(root, users=_users(caller)))


def check_code_paths(root: Path, paths: Iterable[str | Path], state: Path, caller: Caller) -> None:
    """Raise InvalidInputError where somebody else can write to the workspace, to these `paths`,
    which run as the user, or to the state folder."""
    _refuse(ownership.problems(root, paths, _users(caller)))
    _refuse(ownership.state_problems(state, _users(caller)))


def check_paths(root: Path, paths: Iterable[str | Path], caller: Caller) -> None:
    """Raise InvalidInputError where somebody else can write to these paths of a plan, which the
    settings need not name."""
    _refuse(ownership.problems_of(root, paths, users=_users(caller)))


def _users(caller: Caller) -> frozenset[int]:
    return ownership.trusted_users(caller.environment)


def _refuse(problems: tuple[Problem, ...]) -> None:
    if problems:
        raise InvalidInputError(
            problems=ownership.counted(problems),
            hint="or give --trust-workspace where that is meant",
        )


def state_at_risk(root: Path, state: Path, caller: Caller) -> str:
    """Return why a pipeline would lose the journal, the leases and the audit log of a command that
    changes hosts: the state lies in a checkout that is thrown away. "" where it does not."""
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
    if risk := state_at_risk(root, state, caller):
        raise UsageError(
            f"nothing was changed: {risk}",
            hint="name a lasting folder in PATCHCTL_STATE or `state:`,"
            " or give --ephemeral-state where that is meant",
        )


def sweep(state: Path) -> None:
    """Remove secrets that killed commands left: those in memory, of any workspace, and those in
    this state folder."""
    from ..adapters.ansible import run_folders

    run_folders.sweep_secrets(state / "runs")
