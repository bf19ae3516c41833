"""Look at every host at once, keep what was found, tell what is known."""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ...discovery.collect import parse, problem
from ...errors import NotFoundError
from ...inventory.export import generate
from ...models.facts import HostFacts
from ...models.fleet import Fleet
from ...models.ids import RANDOM_BYTES, snapshot_id
from ...models.reach import Reason, ReasonCode
from ...models.snapshot import HostResult, HostStatus, Snapshot
from ...models.state import HostHistory, Known
from ...protocol.jobs import Answer, AnswerStatus, Job, Runner

# How much longer a host may take that fetches its package lists first.
REFRESH_S = 180


class Clock(Protocol):
    """Time, injected."""

    def now_ms(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Request:
    """`hosts`: names in the fleet, None for all. `timeout_s` bounds each host; `forks`: 0 for the
    connection's."""

    hosts: Sequence[str] | None = None
    refresh: bool = False
    timeout_s: int = 60
    forks: int = 0


Progress = Callable[[int, int, HostResult], None]


@dataclass(frozen=True, kw_only=True)
class Look:
    """What came of asking one host. `code` is what its `reason` means to programs, None where
    there are facts; it is not kept."""

    result: HostResult
    code: ReasonCode | None = None


def look(
    fleet: Fleet,
    names: Sequence[str],
    request: Request,
    *,
    runner: Runner,
    begun: int,
    prepare: Callable[[], object] = lambda: None,
    progress: Progress = lambda done, total, result: None,
) -> Iterator[Look]:
    """Ask these hosts all at once; what came of each, as they answer. `begun`: epoch ms UTC.

    A host that cannot be reached or read is a result. `prepare` is called while the runner starts,
    before a host is asked. `progress` is told (done, total, result). Raises NotFoundError for a
    name that the fleet has not.
    """
    job = _job(generate(fleet, names), request, begun)
    for done, answer in enumerate(runner.run(job, prepare) if names else (), 1):
        seen = _seen(answer)
        progress(done, len(names), seen.result)
        yield seen


def discover(
    fleet: Fleet,
    request: Request,
    *,
    runner: Runner,
    clock: Clock,
    save: Callable[[Snapshot], Snapshot],
    prepare: Callable[[], object] = lambda: None,
    progress: Progress = lambda done, total, result: None,
) -> Snapshot:
    """What is found on each host, sorted by name, and stored by `save`.

    As `look`. What `save` needs, and takes its time, belongs into `prepare`.
    """
    names = sorted(set(request.hosts) if request.hosts is not None else _names(fleet))
    begun = clock.now_ms()
    found: dict[str, HostResult] = {}

    def keep() -> Snapshot:
        return save(
            Snapshot(
                id=snapshot_id(begun, secrets.token_bytes(RANDOM_BYTES)),
                taken=begun // 1000,
                elapsed_ms=clock.now_ms() - begun,
                hosts=tuple(found[name] for name in names),
            )
        )

    kept = None
    seen = look(
        fleet, names, request, runner=runner, begun=begun, prepare=prepare, progress=progress
    )
    for one in seen:
        found[one.result.name] = one.result
        if len(found) == len(names):
            kept = keep()  # while Ansible ends
    return kept or keep()


def _names(fleet: Fleet) -> list[str]:
    return [host.name for host in fleet.hosts]


def _job(inventory: Mapping[str, Any], request: Request, begun: int) -> Job:
    return Job(
        id=f"discover-{begun}",
        stage="discover",
        inventory=inventory,
        variables={"patch_discover_mode": "all", "patch_discover_refresh": request.refresh},
        timeout_s=request.timeout_s + (REFRESH_S if request.refresh else 0),
        forks=request.forks,
    )


def _seen(answer: Answer) -> Look:
    if answer.status is not AnswerStatus.OK:
        unreachable = answer.status is AnswerStatus.UNREACHABLE
        status = HostStatus.UNREACHABLE if unreachable else HostStatus.FAILED
        return _without(answer, status, Reason(code=answer.code, text=answer.reason))
    facts = parse(answer.output, answer.at_ms // 1000)
    if why := problem(facts):
        return _without(answer, HostStatus.FAILED, why)
    return Look(
        result=HostResult(
            name=answer.host, status=HostStatus.OK, facts=facts, elapsed_ms=answer.elapsed_ms
        )
    )


def _without(answer: Answer, status: HostStatus, why: Reason) -> Look:
    result = HostResult(
        name=answer.host,
        status=status,
        reason=why.text or "no answer",
        elapsed_ms=answer.elapsed_ms,
    )
    return Look(result=result, code=why.code)


# --- what is stored -----------------------------------------------------------------------------


class Stored(Protocol):
    """Snapshots in the state database."""

    def history(self, host: str, limit: int | None = None) -> Sequence[HostHistory]: ...
    def facts(self, digest: str) -> HostFacts: ...


def known(stored: Stored, host: str) -> Known:
    """The newest that is known of a host. Raises NotFoundError where nobody has looked at it."""
    history = stored.history(host)
    if not history:
        raise NotFoundError(f"nothing is known of {host}", hint="run `patchctl discover`")
    seen = next((one for one in history if one.facts_digest), history[0])
    return Known(
        name=host,
        status=history[0].status,
        reason=history[0].reason,
        snapshot=seen.snapshot,
        taken=seen.taken,
        facts=stored.facts(seen.facts_digest) if seen.facts_digest else None,
    )
