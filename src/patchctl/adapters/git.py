"""Which revision of the workspace something was made from. Git may be missing."""

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

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


class Revision(NamedTuple):
    """`commit` is empty outside of a checkout; `dirty`: files differ from it or are untracked."""

    commit: str = ""
    dirty: bool = False


def revision(folder: Path) -> Revision:
    """The revision of the checkout around the folder; an empty one where nothing can be said."""
    commit = ask(folder, "rev-parse", "--verify", "HEAD^{commit}").strip()
    if len(commit) not in (40, 64) or not all(digit in "0123456789abcdef" for digit in commit):
        return Revision()
    # Only of the workspace: the folder may be a small part of a large repository.
    return Revision(commit, bool(ask(folder, "status", "--porcelain", "--", ".").strip()))


def work_tree(folder: Path) -> Path | None:
    """The top of the checkout around the folder, links resolved, or None.

    Git itself is not asked: it may be missing, and it says nothing of a checkout that belongs to
    somebody else, as in many pipelines' containers.
    """
    here = folder.resolve()
    # A folder; in a linked work tree and in a submodule a file.
    return next((one for one in (here, *here.parents) if (one / ".git").exists()), None)


def ask(folder: Path, *arguments: str, trusted: bool = False) -> str:
    """What git says on stdout in the folder; nothing where it fails or is missing.

    `trusted`: git itself need not judge whose checkout it is. Only for questions that run nothing.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    environment |= {"GIT_NO_LAZY_FETCH": "1"}  # a partial clone would run its transport
    safe = ("-c", "safe.directory=*") if trusted else ()
    try:
        done = subprocess.run(
            ["git", *_QUIET, *safe, *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""
