"""One root for every error that a user can cause or meet.

The message says what and where, the hint says how to mend it; `cli.app` prints both on one
line and exits with `exit_code`. A caller's bug raises Python's own exceptions instead.
"""


class PatchctlError(Exception):
    """Root of all expected errors. Exit code 2: nothing was changed."""

    exit_code = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message

    def lines(self) -> list[str]:
        """One line a mistake: a file can have several, and all are told at once."""
        return str(self).splitlines() or [type(self).__name__]


class UsageError(PatchctlError):
    """The command line does not make sense."""


class InvalidInputError(PatchctlError):
    """A file, a setting or an inventory is wrong. `where` is `file:line` or `file: key`."""

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(f"{where}: {message}" if where else message, hint=hint)
        self.where = where
        self._what = message

    @property
    def reason(self) -> str:
        """What is wrong and how to mend it, for one who tells the place beside it."""
        return f"{self._what}; {self.hint}" if self.hint else self._what


class BrokenContentError(InvalidInputError):
    """One file's bytes cannot be used; others beside it may be whole."""


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
