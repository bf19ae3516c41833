"""Keep what hosts printed in the stages of a run: a small private file for each.

A run never fails for it: where a file cannot be written, there is none. The host bounds the text
(`OUTPUT_BYTES` in job.sh), and this module what it takes of a host that does not.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from ..errors import PatchctlError
from ..models.rollout import Stage
from .files import private_folder

BYTES_MAX = 64 * 1024


class HostOutputs:
    """The files below `root`, one folder for each run."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def keep(self, run: str, host: str, attempt: int, stage: Stage, lines: Sequence[str]) -> None:
        """Keep the end of these lines, in place of what was kept of this stage before."""
        if not lines:
            return
        text = "\n".join(lines).encode(errors="replace")[-BYTES_MAX:]
        path = self._path(run, host, attempt, stage)
        part = path.with_name(f"{path.name}.part")
        # Not synced to the disk: it is no part of the journal, and a run has thousands of them.
        with contextlib.suppress(OSError, PatchctlError):
            private_folder(private_folder(self._root) / path.parent.name)
            part.unlink(missing_ok=True)
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(text)
            part.replace(path)

    def read(self, run: str, host: str, attempt: int, stage: Stage) -> tuple[str, ...] | None:
        """Return the kept lines, None where nothing was kept."""
        try:
            text = self._path(run, host, attempt, stage).read_bytes()
        except OSError:
            return None
        return tuple(text.decode(errors="replace").split("\n"))

    def _path(self, run: str, host: str, attempt: int, stage: Stage) -> Path:
        name = f"{quote(host, safe='')}.{attempt}.{stage.value}.log"
        return self._root / quote(run, safe="") / f"h-{name}"
