"""What is told of one host of a run."""

from live_world import LONG, approved, world

from patchctl.models.journal import JournalEntry, StageAnswered
from patchctl.models.rollout import OutcomeStatus, Stage
from patchctl.report.live_host_log import host_log

AT = 1_795_435_805_000


def answer(status: OutcomeStatus = OutcomeStatus.FAILED, **more: object) -> JournalEntry:
    event = StageAnswered(
        host="a", attempt=1, stage=Stage.APPLY, status=status, reason="dpkg failed", evidence=more
    )
    return JournalEntry(seq=1, run="r-1", at=AT, event=event)


def test_each_stage_with_its_answer_in_their_order() -> None:
    run = approved(world(6, failing=LONG))
    lines = [line.partition(" ")[2][:24] for line in host_log(LONG, run.entries)]
    assert lines[:3] == ["begins preflight", "preflight: ok", "begins prepare"]
    assert any(line.startswith("apply: failed: dpkg: \x1b") for line in lines)
    assert lines[-1] == "undone"


def test_a_reason_is_told_once() -> None:
    run = approved(world(6, failing=LONG))
    assert sum("dpkg" in line for line in host_log(LONG, run.entries)) == 1


def test_other_hosts_are_not_told() -> None:
    assert host_log("b", [answer()]) == ["b: nothing has begun there yet"]


def test_what_the_host_printed_and_which_check_failed() -> None:
    checks = [{"name": "space", "ok": True}, {"name": "probe web", "ok": False, "detail": "404"}]
    assert host_log("a", [answer(checks=checks, log=["line 1", "line 2"])]) == [
        "12:10:05 apply: failed: dpkg failed",
        "    probe web: 404",
        "    | line 1",
        "    | line 2",
    ]


def test_evidence_of_an_unknown_form_is_left_out() -> None:
    assert host_log("a", [answer(checks="x", log=7, notes={"a": 1})]) == [
        "12:10:05 apply: failed: dpkg failed"
    ]


def test_a_lock_is_a_wait() -> None:
    assert host_log("a", [answer(OutcomeStatus.LOCKED)]) == ["12:10:05 apply: waits: dpkg failed"]
