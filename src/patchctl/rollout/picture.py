"""Give other threads a fixed picture of a run while it goes on."""

from collections.abc import Callable, Mapping
from threading import Lock

from ..models.journal import JournalEntry
from ..models.run_picture import Picture
from .blockers import Proven, blockers
from .forecast import approval, forecast
from .status import status
from .timed_view import TimedView

_NOTHING_PROVEN: Mapping[str, frozenset[str]] = {}


class Onlooker:
    """Folds a run's entries into its own view and makes pictures of it.

    One thread brings the entries; any other thread may ask for a picture, which is never taken in
    the middle of an entry. A picture is made only when asked for: with thousands of hosts, one for
    each entry would cost more than the run itself.

    `proven` gives what earlier runs have proven and `earlier` the pace of an earlier run; both are
    asked once, by the thread that brings the entries.
    """

    def __init__(
        self,
        load: Callable[[str], TimedView],
        proven: Callable[[], Proven] = lambda: _NOTHING_PROVEN,
        earlier: Callable[[str], tuple[str, int]] = lambda _: ("", 0),
    ) -> None:
        self._load = load
        self._load_proven = proven
        self._load_earlier = earlier
        self._lock = Lock()
        self._view: TimedView | None = None
        self._proven = _NOTHING_PROVEN
        self._earlier = "", 0
        self._last: Picture | None = None

    def open(self, run: str) -> TimedView:
        """Load the run as it is stored now, so that there is a picture before its next entry."""
        with self._lock:
            return self._open(run)

    def _open(self, run: str) -> TimedView:
        if self._view is None:
            self._proven = self._load_proven()
            self._earlier = self._load_earlier(run)
            self._view = self._load(run)
        return self._view

    def take(self, entry: JournalEntry) -> TimedView:
        """Apply one durable entry and return the view after it, for this thread alone.

        The first entry may be any of the run's: earlier entries are loaded.
        """
        with self._lock:
            view = self._open(entry.run)
            if entry.seq > view.seq:
                view.apply(entry)
            return view

    def picture(self) -> Picture | None:
        """Return the run as of the last entry; None before the first."""
        with self._lock:
            view = self._view
            if view is not None and (self._last is None or self._last.seq != view.seq):
                self._last = picture(view, self._proven, self._earlier)
            return self._last


def picture(
    view: TimedView,
    proven: Proven = _NOTHING_PROVEN,
    earlier: tuple[str, int] = ("", 0),
) -> Picture:
    """Return a picture of the view as it is now."""
    # Time 0: a soak is told with its end, and whoever shows the picture knows the time.
    present = blockers(view, 0, proven)
    run_status = status(view, blockers=present)
    return Picture(
        seq=view.seq,
        status=run_status,
        since=tuple(view.hosts[host.name].since for host in run_status.hosts),
        began=view.began,
        forecast=forecast(view, present, earlier),
        approval=approval(view, present),
    )
