"""One run in `rollout list`."""

from .base import Model
from .rollout import Result, RunState


class RunFigures(Model):
    """What came of a run so far, as of its journal's entry `seq`. `counts` are hosts by the words
    of `rollout status`; times are RFC 3339, UTC, None where that did not happen."""

    seq: int
    result: Result | None
    counts: dict[str, int]
    started: str | None
    ended: str | None


class ListedRun(Model):
    """A run. `created` is epoch seconds UTC, `created_at` the same time in RFC 3339; `state` is
    that of the journal's last event of it. `fence` is that of the last controller, 0 where none
    ever took the run.

    `result` is what came of it, None while it goes on. `counts` are its hosts by state. `failed`
    counts those that failed, were lost or were undone for a failure, and those that could not be
    undone. `started` and `ended` are RFC 3339, UTC, None where that did not happen.
    """

    id: str
    plan: str
    hosts: int
    created: int
    by: str
    state: RunState
    fence: int
    result: Result | None
    succeeded: int
    failed: int
    skipped: int
    counts: dict[str, int]
    created_at: str | None
    started: str | None
    ended: str | None
