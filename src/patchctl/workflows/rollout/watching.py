"""What a screen needs to follow a run: pictures of it at one moment, and what one host said."""

from functools import partial
from itertools import islice

from ...models.journal import HostMoved, JournalEntry, StageAnswered
from ...models.run_picture import Picture
from ...rollout.picture import Onlooker
from ...rollout.timed_view import TimedView, pace_of
from ..interfaces import State
from .reading import plan_of
from .runs import Rollouts

__all__ = ["Onlooker", "Picture", "TimedView", "host_entries", "onlooker"]

# How much is read to learn how long hosts took before: about a tenth of a second.
_EARLIER_RUNS, _EARLIER_ENTRIES = 3, 20_000


def onlooker(rollouts: Rollouts) -> Onlooker:
    """Return what follows one of these runs."""
    database = rollouts.database
    return Onlooker(
        partial(_timed_view, database), database.proofs.by_ring, partial(_earlier_pace, database)
    )


def host_entries(rollouts: Rollouts, run: str, host: str) -> list[JournalEntry]:
    """Return what the journal of the run has about one host, oldest first."""
    return [
        entry
        for entry in rollouts.database.journal_reader().read(run)
        if isinstance(entry.event, HostMoved | StageAnswered) and entry.event.host == host
    ]


def _timed_view(database: State, run: str) -> TimedView:
    view = TimedView(run, plan_of(database, run))
    view.replay(database.journal_reader().read(run))
    return view


def _earlier_pace(database: State, run: str) -> tuple[str, int]:
    """Return the newest of the earlier runs in which hosts ended well, and how long its waves took
    in ms; ("", 0) where there is none."""
    read = database.journal_reader().read
    for summary in database.runs.list(_EARLIER_RUNS + 1):
        if summary.id != run:
            pace = pace_of(islice(read(summary.id), _EARLIER_ENTRIES))
            if pace.wave_ms:
                return summary.id, pace.wave_ms
    return "", 0
