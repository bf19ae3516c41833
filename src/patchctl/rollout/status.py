"""Build the status of a run for `rollout status`, and its exit code."""

from collections import Counter
from collections.abc import Collection

from ..models.rollout import HostState, RunState, Stage
from ..models.run_status import (
    Blocker,
    ConfigFile,
    EditedFile,
    HostStatusLine,
    RingStatus,
    RunStatus,
)
from ..models.states import AT_REST, COUNTED, IN_FLIGHT, STOPPED
from ..models.words import rfc3339
from . import results, soak, states
from .decisions import old_code
from .view import HostView, RingView, RunView


def status(
    view: RunView,
    controller: str = "",
    *,
    blockers: tuple[Blocker, ...] = (),
    leased: Collection[str] = (),
    now: int | None = None,
) -> RunStatus:
    """Return the status of a run. The counters of a ring sum to its size. `blockers` are those of
    this view, `leased` the hosts that the run keeps from other runs. `now` is epoch ms; without it
    a soak is told as it began."""
    current = view.current_ring()
    return RunStatus(
        run=view.run,
        plan=view.plan.digest,
        state=view.state,
        reason=_reason(view, now),
        rings=tuple(_ring(view, ring) for ring in view.rings.values()),
        hosts=tuple(
            HostStatusLine(
                name=host.name,
                ring=host.ring,
                state=host.state,
                stage=_stage(host),
                reason=host.waits_for or host.reason,
                edited=tuple(
                    EditedFile(path=file["path"], copy=file["copy"], gone=bool(file.get("gone")))
                    for file in host.evidence.get(Stage.UNDO.value, {}).get("edited", ())
                ),
                lease=view.lease(host.name) if host.name in leased else None,
                attempt=host.attempt,
                config=_config(host),
                reboot_required=host.touched and host.reboot_required and not host.rebooted,
                old_code=old_code(host.evidence.get(Stage.VERIFY.value, {}))
                if host.touched
                else (),
                holds=host.holding and host.state in AT_REST and not host.owes_release,
                started=rfc3339(host.started),
                ended=rfc3339(host.ended),
            )
            for ring in view.rings.values()
            for wave in ring.waves
            for host in (view.hosts[name] for name in wave)
        ),
        controller=controller,
        blockers=blockers,
        could_not_look=view.plan.body.could_not_look,
        exclusions=view.plan.body.exclusions,
        result=results.of_run(view),
        created=rfc3339(view.created_at),
        started=rfc3339(view.started_at),
        ended=rfc3339(view.ended_at),
        soak_until=None if current is None else _soak_until(current),
    )


def _config(host: HostView) -> tuple[ConfigFile, ...]:
    """Return what the update did to configuration files; nothing after an undo, which restores
    them."""
    if not host.touched:
        return ()
    rows = host.evidence.get(Stage.APPLY.value, {}).get("config", ())
    return tuple(ConfigFile(path=row["path"], beside=row.get("beside", "")) for row in rows)


def _soak_until(ring: RingView) -> str | None:
    return rfc3339(soak.ends(ring) or 0)


def _reason(view: RunView, now: int | None) -> str:
    ring = view.current_ring()
    if view.state is RunState.SOAKING and ring is not None and now is not None:
        return soak.told(ring, now) or view.reason
    if view.state is RunState.WAITING and ring is not None and ring.approved:
        return f"ring {ring.name} is approved"
    return view.reason


def _stage(host: HostView) -> str:
    """Return the present stage, or the one in which an unsuccessful host failed first."""
    stage = host.stage if host.state in IN_FLIGHT else host.failed_stage
    return (stage or host.final_stage or "") and str(stage or host.final_stage)


def _ring(view: RunView, ring: RingView) -> RingStatus:
    counts = Counter[str]()
    for state, number in ring.counters.items():
        counts[states.counter(state)] += number
    return RingStatus(
        name=ring.name,
        state=ring.state,
        hosts={name: counts[name] for name in states.COUNTERS},
        reason=ring.reason,
        approved=ring.approved,
        result=results.of_ring(view, ring),
        started=rfc3339(ring.started),
        ended=rfc3339(ring.ended),
        soak_until=_soak_until(ring),
    )


def exit_code(view: RunView) -> int:
    """Return the documented exit code for the run's state."""
    hosts = Counter[HostState]()
    for ring in view.rings.values():
        hosts.update(ring.counters)
    if view.state in STOPPED:
        return 3
    match view.state:
        case RunState.DONE:
            if any(hosts[state] for state in COUNTED):
                return 4
            put_off = hosts[HostState.SKIPPED] or hosts[HostState.DEFERRED]
            held_back = put_off or view.plan.body.holds_back
            return 1 if held_back else 0
        case RunState.ROLLED_BACK:
            return 0
        case RunState.NEEDS_HUMAN:
            return 4
        case _:
            return 5
