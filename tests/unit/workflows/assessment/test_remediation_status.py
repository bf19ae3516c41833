"""Where a host stands on its way to a fix: what `explain` says is stuck."""

from msgspec import structs
from rollout_world import plan, ring

from patchctl.models.plan import LeftOut, LeftOutReason, Plan
from patchctl.models.rollout import HostState, RunState
from patchctl.models.run_status import HostStatusLine, RunStatus
from patchctl.workflows.assessment.remediation_status import RemediationStatus


def made(*left_out: LeftOut) -> Plan:
    whole = plan([ring("staging")], {"staging": [["a"], ["b"]]})
    return structs.replace(whole, body=structs.replace(whole.body, left_out=left_out))


def run(state: HostState, reason: str) -> RunStatus:
    line = HostStatusLine(name="a", ring="staging", state=state, reason=reason)
    return RunStatus(
        run="r-1", plan="sha256:1", state=RunState.HALTED, reason="", rings=(), hosts=(line,)
    )


def test_without_a_plan_that_is_what_is_missing() -> None:
    assert RemediationStatus(None, None)("a", "web") == "no plan was made"


def test_a_planned_fix_has_its_ring_and_wave() -> None:
    brings = made().body.cohorts[0].transitions[0]
    assert RemediationStatus(made(), None)("b", brings.source or brings.package) == (
        f"in plan {made().digest.removeprefix('sha256:')[:12]}, which brings {brings.to},"
        " ring staging, wave 2"
    )


def test_a_host_of_a_plan_has_its_ring_and_wave() -> None:
    assert RemediationStatus(made(), None)("b", "").endswith(", ring staging, wave 2")


def test_a_plan_that_does_not_bring_it_says_so() -> None:
    assert RemediationStatus(made(), None)("a", "openssl") == "the newest plan does not bring it"


def test_a_host_that_is_in_no_plan() -> None:
    assert RemediationStatus(made(), None)("z", "web") == "not in the newest plan"


def test_a_host_or_an_update_that_was_left_out_has_its_reason() -> None:
    whole = LeftOut(host="z", reason=LeftOutReason.UNREACHABLE, detail="no route")
    held = LeftOut(host="a", reason=LeftOutReason.HELD, package="openssl")
    status = RemediationStatus(made(whole, held), None)
    assert status("z", "web") == "left out of the newest plan: unreachable: no route"
    assert status("a", "openssl") == "left out of the newest plan: held"


def test_what_the_newest_run_did_is_told_beside_it() -> None:
    status_line = RemediationStatus(made(), run(HostState.FAILED, "verify: web does not answer"))(
        "a", "web"
    )
    assert status_line.endswith(
        "ring staging, wave 1; run r-1: failed: verify: web does not answer"
    )
