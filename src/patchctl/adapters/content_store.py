"""Store the package files of plans by SHA-256: production gets what staging has proven.

store/sha256/ab/<64 hex digits>     0600, written once, renamed into place when verified
store/incoming/                     files that are still being received
"""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import IntegrityError, NotFoundError
from ..models.plan import Artifact
from .files import locked, private_folder, replace, translated

_READ = 1024 * 1024


class Incoming:
    """A file that is being received; pieces may come in any order."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, offset: int, data: bytes) -> None:
        """Write a piece at its offset. Raises AdapterError where the disk is full."""
        with translated(self.path), self.path.open("r+b") as file:
            file.seek(offset)
            file.write(data)


class ContentStore:
    """Files are never changed, and never handed out without a check of their hash."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, file: Artifact) -> Path:
        """The path of the file. Raises NotFoundError where the store does not have it.

        The content was verified when it came in; `verify` reads it again.
        """
        path = self._path(file.sha256)
        if not path.is_file():
            raise NotFoundError(
                f"the file {file.name} of the plan is not in the content store",
                hint="make the plan again: that fetches its files",
            )
        return path

    def holds(self, file: Artifact) -> bool:
        """Does the store have the file with its right content? A damaged one is removed."""
        path = self._path(file.sha256)
        if not path.is_file():
            return False
        if _matches(path, file):
            return True
        path.unlink(missing_ok=True)
        return False

    def verify(self, file: Artifact) -> Path:
        """The file's path after its content was read and is right.

        Raises NotFoundError, IntegrityError.
        """
        path = self.path(file)
        if not _matches(path, file):
            raise IntegrityError(
                f"{path}: the file {file.name} does not have its SHA-256 any more",
                hint="make the plan again: that fetches it anew",
            )
        return path

    def check(self, files: Iterable[Artifact]) -> None:
        """Verify those of the files that are here; a host may get a missing one elsewhere.

        Raises IntegrityError where a file was changed.
        """
        for file in files:
            with contextlib.suppress(NotFoundError):
                self.verify(file)

    @contextlib.contextmanager
    def receive(self) -> Iterator[Incoming]:
        """A new incoming file; it is removed at the end of the block unless `keep` took it."""
        folder = self._folder("incoming")
        with translated(folder):
            handle, name = tempfile.mkstemp(dir=folder)
            os.close(handle)
        incoming = Incoming(Path(name))
        try:
            yield incoming
        finally:
            incoming.path.unlink(missing_ok=True)

    def keep(self, incoming: Path, file: Artifact) -> Path:
        """Verify an incoming file and move it to its path, whole and durable.

        Raises IntegrityError where it is not the file.
        """
        if not _matches(incoming, file):
            raise IntegrityError(f"what came as {file.name} does not have its SHA-256")
        target = self._path(file.sha256)
        with translated(target):
            self._folder("sha256", target.parent.name)
            with locked(self.root / "lock"):
                replace(incoming, target)
        return target

    def _folder(self, *names: str) -> Path:
        path = private_folder(self.root)
        for name in names:
            path = private_folder(path / name)
        return path

    def _path(self, sha256: str) -> Path:
        return self.root / "sha256" / sha256[:2] / sha256


def _matches(path: Path, file: Artifact) -> bool:
    if path.stat().st_size != file.size:
        return False
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_READ):
            digest.update(block)
    return digest.hexdigest() == file.sha256
