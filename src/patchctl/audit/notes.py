"""Make a note of an audit record: who or what did what. Pure. A note holds host text that is not
cleaned yet."""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from ..models.audit import AuditNote, AuditRecord
from ..models.journal import (
    CommandTaken,
    ControllerTook,
    Event,
    HostMoved,
    PlanTrust,
    RingMoved,
    RunCreated,
    RunMoved,
    ShardOver,
    ShardProcess,
    ShardStarted,
    StageAnswered,
    WaveStarted,
)
from ..models.rollout import Carrier
from ..models.words import count

_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_DIGEST = len("sha256:") + 12
_TRUST: Mapping[PlanTrust | None, str] = {
    PlanTrust.GIT: ", which git has",
    PlanTrust.NAMED: ", trusted by its digest",
}


def note(record: AuditRecord) -> AuditNote:
    """Who or what did what. Events of a kind that this version does not know show its name."""
    try:
        # `convert` would examine all kinds of events anew each time.
        event: Event | None = _decoder.decode(msgspec.json.encode(record.event))
    except msgspec.ValidationError:
        event = None
    return AuditNote(
        seq=record.seq,
        at=moment(record.at),
        run=record.run,
        event=describe(event) if event is not None else str(record.event.get("kind", "?")),
        host=getattr(event, "host", ""),
        reason=getattr(event, "reason", getattr(event, "comment", "")),
    )


def moment(at_ms: int) -> str:
    """`2026-11-23T11:45:01.250Z`; a number that is not a time stays a number."""
    try:
        text = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return str(at_ms)
    return text.replace("+00:00", "Z")


def describe(event: Event) -> str:
    """The event without its host and reason."""
    match event:
        case RunCreated():
            how = _TRUST.get(event.trust, "")
            return f"{event.by} creates the run of plan {event.plan[:_DIGEST]}{how}"
        case RunMoved():
            return f"run is {_plain(event.to)}"
        case RingMoved():
            return f"ring {event.ring} is {_plain(event.to)}"
        case WaveStarted():
            return f"ring {event.ring} begins wave {event.wave} of {count(event.hosts, 'host')}"
        case ControllerTook():
            by = f" of {event.by}" if event.by else ""
            return f"process {event.process.pid}{by} carries the run, fence {event.fence}"
        case CommandTaken():
            ring = f" ring {event.ring}" if event.ring else ""
            force = " by force" if event.force else ""
            hosts = f" {count(len(event.hosts), 'host')}" if event.hosts else ""
            return f"{event.by} asks to {_plain(event.command)}{ring}{hosts}{force}"
        case HostMoved() | StageAnswered():
            return _of_host(event)
        case ShardStarted():
            return f"{_plain(event.stage)} goes out to {count(len(event.hosts), 'host')}"
        case ShardProcess():
            return f"{_carrier(event.process)} carries {event.shard}"
        case ShardOver():
            return f"{event.shard} is over"


def _carrier(carrier: Carrier) -> str:
    pid = carrier.get("pid")
    return f"process {pid}" if isinstance(pid, int) else "another machine"


def _of_host(event: HostMoved | StageAnswered) -> str:
    again = f", attempt {event.attempt}" if event.attempt > 1 else ""
    if isinstance(event, StageAnswered):
        late = ", late" if event.late else ""
        return f"{_plain(event.stage)} answers {_plain(event.status)}{late}{again}"
    if event.stage is None or event.stage.value == event.to.value:
        return f"{_plain(event.to)}{again}"
    return f"{_plain(event.to)} at {_plain(event.stage)}{again}"


def _plain(name: str) -> str:
    return str(name).replace("_", " ")
