"""The question before `rollout abort`."""

from collections import Counter
from itertools import compress

import typer

from ..models.run_status import RunStatus
from ..models.states import OVER
from ..models.words import count
from .options import confirm_at_terminal
from .running import look


def ask(ctx: typer.Context, run: str, *, yes: bool) -> str:
    """Ask on a terminal whether to end the run for good, and return its id. A run that is over is
    not asked about: the request itself refuses it.
    """
    status = look(ctx, run)
    if status.state not in OVER:
        confirm_at_terminal(question(status), yes=yes)
    return status.run


def question(status: RunStatus) -> str:
    """Return the question, with what becomes of the hosts that are not done."""
    hosts = Counter[str]()
    for ring in status.rings:
        hosts.update(ring.hosts)
    at_work = hosts["running"] + hosts["rolling_back"]
    untouched = hosts["pending"] + hosts["deferred"]
    told = (
        f"{count(at_work, 'host')} at work {'ends' if at_work == 1 else 'end'} first",
        f"{count(untouched, 'host')} not begun {'gets' if untouched == 1 else 'get'} nothing",
    )
    outcome = "; ".join(compress(told, (at_work, untouched)))
    return f"Abort run {status.run} for good{f' ({outcome})' if outcome else ''}?"
