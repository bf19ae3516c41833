"""Show or remove what patchctl keeps on hosts: the claim of a run and its transactions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol

from ...models.host_storage import Claim, HostKeeps, HostTransaction
from ...protocol.jobs import Answer, AnswerStatus, Job, Runner

TIMEOUT_S = 60


class Action(StrEnum):
    """Whether to show or to remove."""

    SHOW = "show"
    CLEAN = "clean"


class Reply(Protocol):
    """A host's answer, parsed and cleaned."""

    answer: str
    reason: str
    evidence: dict[str, Any]


def keep_or_clean(
    action: Action,
    hosts: Sequence[str],
    *,
    runner: Runner,
    inventory: Callable[[Sequence[str]], Mapping[str, Any]],
    read: Callable[[str, str], Reply],
    job: str,
) -> Iterator[HostKeeps]:
    """Show or clean, and yield a result for each host as it answers; after a cleaning it is what
    was removed.

    `read` parses an answer; its second argument is the question that the answer must repeat.
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
            HostTransaction(
                transaction=row["transaction"],
                created=_number(row["created"]),
                kib=_number(row["kib"]),
                outcome=row["outcome"],
            )
            for row in evidence.get("transactions", ())
        ),
    )


def _claim(row: Mapping[str, str] | None) -> Claim | None:
    if not row:
        return None
    return Claim(
        run=row["run"],
        active=row["state"] == "active",
        fence=_number(row["fence"]),
        since=_number(row["since"]),
        transaction=row["transaction"],
    )


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) <= 12 else 0
