"""Ask git about the revision of the workspace. Git may be missing."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from ..models.revision import Revision

_TIMEOUT_S = 20

# Nothing that the checkout configures may run: hooks, a file system monitor, external diffs.
_QUIET = (
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.untrackedCache=false",
)


def revision(folder: Path, environment: Mapping[str, str]) -> Revision:
    """The revision of the checkout around the folder; an empty one where it cannot be read."""
    commit = ask(folder, environment, "rev-parse", "--verify", "HEAD^{commit}").strip()
    if len(commit) not in (40, 64) or not all(digit in "0123456789abcdef" for digit in commit):
        return Revision()
    # Only of the workspace: the folder may be a small part of a large repository.
    changes = ask(folder, environment, "status", "--porcelain", "--", ".")
    return Revision(commit, bool(changes.strip()))


def work_tree(folder: Path) -> Path | None:
    """The top of the checkout around the folder, links resolved, or None.

    Git itself is not asked: it may be missing, and it refuses a checkout that belongs to somebody
    else, as in many pipelines' containers.
    """
    here = folder.resolve()
    # `.git` is a folder; in a linked work tree and in a submodule it is a file.
    return next((parent for parent in (here, *here.parents) if (parent / ".git").exists()), None)


def own_environment(outside: Mapping[str, str]) -> dict[str, str]:
    """`outside` without what would direct git to another repository, with messages in English."""
    environment = {key: value for key, value in outside.items() if not key.startswith("GIT_")}
    return {**environment, "LC_ALL": "C"}


def ask(
    folder: Path, environment: Mapping[str, str], *arguments: str, trusted: bool = False
) -> str:
    """Git's stdout in the folder; empty where git fails or is missing.

    `trusted`: git itself need not judge whose checkout it is. Only for questions that run nothing.
    """
    own = own_environment(environment)
    own |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    own |= {"GIT_NO_LAZY_FETCH": "1"}  # a partial clone would run its transport
    safe = ("-c", "safe.directory=*") if trusted else ()
    try:
        done = subprocess.run(
            ["git", *_QUIET, *safe, *arguments],
            cwd=folder,
            env=own,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""
