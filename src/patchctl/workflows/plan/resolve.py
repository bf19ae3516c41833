"""Ask each host's own package manager to close its transaction: one round trip a host."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ...models.plan import LeftOut
from ...models.requests import HostRequest, Kept
from ...models.resolution import Resolution, Unusable
from ...protocol.cleaning import sentence
from ...protocol.jobs import Answer, AnswerStatus, Job, Runner
from ...protocol.managers import read_resolution
from ...protocol.resolution import failed
from ...protocol.resolve_request import payload

# A host with many culprits simulates a few dozen times, half a second to a second each.
TIMEOUT_S = 300
# How often a host is asked for a transaction without what was unusable in the one before.
ROUNDS = 4


def resolve(
    requests: Sequence[HostRequest],
    *,
    runner: Runner,
    inventory: Callable[[Sequence[str]], Mapping[str, Any]],
    job: str,
    allow_removals: bool,
    allow_downgrades: bool,
) -> Iterator[Resolution]:
    """One Resolution a request, as the hosts answer. A host's failure is its `error`.

    A package that cannot be taken is left out with the reason, and with it what needs it: the host
    is asked again for a transaction in which it stays as it is.
    """
    asked = list(requests)
    unusable: dict[str, list[LeftOut]] = defaultdict(list)
    for number in range(1, ROUNDS + 1):
        again: list[HostRequest] = []
        for request, resolution in _ask(
            asked,
            runner=runner,
            inventory=inventory,
            job=job if number == 1 else f"{job}-{number}",
            allow_removals=allow_removals,
            allow_downgrades=allow_downgrades,
        ):
            if not resolution.unusable:
                dropped = (*unusable[resolution.host], *resolution.dropped)
                yield msgspec.structs.replace(resolution, dropped=dropped)
            elif number < ROUNDS:
                unusable[resolution.host] += dict.fromkeys(
                    row.left_out for row in resolution.unusable
                )
                again.append(_without(request, resolution.unusable))
            else:
                first = resolution.unusable[0].left_out
                yield failed(request, f"{first.package}: {first.detail}, and so on")
        asked = again


def _without(request: HostRequest, unusable: Sequence[Unusable]) -> HostRequest:
    names = {row.left_out.package for row in unusable}
    unchanged = (
        Kept(package=row.left_out.package, arch=row.arch, version=row.installed) for row in unusable
    )
    return msgspec.structs.replace(
        request,
        wanted=tuple(package for package in request.wanted if package.package not in names),
        kept=(*request.kept, *unchanged),
    )


def _ask(
    requests: Sequence[HostRequest],
    *,
    runner: Runner,
    inventory: Callable[[Sequence[str]], Mapping[str, Any]],
    job: str,
    allow_removals: bool,
    allow_downgrades: bool,
) -> Iterator[tuple[HostRequest, Resolution]]:
    for manager in sorted({request.manager for request in requests}):
        asked = {request.host: request for request in requests if request.manager is manager}
        answers = runner.run(
            Job(
                id=f"{job}-{manager}",
                stage="resolve",
                inventory=inventory(sorted(asked)),
                variables={"patch_resolve_manager": manager.value},
                manager=manager,
                payloads={
                    name: payload(
                        request, allow_removals=allow_removals, allow_downgrades=allow_downgrades
                    )
                    for name, request in asked.items()
                },
                timeout_s=TIMEOUT_S,
            )
        )
        for answer in answers:
            request = asked[answer.host]
            yield request, _read(request, answer)


def _read(request: HostRequest, answer: Answer) -> Resolution:
    if answer.status is AnswerStatus.OK:
        return read_resolution(request, answer.output)
    return failed(request, sentence(answer.reason) or f"the host gave no answer ({answer.status})")
