"""A run at one moment, for whoever looks at it from another thread while it goes on."""

from collections.abc import Callable
from threading import Lock

from ..models.base import Model
from ..models.journal import JournalEntry
from ..models.run_status import RunStatus
from .status import status
from .view import RunView


class Picture(Model):
    """A copy that nothing changes any more. `seq` is the last entry that is in it; `since` says of
    each of the status' hosts, in their order, from when on it is in its stage, epoch ms."""

    seq: int
    status: RunStatus
    since: tuple[int, ...]


class Onlooker:
    """Folds a run's entries into a view of its own and gives out pictures of it.

    One thread brings the entries; any other may ask for the picture, and gets one from between two
    entries. It is made when somebody asks: with thousands of hosts one for each entry would cost
    more than the run itself.
    """

    def __init__(self, load: Callable[[str], RunView]) -> None:
        self._load = load
        self._lock = Lock()
        self._view: RunView | None = None
        self._made: Picture | None = None

    def take(self, entry: JournalEntry) -> RunView:
        """Take one durable entry in. The answer is the view after it, for this thread alone.

        The first entry may be any of the run's: what came before it is loaded.
        """
        with self._lock:
            if self._view is None:
                self._view = self._load(entry.run)
            if entry.seq > self._view.seq:
                self._view.apply(entry)
            return self._view

    def picture(self) -> Picture | None:
        """The run as of the last entry; None before the first."""
        with self._lock:
            view = self._view
            if view is not None and (self._made is None or self._made.seq != view.seq):
                self._made = picture(view)
            return self._made


def picture(view: RunView) -> Picture:
    """The run as the view has it now."""
    run_status = status(view)
    return Picture(
        seq=view.seq,
        status=run_status,
        since=tuple(view.hosts[host.name].since for host in run_status.hosts),
    )
