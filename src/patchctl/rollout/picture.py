"""Give other threads a fixed picture of a run while it goes on."""

from collections.abc import Callable
from threading import Lock

from ..models.base import Model
from ..models.journal import JournalEntry
from ..models.run_status import RunStatus
from .status import status
from .view import RunView


class Picture(Model):
    """A run at one moment. `seq` is that of its last entry. `since` has, for each host of the
    status in the same order, when the host's present stage began, in epoch ms."""

    seq: int
    status: RunStatus
    since: tuple[int, ...]


class Onlooker:
    """Folds a run's entries into its own view and makes pictures of it.

    One thread brings the entries; any other thread may ask for a picture, which is never taken in
    the middle of an entry. A picture is made only when asked for: with thousands of hosts, one for
    each entry would cost more than the run itself.
    """

    def __init__(self, load: Callable[[str], RunView]) -> None:
        self._load = load
        self._lock = Lock()
        self._view: RunView | None = None
        self._last: Picture | None = None

    def take(self, entry: JournalEntry) -> RunView:
        """Apply one durable entry and return the view after it, for this thread alone.

        The first entry may be any of the run's: earlier entries are loaded.
        """
        with self._lock:
            if self._view is None:
                self._view = self._load(entry.run)
            if entry.seq > self._view.seq:
                self._view.apply(entry)
            return self._view

    def picture(self) -> Picture | None:
        """Return the run as of the last entry; None before the first."""
        with self._lock:
            view = self._view
            if view is not None and (self._last is None or self._last.seq != view.seq):
                self._last = picture(view)
            return self._last


def picture(view: RunView) -> Picture:
    """Return a picture of the view as it is now."""
    run_status = status(view)
    return Picture(
        seq=view.seq,
        status=run_status,
        since=tuple(view.hosts[host.name].since for host in run_status.hosts),
    )
