"""What people read of an audit record."""

from collections.abc import Sequence

import msgspec
import pytest

from patchctl.audit import notes
from patchctl.models.audit import AuditRecord
from patchctl.models.journal import (
    CommandKind,
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
from patchctl.models.rollout import (
    Carrier,
    HostState,
    OutcomeStatus,
    ProcessIdentity,
    RingState,
    RunState,
    Stage,
)

PROCESS = ProcessIdentity(pid=77, pgid=77, start=1, boot_id="b")
CARRIER: Carrier = msgspec.to_builtins(PROCESS)
PLAN = "sha256:0123456789abcdef"

DESCRIBED: Sequence[tuple[Event, str]] = [
    (
        RunCreated(plan=PLAN, by="ann", comment="CVE-1"),
        "ann creates the run of plan sha256:0123456789ab",
    ),
    (
        RunCreated(plan=PLAN, by="ann", trust=PlanTrust.STATE),
        "ann creates the run of plan sha256:0123456789ab",
    ),
    (
        RunCreated(plan=PLAN, by="ann", trust=PlanTrust.GIT),
        "ann creates the run of plan sha256:0123456789ab, which git has",
    ),
    (
        RunCreated(plan=PLAN, by="ann", trust=PlanTrust.NAMED),
        "ann creates the run of plan sha256:0123456789ab, trusted by its digest",
    ),
    (RunMoved(to=RunState.ROLLING_BACK), "run is rolling back"),
    (RingMoved(ring="canary", to=RingState.SOAKING), "ring canary is soaking"),
    (WaveStarted(ring="canary", wave=2, hosts=1), "ring canary begins wave 2 of 1 host"),
    (
        ControllerTook(fence=3, process=PROCESS, by="ann"),
        "process 77 of ann carries the run, fence 3",
    ),
    (HostMoved(host="h", attempt=1, to=HostState.APPLY, stage=Stage.APPLY), "apply"),
    (
        HostMoved(host="h", attempt=2, to=HostState.FAILED, stage=Stage.VERIFY),
        "failed at verify, attempt 2",
    ),
    (
        StageAnswered(
            host="h", attempt=1, stage=Stage.VERIFY_UNDO, status=OutcomeStatus.LOST, late=True
        ),
        "verify undo answers lost, late",
    ),
    (ShardStarted(shard="s1", stage=Stage.APPLY, hosts=("a", "b")), "apply goes out to 2 hosts"),
    (ShardProcess(shard="s1", process=CARRIER), "process 77 carries s1"),
    (ShardProcess(shard="s1", process={"worker": "\x1b[2J"}), "another machine carries s1"),
    (ShardOver(shard="s1"), "s1 is over"),
    (
        CommandTaken(command=CommandKind.APPROVE, by="bob", ring="production"),
        "bob asks to approve ring production",
    ),
]


@pytest.mark.parametrize(("event", "text"), DESCRIBED)
def test_every_event_is_described(event: Event, text: str) -> None:
    assert notes.describe(event) == text


def test_a_record_of_a_later_version_shows_its_kind() -> None:
    record = AuditRecord(
        seq=1, at=1_700_000_000_250, run="r", event={"kind": "moon-rose"}, prev="", hash=""
    )
    note = notes.note(record)
    assert (note.at, note.event, note.host) == ("2023-11-14T22:13:20.250Z", "moon-rose", "")


def test_a_moment_that_is_none_stays_a_number() -> None:
    assert notes.moment(10**20) == str(10**20)
