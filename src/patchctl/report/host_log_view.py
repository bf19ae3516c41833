"""What a run's journal tells of one host, in its order, for a person. Pure."""

from collections.abc import Iterable, Iterator

from ..models.journal import HostMoved, JournalEntry, StageAnswered
from ..models.rollout import OutcomeStatus
from ..models.states import IN_FLIGHT
from ..models.words import clock
from .state_words import run_word, state_word


def host_log(host: str, entries: Iterable[JournalEntry]) -> list[str]:
    """Each stage with its answer, what the host said why, and the end of what it printed. The text
    is as the journal has it; whoever shows it cleans it."""
    lines = [line for entry in entries for line in _lines(entry, host)]
    return lines or [f"{host}: nothing has begun there yet"]


def _lines(entry: JournalEntry, host: str) -> Iterator[str]:
    event = entry.event
    at = clock(entry.at / 1000)
    match event:
        case HostMoved() if event.host == host:
            stage = event.stage if event.to in IN_FLIGHT and event.stage else event.to
            why = f": {event.reason}" if event.reason else ""
            begins = "begins " if event.to in IN_FLIGHT else ""
            yield f"{at} {begins}{state_word(stage)}{why}"
        case StageAnswered() if event.host == host:
            why = f": {event.reason}" if event.reason else ""
            late = " (too late)" if event.late else ""
            yield f"{at} {run_word(event.stage)}: {_answer(event.status)}{late}{why}"
            yield from _said(event)


def _answer(status: OutcomeStatus) -> str:
    return "waits" if status is OutcomeStatus.LOCKED else status.value


def _said(event: StageAnswered) -> Iterator[str]:
    evidence = event.evidence
    for check in _rows(evidence.get("checks")):
        if isinstance(check, dict) and not check.get("ok", True):
            yield f"    {check.get('name', '')}: {check.get('detail', '')}"
    for name in ("notes", "restart_failed", "log"):
        for row in _rows(evidence.get(name)):
            yield f"    | {row}"


def _rows(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []
