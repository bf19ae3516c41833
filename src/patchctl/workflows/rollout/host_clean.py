"""What patchctl keeps on hosts: the claim of a run, its transactions. Show it, or remove it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol

from ...models.host_storage import Claim, HostKeeps, Kept
from ...protocol.jobs import Answer, AnswerStatus, Job, Runner

TIMEOUT_S = 60


class Action(StrEnum):
    """What is done."""

    SHOW = "show"
    CLEAN = "clean"


class Reply(Protocol):
    """A host's answer, taken apart and clean."""

    answer: str
    reason: str
    evidence: dict[str, Any]


def look_after(
    action: Action,
    hosts: Sequence[str],
    *,
    runner: Runner,
    inventory: Callable[[Sequence[str]], Mapping[str, Any]],
    read: Callable[[str, str], Reply],
    job: str,
) -> Iterator[HostKeeps]:
    """Show or clean, one result a host as they answer; a clean host's is what was removed.

    `read` takes an answer and the question that it must repeat.
    """
    answers = runner.run(
        Job(
            id=job,
            stage="host",
            inventory=inventory(hosts),
            variables={"patch_transaction_action": action.value},
            timeout_s=TIMEOUT_S,
        )
    )
    for answer in answers:
        yield _keeps(answer, action, read)


def _keeps(answer: Answer, action: Action, read: Callable[[str, str], Reply]) -> HostKeeps:
    if not answer.output or answer.status in (AnswerStatus.UNREACHABLE, AnswerStatus.LOST):
        return HostKeeps(name=answer.host, error=answer.reason or "no answer")
    reply = read(answer.output, f"{action.value} -")
    evidence = reply.evidence
    running = evidence.get("running")
    return HostKeeps(
        name=answer.host,
        error="" if reply.answer == "ok" else reply.reason or "the host gave no reason",
        claim=_claim(evidence.get("claim")),
        running=f"{running['transaction']} {running['job']}" if running else "",
        held_updaters=tuple(evidence.get("held", ())),
        transactions=tuple(
            Kept(
                transaction=one["transaction"],
                created=_number(one["created"]),
                kib=_number(one["kib"]),
                outcome=one["outcome"],
            )
            for one in evidence.get("transactions", ())
        ),
    )


def _claim(found: Mapping[str, str] | None) -> Claim | None:
    if not found:
        return None
    return Claim(
        run=found["run"],
        active=found["state"] == "active",
        fence=_number(found["fence"]),
        since=_number(found["since"]),
        transaction=found["transaction"],
    )


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) <= 12 else 0
