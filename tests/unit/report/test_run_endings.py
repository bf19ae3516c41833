"""How a run's state, result and times are said to people."""

import doctest
from typing import Any

import pytest
from rollout.test_rollout_results import unproven_production
from rollout_world import RUN, SIX, World, fails, plan, ring, three_rings

from patchctl.models.policy import Amount
from patchctl.models.rollout import Stage
from patchctl.models.run_status import RunStatus
from patchctl.report import run_endings
from patchctl.report.rollout_view import RunView, next_step
from patchctl.report.view import Table
from patchctl.rollout.status import status


def ended(world: World) -> RunStatus:
    return status(world.run())


def states(run_status: RunStatus) -> dict[str, str]:
    """The rings' states as the table has them."""
    table = next(part for part in RunView(run_status).parts() if isinstance(part, Table))
    return {row[0]: row[1] for row in table.rows}


def test_a_run_in_which_production_was_skipped_is_not_called_done() -> None:
    run_status = ended(World(unproven_production()))
    assert run_endings.headline(run_status) == f"run {RUN}: partial: 3 succeeded, 3 skipped"
    assert states(run_status) == {
        "staging": "succeeded",
        "canary": "succeeded",
        "production": "skipped",
    }
    assert next_step(run_status) == "3 skipped hosts need a new plan: patchctl plan create"


def test_a_perfect_one_succeeded_and_has_nothing_to_explain() -> None:
    run_status = ended(World(plan(three_rings(), SIX)))
    assert run_endings.headline(run_status) == f"run {RUN}: succeeded"
    assert next_step(run_status) == ""


def test_where_nothing_was_changed_that_is_said() -> None:
    run_status = ended(World(plan(three_rings(), {"production": [["p1"]]})))
    assert run_endings.headline(run_status) == (
        f"run {RUN}: skipped: no host was changed: 1 skipped"
    )
    assert next_step(run_status) == "1 skipped host needs a new plan: patchctl plan create"


def test_failures_within_the_budget_are_counted() -> None:
    rings = [ring("staging", budget=Amount(hosts=1)), *three_rings()[1:]]
    run_status = ended(World(plan(rings, SIX), fails(Stage.PREFLIGHT, "s1")))
    assert run_endings.headline(run_status) == f"run {RUN}: partial: 5 succeeded, 1 failed"
    assert "rollout retry" in next_step(run_status)


def test_one_that_stands_is_told_by_its_state_and_reason() -> None:
    run_status = ended(World(plan(three_rings(), SIX), fails(Stage.PREFLIGHT, "s1")))
    assert run_endings.headline(run_status) == f"run {RUN}: halted: {run_status.reason}"


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ({}, ""),
        ({"created": "2026-11-28T08:27:59Z"}, "created 2026-11-28 08:27 UTC"),
        (
            {"created": "2026-11-28T08:27:59Z", "started": "2026-11-28T08:28:00Z"},
            "began 2026-11-28 08:28 UTC",
        ),
        (
            {"started": "2026-11-28T08:28:00Z", "ended": "2026-11-28T08:40:03Z"},
            "began 2026-11-28 08:28 UTC, ended 2026-11-28 08:40 UTC, took 12m03s",
        ),
    ],
)
def test_times_are_said_as_far_as_they_are_known(times: dict[str, Any], said: str) -> None:
    run_status = RunStatus(run=RUN, plan="p", state="done", reason="", rings=(), hosts=(), **times)  # type: ignore[arg-type]
    assert run_endings.times(run_status) == said


def test_the_examples_hold() -> None:
    assert doctest.testmod(run_endings).failed == 0
