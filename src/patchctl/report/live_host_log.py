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
    lines: list[str] = []
    told = ""
    for entry in entries:
        event = entry.event
        if isinstance(event, HostMoved | StageAnswered) and event.host == host:
            lines += _lines(event, clock(entry.at / 1000), told)
            told = event.reason or told
    return lines or [f"{host}: nothing has begun there yet"]


def _lines(event: HostMoved | StageAnswered, at: str, told: str) -> Iterator[str]:
    """The lines of one entry. A reason that was `told` last, such as that of a failure for its
    undo, is not told again."""
    why = f": {event.reason}" if event.reason not in ("", told) else ""
    if isinstance(event, HostMoved):
        stage = event.stage if event.to in IN_FLIGHT and event.stage else event.to
        begins = "begins " if event.to in IN_FLIGHT else ""
        yield f"{at} {begins}{state_word(stage)}{why}"
        return
    late = " (too late)" if event.late else ""
    yield f"{at} {run_word(event.stage)}: {_answer(event.status)}{late}{why}"
    yield from _said(event)


def _answer(status: OutcomeStatus) -> str:
    return "waits" if status is OutcomeStatus.LOCKED else status.value


def _said(event: StageAnswered) -> Iterator[str]:
    evidence = event.evidence
    for check in _rows(evidence.get("checks")):
        if isinstance(check, dict) and not check.get("ok", True):
            said = f"{check.get('name', '')}: {check.get('detail', '')}"
            if said != event.reason:
                yield f"    {said}"
    for name in ("notes", "restart_failed", "log"):
        for row in _rows(evidence.get(name)):
            yield f"    | {row}"


def _rows(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []
