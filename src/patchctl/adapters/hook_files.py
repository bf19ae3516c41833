"""Read the files of a workspace's hooks once, so that the files checked are the files used.

A task file may include or run files beside it, so the whole folder that it is in counts (the first
one below the workspace's top, mostly `hooks/`), and whatever in the workspace the links there lead
to. A link that leads out of the workspace is refused.
"""

import hashlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InvalidInputError
from ..models import grammar
from ..models.plan import HookFile, HookMode

MOST_FILES = 10_000
MOST_BYTES = 64 << 20
_OWN = "keep hooks in a folder of their own, hooks/, with nothing else in it"


@dataclass(frozen=True)
class HookFiles:
    """The files, sorted by path. `content` has the bytes of every file that is no link; `real` is
    where links lead, by the link's path: a path in the workspace, "" for nothing."""

    files: tuple[HookFile, ...] = ()
    content: dict[str, bytes] = field(default_factory=dict, repr=False)
    real: dict[str, str] = field(default_factory=dict)


def read(root: Path, names: Iterable[str]) -> HookFiles:
    """All files of the folders that these hooks lie in, relative to the workspace `root`.

    Raises InvalidInputError, with the path, where a hook is missing or lies outside, a link leads
    out, something cannot be read, or there is more than hooks can be.
    """
    reader = _Reader(Path(os.path.realpath(root)))
    hooks = list(dict.fromkeys(names))
    for name in hooks:
        if problem := grammar.hook_problem(name):
            raise InvalidInputError(problem, where=ascii(name))
        reader.hook(name)
    for top in sorted({grammar.path_parts(name)[0] for name in hooks}):
        reader.take(top)
    return reader.result()


def locate(root: Path, name: str) -> Path:
    """The hook's own file in the workspace `root`, links followed.

    Raises InvalidInputError where it is not in the workspace, or is no file.
    """
    if problem := grammar.hook_problem(name, alone=True):
        raise InvalidInputError(problem, where=ascii(name))
    real = Path(os.path.realpath(root / name))
    if not real.is_relative_to(os.path.realpath(root)):
        raise InvalidInputError("a link on its way leads out of the workspace", where=name)
    if not real.is_file():
        raise InvalidInputError("the hook is not there", where=name)
    return real


class _Reader:
    """Reads every path once, and the paths to which links lead."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[str, HookFile] = {}
        self._content: dict[str, bytes] = {}
        self._real: dict[str, str] = {}
        self._seen: set[str] = set()
        self._bytes = 0

    def result(self) -> HookFiles:
        files = tuple(self._files[path] for path in sorted(self._files))
        return HookFiles(files, self._content, self._real)

    def hook(self, name: str) -> None:
        """Read a hook's own file, which must exist and may lie behind links."""
        self.take(str(locate(self._root, name).relative_to(self._root)))

    def take(self, path: str) -> None:
        """Read a path of the workspace with all that is below it."""
        waiting = [path]
        while waiting:
            here = waiting.pop()
            if here not in self._seen:
                self._seen.add(here)
                if len(self._seen) > MOST_FILES:
                    raise InvalidInputError(
                        f"the hooks are more than {MOST_FILES} files", where=here, hint=_OWN
                    )
                waiting += self._read(here)

    def _read(self, path: str) -> list[str]:
        """Read one path; return the other paths that belong to it."""
        try:
            path.encode()
        except UnicodeEncodeError:
            raise InvalidInputError("its name is not UTF-8; rename it", where=ascii(path)) from None
        if problem := grammar.path_problem(path):
            raise InvalidInputError(f"{problem}; rename it", where=ascii(path))
        try:
            status = (self._root / path).lstat()
            if stat.S_ISDIR(status.st_mode):
                with os.scandir(self._root / path) as entries:
                    return [f"{path}/{entry.name}" for entry in entries]
            if stat.S_ISLNK(status.st_mode):
                return self._link(path)
            if not stat.S_ISREG(status.st_mode):
                raise InvalidInputError(
                    "is neither a file nor a folder nor a link", where=path, hint="remove it"
                )
            self._file(path)
        except OSError as error:
            raise InvalidInputError(f"cannot be read: {error.strerror}", where=path) from error
        return []

    def _file(self, path: str) -> None:
        # A file that was replaced by a link or a pipe since then is not followed, nor waited for.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(self._root / path, flags), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(MOST_BYTES - self._bytes + 1)
        self._bytes += len(data)
        if self._bytes > MOST_BYTES:
            raise InvalidInputError(
                f"the hooks are more than {MOST_BYTES >> 20} MiB", where=path, hint=_OWN
            )
        executable = bool(mode & stat.S_IXUSR)
        self._files[path] = HookFile(
            path=path,
            mode=HookMode.EXECUTABLE if executable else HookMode.FILE,
            sha256=hashlib.sha256(data).hexdigest(),
        )
        self._content[path] = data

    def _link(self, path: str) -> list[str]:
        target = str((self._root / path).readlink())
        if not target.isprintable():
            raise InvalidInputError("links to a name that cannot be printed", where=path)
        real = Path(os.path.realpath(self._root / path))
        if not real.is_relative_to(self._root):
            raise InvalidInputError(
                f"is a link that leads out of the workspace, to {target}",
                where=path,
                hint="put the file itself there",
            )
        if real == self._root:
            raise InvalidInputError(
                "is a link to the whole workspace", where=path, hint="link to what is needed of it"
            )
        self._files[path] = HookFile(path=path, mode=HookMode.LINK, target=target)
        inside = str(real.relative_to(self._root))
        exists = real.exists()
        self._real[path] = inside if exists else ""
        return [inside] if exists else []
