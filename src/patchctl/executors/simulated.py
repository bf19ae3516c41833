"""Simulate hosts behind the same interface as the Ansible executor.

A simulated host stores what a real one stores in /var/lib/patchctl: which transactions were applied
and undone, how often its packages changed, and the fence of its claim. A test can end the executor
and go on with a new one and the same hosts, as a new controller does with real hosts.
"""

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..models.rollout import (
    Carrier,
    HostOutcome,
    HostWork,
    OutcomeStatus,
    Shard,
    ShardEnded,
    Stage,
)
from ..models.states import ALWAYS_REPORTS_CLAIM, ANSWERED, GIVING_BACK


@dataclass
class SimulatedHost:
    """The stored state of one host. `changes` counts how often its packages really changed."""

    name: str
    applied: set[str] = field(default_factory=set)
    undone: set[str] = field(default_factory=set)
    changes: int = 0
    reboots: int = 0
    fence: int = 0
    drained: bool = False
    held: bool = False


@dataclass(frozen=True)
class Behaviour:
    """How a host answers a stage: with which status, and after how many milliseconds.

    `stale` are units that run replaced files, `more` is further evidence.
    """

    status: OutcomeStatus = OutcomeStatus.OK
    after_ms: int = 1000
    reason: str = ""
    reboot_required: bool = False
    stale: tuple[str, ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict)


# (host, stage, how often this stage was asked of this host before) -> behaviour
Script = Callable[[str, Stage, int], Behaviour]


class VirtualClock:
    """A clock whose time passes only in `advance` and waits.

    `wall_is_off_ms` is how far the wall clock is wrong.
    """

    def __init__(self, start_ms: int = 1_750_000_000_000) -> None:
        self._now = start_ms
        self.wall_is_off_ms = 0

    def now_ms(self) -> int:
        return self._now + self.wall_is_off_ms

    def monotonic_ms(self) -> int:
        return self._now

    def sleep(self, seconds: float) -> None:
        self.advance(int(seconds * 1000))

    def advance(self, milliseconds: int) -> None:
        """Move the clock forward."""
        self._now += max(milliseconds, 1)


def all_well(host: str, stage: Stage, asked: int) -> Behaviour:
    """Make each host answer each stage with success after a second."""
    return Behaviour()


class SimulatedExecutor:
    """Implements rollout.interfaces.Executor over `SimulatedHost`s and a virtual clock."""

    def __init__(
        self,
        hosts: Mapping[str, SimulatedHost],
        clock: VirtualClock,
        script: Script = all_well,
    ) -> None:
        self._hosts = hosts
        self._clock = clock
        self._script = script
        self._queue: list[tuple[int, int, HostOutcome | ShardEnded]] = []
        self._number = 0
        self._asked: dict[tuple[str, Stage], int] = {}
        self.started: list[Shard] = []

    def start(self, shard: Shard) -> Carrier | None:
        """Begin a shard. Its answers become due as the clock moves."""
        self.started.append(shard)
        end = self._clock.monotonic_ms()
        for work in shard.hosts:
            due, outcome = self._do(shard, work)
            end = max(end, due)
            self._push(due, outcome)
        self._push(end, ShardEnded(shard=shard.id))
        return None

    def poll(self, timeout_s: float) -> Sequence[HostOutcome | ShardEnded]:
        """Return the outcomes that are due; move the clock where there is none."""
        limit = self._clock.monotonic_ms() + int(timeout_s * 1000)
        if not self._queue or self._queue[0][0] > limit:
            self._clock.advance(limit - self._clock.monotonic_ms())
            return []
        self._clock.advance(max(0, self._queue[0][0] - self._clock.monotonic_ms()))
        due: list[HostOutcome | ShardEnded] = []
        while self._queue and self._queue[0][0] <= self._clock.monotonic_ms():
            due.append(heapq.heappop(self._queue)[2])
        return due

    def reap(self, shard: str, carrier: Carrier | None) -> bool:
        """Do nothing: no part of a simulated shard survives its controller."""
        return False

    def stop(self) -> None:
        """Forget the shards that are being run; the hosts keep their stored state."""
        self._queue.clear()

    def _push(self, due: int, item: HostOutcome | ShardEnded) -> None:
        self._number += 1
        heapq.heappush(self._queue, (due, self._number, item))

    def _do(self, shard: Shard, work: HostWork) -> tuple[int, HostOutcome]:
        key = (work.host, shard.stage)
        asked = self._asked.get(key, 0)
        self._asked[key] = asked + 1
        behaviour = self._script(work.host, shard.stage, asked)
        status, reason = behaviour.status, behaviour.reason
        host = self._hosts[work.host]
        if work.fence < host.fence:
            status, reason = OutcomeStatus.FAILED, f"held with a newer fence ({host.fence})"
        elif status in ANSWERED and not work.check:
            _remember(host, shard.stage, work, status)
        evidence: dict[str, Any] = {"reboot_required": True} if behaviour.reboot_required else {}
        evidence |= behaviour.more
        if behaviour.stale:
            evidence["stale"] = [{"unit": unit, "command": "x"} for unit in behaviour.stale]
        if status in {*ANSWERED, OutcomeStatus.LOCKED} and shard.stage in ALWAYS_REPORTS_CLAIM:
            evidence["holds"] = host.held
        return self._clock.monotonic_ms() + behaviour.after_ms, HostOutcome(
            shard=shard.id, host=work.host, status=status, reason=reason, evidence=evidence
        )


def _remember(host: SimulatedHost, stage: Stage, work: HostWork, status: OutcomeStatus) -> None:
    """Update the host's stored state after a stage. A repeated transaction id changes nothing."""
    host.fence = max(host.fence, work.fence)
    if stage is Stage.UNDO:
        host.held = True
    match stage:
        case Stage.APPLY if work.transaction not in host.applied:
            host.applied.add(work.transaction)
            host.changes += 1
        case Stage.UNDO if work.transaction in host.applied - host.undone:
            host.undone.add(work.transaction)
            host.changes += 1
        case Stage.REBOOT if status is OutcomeStatus.OK:
            host.reboots += 1
        case Stage.PREFLIGHT:
            host.held = status is OutcomeStatus.OK
        case _ if stage in GIVING_BACK and status is OutcomeStatus.OK:
            host.held = False
        case Stage.DRAIN:
            host.drained = True
        case Stage.UNDRAIN:
            host.drained = False
        case _:
            pass
