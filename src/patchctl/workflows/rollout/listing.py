"""List the runs with what came of them.

A run's figures are the fold of its whole journal. They are kept beside it, so that a list of many
large runs does not read all their journals; figures of an older entry do not count.
"""

import contextlib
from collections.abc import Iterator

import msgspec

from ...errors import PatchctlError
from ...models.rollout import HostState, RunState
from ...models.run_list import ListedRun, RunFigures
from ...models.state import RunSummary
from ...models.states import COUNTED, OVER, UNDOING, UNDONE
from ...models.words import rfc3339
from ...rollout.status import status
from ...rollout.view import RunView
from ..interfaces import State
from .reading import view_run

_decoder = msgspec.json.Decoder(RunFigures)


def listed(database: State) -> Iterator[ListedRun]:
    """Yield all runs, newest first."""
    for run in database.runs.list():
        yield _listed(run, _figures(database, run))


def keep(database: State, view: RunView) -> None:
    """Keep the figures of a run as of now."""
    figures = figures_of(view)
    database.meta.set(_key(view.run), msgspec.json.encode(figures).decode())


def figures_of(view: RunView) -> RunFigures:
    """Return the figures of a run."""
    run_status = status(view)
    rings = run_status.rings
    names = rings[0].hosts if rings else ()
    return RunFigures(
        seq=view.seq,
        result=run_status.result,
        counts={name: sum(ring.hosts[name] for ring in rings) for name in names},
        started=run_status.started,
        ended=run_status.ended,
    )


def _figures(database: State, run: RunSummary) -> RunFigures:
    kept = database.meta.get(_key(run.id))
    if kept is not None:
        with contextlib.suppress(msgspec.MsgspecError):  # an older or newer patchctl kept it
            figures = _decoder.decode(kept)
            if figures.seq == database.journal_reader().last(run.id):
                return figures
    view = view_run(database, run.id)
    if view.state in OVER:
        with contextlib.suppress(PatchctlError):  # the list is right without it
            keep(database, view)
    return figures_of(view)


def _key(run: str) -> str:
    return f"figures of {run}"


def _listed(run: RunSummary, figures: RunFigures) -> ListedRun:
    return ListedRun(
        id=run.id,
        plan=run.plan,
        hosts=run.hosts,
        created=run.created,
        by=run.by,
        state=run.state,
        fence=run.fence,
        result=figures.result,
        succeeded=figures.counts.get(HostState.SUCCEEDED, 0),
        failed=sum(figures.counts.get(state, 0) for state in _failed(run.state)),
        skipped=figures.counts.get(HostState.SKIPPED, 0),
        counts=figures.counts,
        created_at=rfc3339(run.created * 1000),
        started=figures.started,
        ended=figures.ended,
    )


def _failed(state: RunState) -> frozenset[HostState]:
    """Return the states of hosts that failed: where an operator undoes the run, hosts that were
    undone did not."""
    return COUNTED - UNDONE if state in UNDOING else COUNTED
