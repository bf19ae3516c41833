"""Check that git has a file, with the very bytes that were read, at HEAD of the checkout.

The bytes are compared with the blob of the commit. Git's index is not used: the file may change a
moment later, and somebody may have told the index to overlook a change.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from ..errors import AdapterError, NotFoundError, Problem
from ..models.revision import AtHead
from . import git_archive, ownership
from .git import ask, work_tree

# Who can write these decides what HEAD is. The objects themselves have their hashes as names.
_DECIDES = ("HEAD", "packed-refs", "refs")
_FOLDERS = ("", "objects", "objects/info", "objects/pack")


def at_head(
    root: Path, path: Path, data: bytes, environment: Mapping[str, str], *, trusted: bool
) -> AtHead:
    """Look for the bytes `data`, read from `path`, at HEAD of the checkout around `root`.

    Nothing that the checkout configures runs. The workspace's owner and modes are judged already;
    unless it is `trusted` in spite of them, this judges who could have moved HEAD.
    """
    here, file = Path(os.path.realpath(root)), Path(os.path.realpath(path))
    if work_tree(here) is None:
        return AtHead("", "the workspace is in no git checkout")
    if not file.is_relative_to(here):
        return AtHead("", "it lies outside of the workspace, so git cannot vouch for it")
    try:
        commit = git_archive.commit_of(here, "HEAD", environment, trusted=True)
        prefix = ask(here, environment, "rev-parse", "--show-prefix", trusted=True).rstrip("\n")
        name = f"{prefix}{file.relative_to(here)}"
        committed = git_archive.content(here, commit, name, len(data), environment)
    except NotFoundError:
        return AtHead("", "its git checkout has no commit yet")
    except AdapterError as error:
        return AtHead("", error.message)
    if committed != data:
        return AtHead("", "git does not have it at HEAD as it is")
    if not trusted and (problems := _writable_by_others(here, environment)):
        return AtHead(
            "", f"others could have committed it ({problems[0].path}: {problems[0].message})"
        )
    return AtHead(commit)


def _writable_by_others(folder: Path, environment: Mapping[str, str]) -> tuple[Problem, ...]:
    """What others could have written in the checkout's git folders."""
    names = ("--git-dir", "--git-common-dir")  # a linked work tree has a HEAD of its own
    answers = [ask(folder, environment, "rev-parse", name, trusted=True).strip() for name in names]
    tops = [Path(os.path.realpath(folder / name)) for name in dict.fromkeys(answers) if name]
    return ownership.problems_of(
        folder,
        [top / name for top in tops for name in _DECIDES],
        users=ownership.trusted_users(environment),
        folders=[top / name for top in tops for name in _FOLDERS],
    )
