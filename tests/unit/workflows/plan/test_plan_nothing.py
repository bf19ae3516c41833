"""What is said, and with which exit code, where no plan is made."""

from collections.abc import Collection
from typing import cast

import msgspec
from plan_world import TAKEN, facts, fleet, host, host_result, settings, snapshot

from patchctl.models.facts import HostFacts, PackageLists
from patchctl.models.fleet import RefusedHost
from patchctl.models.plan import CouldNotLook, LeftOutReason, Selection, SelectionMode
from patchctl.models.revision import Revision
from patchctl.models.snapshot import Snapshot
from patchctl.protocol.jobs import HostRunner
from patchctl.workflows.assessment.assess import Parts
from patchctl.workflows.interfaces import ContentStore, State
from patchctl.workflows.plan.findings import PlanAssessing
from patchctl.workflows.plan.make_plan import Made, PlanMaker, PlanRequest

ODD = RefusedHost(name="My VM (old)", reason="has characters that no name may have")
UNASKED = CouldNotLook(
    host="My VM (old)", reason="its name has characters that no name may have; rename it"
)


def nobody(snapshot: Snapshot) -> Parts:
    raise AssertionError(f"{snapshot.id} was assessed without feeds")


def made(known: HostFacts, *refused: RefusedHost, limit: Collection[str] | None = None) -> Made:
    """Plan all that is pending on the host, of which nothing may be taken: no host resolves a
    transaction, no file is fetched, nothing is stored."""
    lists = (PackageLists(repository="http://deb.example bookworm", fetched=TAKEN),)
    taken = snapshot(host_result("h", msgspec.structs.replace(known, lists=lists)))
    maker = PlanMaker(
        settings=settings(),
        fleet=msgspec.structs.replace(fleet(host("h")), left_out=refused),
        database=cast(State, None),
        store=cast(ContentStore, None),
        runner=cast(HostRunner, None),
        inventory=lambda _: {},
        discover=lambda _: taken,
        now=lambda: TAKEN,
        revision=Revision,
        by="op",
        say=lambda _: None,
        assessing=PlanAssessing(parts=nobody, feeds=tuple, refuse_stale=tuple),
    )
    return maker.make(PlanRequest(selection=Selection(mode=SelectionMode.ALL), hosts=limit))


def test_nothing_is_to_do_where_every_host_is_up_to_date() -> None:
    answer = made(facts())
    assert (answer.exit_code, answer.all_looked_at) == (0, True)


class TestHostsLeftOutForTheirNames:
    def test_nobody_can_say_that_they_have_nothing_to_do(self) -> None:
        answer = made(facts(), ODD)
        assert answer.could_not_look == (UNASKED,)
        assert (answer.exit_code, answer.all_looked_at) == (1, False)
        assert [row.reason for row in answer.left_out] == [LeftOutReason.NO_UPDATES]

    def test_a_limit_that_means_all_hosts_means_them_too(self) -> None:
        assert made(facts(), ODD, limit=("h",)).could_not_look == (UNASKED,)

    def test_a_limit_that_means_fewer_does_not(self) -> None:
        answer = made(facts(), ODD, limit=())
        assert (answer.could_not_look, answer.exit_code) == ((), 0)
