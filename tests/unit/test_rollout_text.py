"""What a person reads about a run."""

import pytest
from rollout_world import SIX, World, plan, three_rings

from patchctl.executors.simulated import Behaviour, Script
from patchctl.models.rollout import OutcomeStatus, Stage
from patchctl.report import rollout_text
from patchctl.rollout.status import status


def failing(stage: Stage, *hosts: str) -> Script:
    def script(host: str, asked: Stage, _: int) -> Behaviour:
        bad = asked is stage and host in hosts
        return Behaviour(status=OutcomeStatus.FAILED if bad else OutcomeStatus.OK, reason="no")

    return script


@pytest.mark.parametrize(
    ("script", "undo"),
    [
        (failing(Stage.PREFLIGHT, "s1", "s2"), False),
        (failing(Stage.VERIFY, "s1", "s2"), False),  # undone by itself already
        (failing(Stage.VERIFY, "s1"), True),  # s2 has it
    ],
)
def test_an_undo_is_offered_where_there_is_something_to_undo(script: Script, undo: bool) -> None:
    step = rollout_text.next_step(status(World(plan(three_rings(), SIX), script).run()))
    assert ("patchctl rollback" in step) is undo
    assert "--accept-failures" in step


def test_before_a_rollout_its_rings_and_worst_cases_are_named() -> None:
    said = rollout_text.before(plan(three_rings(), SIX))
    assert said[0].endswith("6 hosts, 1 package update")
    assert said[3] == "  production: 3 hosts in 2 waves, budget 0, worst case 3"


def test_one_host_is_one_host() -> None:
    assert rollout_text.some(1, "host") == "1 host"
    assert rollout_text.some(2, "host") == "2 hosts"
