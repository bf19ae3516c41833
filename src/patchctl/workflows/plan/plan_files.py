"""Find, read, write and compare plans that are made. Nothing here makes one, so that looking at a
plan loads nothing of what does."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ...errors import InvalidInputError, NotFoundError
from ...models import words
from ...models.plan import Plan
from ...models.plan_diff import PlanDiff
from ...plan import lockfile
from ...plan.diff import diff
from ..interfaces import Files, State

_DIGEST = re.compile(r"(?:sha256:)?[0-9a-f]{4,64}")
_PLAN_MAX = 512 * 1024 * 1024


def default_path(root: Path, plan: Plan) -> Path:
    """`plans/2026-11-23-1a2b3c4d.lock` in the workspace: the snapshot's day, the digest's start."""
    day = words.day(plan.body.as_of)
    return root / "plans" / f"{day}-{words.short(plan.digest)[:8]}.lock"


def check_writable(path: Path, cwd: Path) -> None:
    """Raises InvalidInputError where no plan can be written to this path, relative to `cwd`: before
    an hour of work is lost."""
    if (cwd / path).is_dir():
        raise InvalidInputError("is a folder", where=f"--out {path}", hint="name a file")
    # `plans/` may be missing in a fresh workspace; a longer missing path is a slip of the pen.
    if not (cwd / path).parent.parent.is_dir():
        raise InvalidInputError(
            "its folder does not exist", where=f"--out {path}", hint="create the folder first"
        )


def write_plan(plan: Plan, path: Path, files: Files) -> Path:
    """Write the file whole or not at all, readable as files of a checkout are."""
    path.parent.mkdir(mode=0o755, exist_ok=True)
    files.write_atomic(path, lockfile.encode(plan), mode=0o644)
    return path


class FoundPlan(NamedTuple):
    """A plan, and its file with what was read from it, where it has one. `named` is how messages
    call the file, if not by its path."""

    plan: Plan
    path: Path | None = None
    data: bytes = b""
    named: str = ""

    @property
    def shown(self) -> str:
        """The file in messages."""
        return self.named or str(self.path)


def read_plan(path: Path) -> Plan:
    """The verified plan of a file. Raises InvalidInputError, IntegrityError."""
    return _read(path, str(path)).plan


def _read(path: Path, named: str) -> FoundPlan:
    try:
        with path.open("rb") as file:
            data = file.read(_PLAN_MAX + 1)
    except OSError as error:
        raise InvalidInputError(
            f"cannot be read: {error.strerror}", where=named, hint="name a plan file"
        ) from error
    if len(data) > _PLAN_MAX:
        raise InvalidInputError("is too large for a plan", where=named)
    return FoundPlan(lockfile.decode(data, named), path, data, named)


def compare(before: Plan, after: Plan) -> PlanDiff:
    """What `after` changes against `before`."""
    return diff(before, after)


def find_plan(name: str, database: Callable[[], State], cwd: Path, root: Path) -> FoundPlan:
    """A plan by its file, or by at least 4 digits of its digest; the newest where `name` is empty.

    A file is looked for in the folder `cwd`, then in the workspace `root`; the database is
    opened only where no file is meant. Raises NotFoundError.
    """
    if not name:
        newest = database().plans.latest()
        if newest is None:
            raise NotFoundError("there is no plan yet", hint="make one: `patchctl plan create`")
        return FoundPlan(newest)
    for named, folder in ((Path(name), cwd), (root / name, root)):
        if (folder / name).is_file():
            return _read(folder / name, str(named))
    plan = database().plans.load(name) if _DIGEST.fullmatch(name) else None
    if plan is None:
        raise NotFoundError(
            f"no plan {name!r}: neither a file nor the start of a stored plan's digest",
            hint="`patchctl plan list` shows them",
        )
    return FoundPlan(plan)
