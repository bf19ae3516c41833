"""How a run stands or ended, when, and what goes on by time: lines for people."""

from collections import Counter
from collections.abc import Iterator, Mapping

from ..models.rollout import HostState, Result, RingState, RunState
from ..models.run_status import BlockerKind, RunStatus
from ..models.words import count, moment, seconds_of, span
from .state_words import run_word, state_word


def counts(hosts: Mapping[str, int]) -> str:
    """`3 succeeded, 1 failed` without the zeros."""
    return ", ".join(f"{number} {run_word(name)}" for name, number in hosts.items() if number)


def ending_word(state: RunState | RingState, result: Result | None) -> str:
    """Where a run or ring stands; what came of it where it is done.

    >>> ending_word(RunState.DONE, Result.PARTIAL), ending_word(RunState.SOAKING, None)
    ('partial', 'soaking')
    """
    is_done = state in (RunState.DONE.value, RingState.DONE.value)
    return state_word(result if is_done and result is not None else state)


def headline(status: RunStatus) -> str:
    """One line: the run, where it stands or what came of it, and why."""
    why = status.reason or _imperfect(status)
    word = ending_word(status.state, status.result)
    return f"run {status.run}: {word}{f': {why}' if why else ''}"


def _imperfect(status: RunStatus) -> str:
    """How its hosts ended, of a run that is done and did not simply succeed."""
    if status.state is not RunState.DONE or status.result is Result.SUCCEEDED:
        return ""
    hosts = Counter[str]()
    for ring in status.rings:
        hosts.update(ring.hosts)
    nothing = "no host was changed: " if status.result is Result.SKIPPED else ""
    return f"{nothing}{counts(hosts)}"


def times(status: RunStatus) -> str:
    """When it was created, began and ended, as far as that happened."""
    if status.started is None:
        created = _moment(status.created)
        return f"created {created}" if created else ""
    began = f"began {_moment(status.started)}"
    if status.ended is None:
        return began
    return f"{began}, ended {_moment(status.ended)}, took {took(status.started, status.ended)}"


def took(started: str | None, ended: str | None) -> str:
    """How long a run took; "-" where it did not begin or is not over."""
    if started is None or ended is None:
        return "-"
    return span(seconds_of(ended) - seconds_of(started))


def _moment(timestamp: str | None) -> str:
    return "" if timestamp is None else moment(seconds_of(timestamp))


def new_plan_step(status: RunStatus) -> str:
    """What hosts need that a run which is done has skipped; "" where it skipped none."""
    skipped = sum(ring.hosts.get(HostState.SKIPPED, 0) for ring in status.rings)
    if status.state is not RunState.DONE or not skipped:
        return ""
    needs = "needs" if skipped == 1 else "need"
    return f"{count(skipped, 'skipped host')} {needs} a new plan: patchctl plan create\n"


def soak_steps(status: RunStatus) -> Iterator[str]:
    """What continues a run that soaks, and what an operator may do already now."""
    kinds = {blocker.kind: blocker for blocker in status.blockers}
    resume = f"patchctl rollout resume {status.run}"
    if BlockerKind.SOAK not in kinds:
        yield from [] if status.controller else [f"let it go on: {resume}"]
    elif status.controller:
        yield "then it goes on by itself"
    else:
        yield f"then let it go on: {resume} (given now, it waits until then)"
    if BlockerKind.SOAK in kinds:
        yield f"end the soak early: patchctl rollout promote {status.run} --reason TEXT"
    asked = kinds.get(BlockerKind.APPROVAL) or kinds.get(BlockerKind.UNPROVEN)
    if asked is not None:
        yield (
            f"approve {asked.what} already now:"
            f" patchctl rollout approve {status.run} --ring {asked.what}"
        )
