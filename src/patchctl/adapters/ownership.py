"""Judge who could have written the workspace, since a workspace is code that runs as its reader.

Its inventories are programs and its hooks are playbook tasks, so they are as trustworthy as the
accounts that can change them. The rules are those of git's `safe.directory` (owner: the user, root,
and in a sudo session the user behind it) and of sshd's StrictModes (nothing writable by others, the
folders above included: who can rename a folder can put another one in its place).
"""

import grp
import os
import pwd
import stat
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from ..errors import Problem
from ..models.words import more

# Judged whether the settings name them or not; missing ones are skipped.
PATHS = (
    *("patchctl.yml", "approvers.yml", "exceptions.yml", "known_hosts"),
    *("inventory", "hooks", "plans"),
)
_BESIDE = ("group_vars", "host_vars")  # Ansible reads them beside every inventory source

_MOST = 50_000  # files; a fleet of 10,000 hosts has a file or two for each
# Groups below this number are the system's own on every distribution (Debian policy 9.2.2), so
# that /etc/group and /etc/passwd show all of their members; a directory service need not.
_SYSTEM_GROUPS = 100


def trusted_users(environment: Mapping[str, str]) -> frozenset[int]:
    """The users whose files are as good as one's own: the user, root, and under sudo, by the
    environment, the caller."""
    mine = os.geteuid()
    behind = environment.get("SUDO_UID", "") if mine == 0 else ""
    # Somebody who can set root's environment is root already.
    caller = {int(behind)} if behind.isascii() and behind.isdigit() and len(behind) < 11 else set()
    return frozenset({0, mine} | caller)


def problems(
    root: Path, sources: Iterable[str | Path] = (), users: frozenset[int] | None = None
) -> tuple[Problem, ...]:
    """What in the workspace at `root` others own or can write, the folders above first.

    `sources` are paths that are read besides PATHS, relative to the root or absolute: inventory
    sources and hooks; a list of host names with a comma is skipped. A path that is missing is no
    problem. `users` are the numbers of trusted users; None: root and this user.
    """
    judge = _Judge(trusted_users({}) if users is None else users)
    judge.folder(root)
    for name in (*PATHS, *_BESIDE):
        judge.everything(root / name)
    for source in sources:
        if "," in str(source):
            continue
        path = root / source
        judge.everything(path)
        for name in _BESIDE:
            judge.everything(path.parent / name)
    return tuple(judge.problems)


def problems_of(
    root: Path,
    names: Iterable[str | Path],
    users: frozenset[int] | None = None,
    *,
    folders: Iterable[Path] = (),
) -> tuple[Problem, ...]:
    """The same for these files and folders alone, relative to the root or absolute, and for the
    folders that lead to them. `folders` are judged without their content. A path that is missing is
    no problem."""
    judge = _Judge(trusted_users({}) if users is None else users)
    for folder in folders:
        judge.folder(folder)
    for name in names:
        judge.everything(root / name)
    return tuple(judge.problems)


def state_problems(folder: Path, users: frozenset[int] | None = None) -> tuple[Problem, ...]:
    """What others own in a state folder, or could put in its place. A missing one is no problem.

    Its mode is not judged: it is made 0700 whenever the state is opened.
    """
    judge = _Judge(trusted_users({}) if users is None else users)
    if folder.exists():
        judge.above(Path(os.path.realpath(folder)))
        for path in (folder, folder / "state.db"):
            judge.owner(path)
    return tuple(judge.problems)


def counted(problems: tuple[Problem, ...], most: int = 10) -> list[Problem]:
    """The first `most` problems, and one more that counts the others."""
    listed = list(problems[:most])
    if len(problems) > most:
        listed.append(Problem(message=f"{more(len(problems) - most)} of this kind"))
    return listed


