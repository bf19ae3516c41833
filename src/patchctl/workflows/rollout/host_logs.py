"""Collect what a host answered and printed in the stages of a run. Changes nothing."""

from collections.abc import Callable

from ...errors import NotFoundError
from ...models.host_log import HostLog, StageLog
from ...models.journal import StageAnswered
from ...models.rollout import Stage
from ..interfaces import State
from .reading import plan_of

ReadOutput = Callable[[str, str, int, Stage], tuple[str, ...] | None]


def log_of(
    database: State, output: ReadOutput, run: str, host: str, stage: Stage | None
) -> HostLog:
    """Return the answers of the host, of one stage where it is named. `output` reads what was kept
    of the text that a host printed.

    Raises NotFoundError for a host that is not in the run.
    """
    if host not in {planned.name for planned in plan_of(database, run).body.hosts}:
        raise NotFoundError(
            f"{host} is not in run {run}", hint=f"its hosts: `patchctl rollout status {run}`"
        )
    answers: list[StageLog] = []
    for entry in database.journal_reader().read(run):
        event = entry.event
        if not isinstance(event, StageAnswered) or event.host != host:
            continue
        if stage in (None, event.stage):
            answers.append(
                StageLog(
                    stage=event.stage,
                    attempt=event.attempt,
                    at=entry.at,
                    status=event.status,
                    reason=event.reason,
                    checks=_checks(event),
                    output=output(run, host, event.attempt, event.stage),
                )
            )
    return HostLog(run=run, host=host, stages=tuple(answers))


def _checks(event: StageAnswered) -> tuple[str, ...]:
    rows = event.evidence.get("checks", ())
    return tuple(
        f"{row['name']}: {row['detail'] or ('ok' if row['ok'] else 'failed')}" for row in rows
    )
