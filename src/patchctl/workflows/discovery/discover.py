"""Discover all hosts at once, store the results, and show what is known of a host."""

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

# Extra seconds for a host that fetches its package lists first.
REFRESH_S = 180


class Clock(Protocol):
    """The source of time, in epoch ms."""

    def now_ms(self) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to discover. `hosts`: names in the fleet, None for all. `refresh` fetches package lists
    first. `timeout_s` limits each host; `forks`: 0 for those of the connection."""

    hosts: Sequence[str] | None = None
    refresh: bool = False
    timeout_s: int = 60
    forks: int = 0


Progress = Callable[[int, int, HostResult], None]


@dataclass(frozen=True, kw_only=True)
class Look:
    """The result of asking one host. `code` is its `reason` for programs, None where there are
    facts; it is not stored."""

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
    """Ask all these hosts at once and yield a result for each as it answers. `begun`: epoch ms UTC.

    A host that cannot be reached or read is a result too. `prepare` is called while the runner
    starts, before a host is asked. `progress` gets (done, total, result). Raises NotFoundError for
    a name that the fleet does not have.
    """
    job = _job(generate(fleet, names), request, begun)
    for done, answer in enumerate(runner.run(job, prepare) if names else (), 1):
        host_look = _look_of(answer)
        progress(done, len(names), host_look.result)
        yield host_look


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
    """Ask the hosts as `look` does, and return a snapshot of all, sorted by name, stored by `save`.

    Slow preparations of `save` belong into `prepare`.
    """
    names = sorted(set(request.hosts) if request.hosts is not None else _names(fleet))
    begun = clock.now_ms()
    results: dict[str, HostResult] = {}

    def save_results() -> Snapshot:
        return save(
            Snapshot(
                id=snapshot_id(begun, secrets.token_bytes(RANDOM_BYTES)),
                taken=begun // 1000,
                elapsed_ms=clock.now_ms() - begun,
                hosts=tuple(results[name] for name in names),
            )
        )

    saved = None
    looks = look(
        fleet, names, request, runner=runner, begun=begun, prepare=prepare, progress=progress
    )
    for host_look in looks:
        results[host_look.result.name] = host_look.result
        if len(results) == len(names):
            saved = save_results()  # Ansible is still ending meanwhile
    return saved or save_results()


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


def _look_of(answer: Answer) -> Look:
    if answer.status is not AnswerStatus.OK:
        unreachable = answer.status is AnswerStatus.UNREACHABLE
        status = HostStatus.UNREACHABLE if unreachable else HostStatus.FAILED
        return _without_facts(answer, status, Reason(code=answer.code, text=answer.reason))
    facts = parse(answer.output, answer.at_ms // 1000)
    if reason := problem(facts):
        return _without_facts(answer, HostStatus.FAILED, reason)
    return Look(
        result=HostResult(
            name=answer.host, status=HostStatus.OK, facts=facts, elapsed_ms=answer.elapsed_ms
        )
    )


def _without_facts(answer: Answer, status: HostStatus, reason: Reason) -> Look:
    result = HostResult(
        name=answer.host,
        status=status,
        reason=reason.text or "no answer",
        elapsed_ms=answer.elapsed_ms,
    )
    return Look(result=result, code=reason.code)


# --- what is stored -----------------------------------------------------------------------------


class Stored(Protocol):
    """The stored discoveries of each host."""

    def history(self, host: str, limit: int | None = None) -> Sequence[HostHistory]: ...
    def facts(self, digest: str) -> HostFacts: ...


def known(stored: Stored, host: str) -> Known:
    """Return the newest that is known of a host. Raises NotFoundError where it was never
    discovered."""
    history = stored.history(host)
    if not history:
        raise NotFoundError(f"nothing is known of {host}", hint="run `patchctl discover`")
    readable = next((discovery for discovery in history if discovery.facts_digest), history[0])
    return Known(
        name=host,
        status=history[0].status,
        reason=history[0].reason,
        snapshot=readable.snapshot,
        taken=readable.taken,
        facts=stored.facts(readable.facts_digest) if readable.facts_digest else None,
    )
