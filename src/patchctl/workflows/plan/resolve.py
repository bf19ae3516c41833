"""Ask each host's own package manager to close its transaction: one round trip a host."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ...models.plan import Resolution
from ...models.requests import HostRequest
from ...protocol.cleaning import sentence
from ...protocol.jobs import Answer, AnswerStatus, HostRunner, Job
from ...protocol.managers import read_resolution
from ...protocol.resolution import failed
from ...protocol.resolve_request import payload

# A host with many culprits simulates a few dozen times, half a second to a second each.
TIMEOUT_S = 300


def resolve(
    requests: Sequence[HostRequest],
    *,
    runner: HostRunner,
    inventory: Callable[[Sequence[str]], Mapping[str, Any]],
    job: str,
    allow_removals: bool,
    allow_downgrades: bool,
) -> Iterator[Resolution]:
    """One Resolution a request, as the hosts answer. A host's failure is its `error`."""
    for manager in sorted({request.manager for request in requests}):
        asked = {one.host: one for one in requests if one.manager is manager}
        answers = runner.run(
            Job(
                id=f"{job}-{manager}",
                stage="resolve",
                inventory=inventory(sorted(asked)),
                variables={"patch_resolve_manager": manager.value},
                manager=manager,
                payloads={
                    name: payload(
                        one, allow_removals=allow_removals, allow_downgrades=allow_downgrades
                    )
                    for name, one in asked.items()
                },
                timeout_s=TIMEOUT_S,
            )
        )
        for answer in answers:
            yield _read(asked[answer.host], answer)


def _read(request: HostRequest, answer: Answer) -> Resolution:
    if answer.status is AnswerStatus.OK:
        return read_resolution(request, answer.output)
    return failed(request, sentence(answer.reason) or f"the host gave no answer ({answer.status})")
