"""The error that ended a verb, as programs read it."""

from ..errors import PatchctlError
from .base import Model


class FailedPart(Model):
    """One thing that is wrong. `path` is the file, `line` its line (0: not known), `key` the place
    inside of a document, `code` a stable name for programs, `hint` how to fix it; "" where there
    is none."""

    path: str
    line: int
    key: str
    code: str
    message: str
    hint: str


class Failure(Model):
    """Why a verb gave no result. `kind` names the class of the error, `message` is what a person
    read on stderr, `hint` how to fix it; `problems` has each thing that is wrong by itself."""

    kind: str
    message: str
    hint: str
    exit_code: int
    problems: tuple[FailedPart, ...] = ()


def failure(error: Exception, exit_code: int) -> Failure:
    """Return the model of an error that ends a verb with that exit code."""
    kind = type(error).__name__.removesuffix("Error")
    if not isinstance(error, PatchctlError):
        return Failure(kind=kind, message=str(error), hint="", exit_code=exit_code)
    return Failure(
        kind=kind,
        message=error.message,
        hint=error.hint,
        exit_code=exit_code,
        problems=tuple(
            FailedPart(
                path=problem.path,
                line=problem.line,
                key=problem.key,
                code=problem.code,
                message=problem.message,
                hint=problem.hint,
            )
            for problem in error.problems
        ),
    )