class _Judge:
    """Judges every path once and collects the problems."""

    def __init__(self, users: frozenset[int]) -> None:
        self.problems: list[Problem] = []
        self._users = users
        self._seen: set[tuple[Path, bool]] = set()
        self._left = _MOST

    def folder(self, path: Path) -> None:
        """Judge a folder by itself, and those above it."""
        self.above(path)
        self._judge(path)

    def above(self, path: Path) -> None:
        """Judge the folders that lead to a resolved path: nobody else may exchange one of them."""
        for folder in reversed(path.parents):
            self._judge(folder, passage=True)

    def everything(self, path: Path) -> None:
        """Judge a file, or a folder with all that is in it; links are followed, once."""
        if not os.path.lexists(path):
            return
        # The path as it is written, with the links in it, and as the kernel resolves it.
        self.above(path)
        self.above(Path(os.path.realpath(path)))
        waiting = [path]
        while waiting:
            waiting += self._walk(waiting.pop())

    def owner(self, path: Path) -> None:
        """Judge only to whom a file or folder belongs."""
        try:
            self._owned(path, path.stat())
        except FileNotFoundError:
            pass
        except OSError as error:
            self._unreadable(path, error)

    def _walk(self, path: Path) -> Iterator[Path]:
        if (path, False) in self._seen:
            return
        if self._left == 0:
            self._complain(path, f"there are more than {_MOST} files", "keep only sources there")
        self._left -= 1
        if self._left < 0:
            return
        status = self._judge(path)
        if status is None:
            return
        if stat.S_ISLNK(status.st_mode):
            target = Path(os.path.realpath(path))
            if target.exists():
                self.above(target)
                yield target
        elif stat.S_ISDIR(status.st_mode):
            try:
                with os.scandir(path) as entries:
                    names = sorted(entry.name for entry in entries)
            except OSError as error:
                self._unreadable(path, error)
                return
            yield from (path / name for name in names)

    def _judge(self, path: Path, *, passage: bool = False) -> os.stat_result | None:
        """Judge one path, not what it points to."""
        if (path, passage) in self._seen or (passage and (path, False) in self._seen):
            return None
        self._seen.add((path, passage))
        try:
            status = path.lstat()
        except FileNotFoundError:
            return None  # vanished meanwhile, or a link to nothing: reading it will say so
        except OSError as error:
            self._unreadable(path, error)
            return None
        if self._owned(path, status) and not stat.S_ISLNK(status.st_mode):  # a link has no mode
            self._writable(path, status, passage=passage)
        return status

    def _owned(self, path: Path, status: os.stat_result) -> bool:
        if status.st_uid in self._users:
            return True
        why = f"belongs to {_user(status.st_uid)}, neither to you nor to root"
        self._complain(path, why, f"`chown {_user(os.geteuid())} {path}`")
        return False

    def _writable(self, path: Path, status: os.stat_result, *, passage: bool) -> None:
        # In a sticky folder only its owner and a name's owner may rename or remove the name.
        if passage and status.st_mode & stat.S_ISVTX:
            return
        if status.st_mode & stat.S_IWOTH:
            self._complain(path, "everybody can write it", f"`chmod o-w {path}`")
        elif status.st_mode & stat.S_IWGRP and not self._harmless(path, status.st_gid):
            why = f"the group {_group(status.st_gid)} can write it"
            self._complain(path, why, f"`chmod g-w {path}`")

    def _harmless(self, path: Path, gid: int) -> bool:
        """Has the group no member but trusted users, as a user's private group?

        Umask 002 with private groups is the default of Fedora, RHEL and Ubuntu. An access control
        list shows as the group's bits and may name anybody, so with one no group is harmless.
        """
        try:
            if "system.posix_acl_access" in os.listxattr(path, follow_symlinks=False):
                return False
        except OSError:
            pass  # a file system without extended attributes has no such lists
        return only_members(gid, self._users)

    def _unreadable(self, path: Path, error: OSError) -> None:
        self._complain(path, f"cannot be looked at ({error.strerror})", "check its modes")

    def _complain(self, path: Path, why: str, fix: str) -> None:
        self.problems.append(Problem(path=str(path), message=why, hint=fix))


@cache
def only_members(gid: int, users: frozenset[int]) -> bool:
    """Is it certain that nobody but these users is in the group?"""
    try:
        group = grp.getgrgid(gid)
    except KeyError:
        return False
    names = {_user(uid) for uid in users}
    members = {account.pw_name for account in pwd.getpwall() if account.pw_gid == gid} | set(
        group.gr_mem
    )
    # A directory service may hide its members; a private group is known by its name.
    listed = gid < _SYSTEM_GROUPS or group.gr_name in names
    return listed and members <= names


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
