"""The error that ended a verb, for programs. People read it as one line on stderr."""

from collections.abc import Iterator

from ..models.failure import Failure
from .view import Part, View


class ErrorView(View):
    """What went wrong, in place of the result that was asked for."""

    def __init__(self, failure: Failure) -> None:
        self._failure = failure

    def data(self) -> dict[str, Failure]:
        """`{"error": …}`: no result has a field of that name."""
        return {"error": self._failure}

    def parts(self) -> Iterator[Part]:
        """Nothing: the line on stderr says it."""
        return iter(())
