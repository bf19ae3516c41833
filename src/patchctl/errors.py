"""One root for every error that a user can cause or meet.

The message says what and where, the hint says how to fix it; `cli.app` prints both on one
line and exits with `exit_code`. A caller's bug raises Python's own exceptions instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong. It becomes text once, by `str`, and nobody reads that back.

    `path` is the file or whatever else it is in, as people write it, `line` the line there (0: not
    told), `key` the place inside of a document (`rings[1].budget`). `code` is what it is for
    programs, "" where none asks; `hint` says how to fix it.
    """

    message: str
    path: str = ""
    line: int = 0
    key: str = ""
    code: str = ""
    hint: str = ""

    def __str__(self) -> str:
        location = f"{self.path}:{self.line}" if self.line else self.path
        said = ": ".join(part for part in (location, self.key, self.message) if part)
        return f"{said}; {self.hint}" if self.hint else said

    def inside(self, whole: str) -> Self:
        """The same, told as a part of something larger, such as a revision."""
        return replace(self, path=f"{whole}: {self.path}" if self.path else whole)


class PatchctlError(Exception):
    """Root of all expected errors. Exit code 2: nothing was changed.

    It tells one problem, in `message`, or several; `hint` is for all of them.
    """

    exit_code = 2

    def __init__(
        self, message: str = "", *, hint: str = "", problems: Sequence[Problem] = ()
    ) -> None:
        self.problems = tuple(problems) or (Problem(message=message),)
        self.message = "\n".join(map(str, self.problems))
        self.hint = hint
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message

    def lines(self) -> list[str]:
        """One line a mistake: a file can have several, and all are told at once."""
        return str(self).splitlines() or [type(self).__name__]


class UsageError(PatchctlError):
    """The command line does not make sense."""


class InvalidInputError(PatchctlError):
    """A file, a setting or an inventory is wrong. `where` is the file, with its key where there is
    one, or an option; `line` the line in the file, 0 where none is told."""

    def __init__(
        self,
        message: str = "",
        *,
        where: str = "",
        line: int = 0,
        hint: str = "",
        problems: Sequence[Problem] = (),
    ) -> None:
        only = Problem(message=message, path=where, line=line)
        super().__init__(hint=hint, problems=tuple(problems) or (only,))

    @property
    def reason(self) -> str:
        """What is wrong and how to fix it, for one who tells the place beside it."""
        said = self.problems[0].message
        return f"{said}; {self.hint}" if self.hint else said


class BrokenContentError(InvalidInputError):
    """One file's bytes cannot be used; others beside it may be whole."""


class CorruptFileError(BrokenContentError):
    """Bytes that are not what was written: cut short, or with a wrong checksum. Where one file of
    an archive is so, the archive is not what its publisher packed."""


class EmptyInventoryError(InvalidInputError):
    """An inventory source that is missing or names no host. Imported hosts need none."""


class NotFoundError(PatchctlError):
    """A run, plan, host or snapshot that does not exist."""


class ConflictError(PatchctlError):
    """Somebody else holds what is asked for: a lock, a lease, a newer fence."""


class AdapterError(PatchctlError):
    """A library or a program under us failed; translated at the adapter."""


class IntegrityError(PatchctlError):
    """Stored evidence, a plan or a file does not have the content it must have."""

    exit_code = 6


class CutShortError(PatchctlError):
    """Something under a run failed in its middle: hosts may have changed, the run goes on later."""

    exit_code = 130


class HaltedError(PatchctlError):
    """A run stands at a gate or its budget and may not go on as asked."""

    exit_code = 3
