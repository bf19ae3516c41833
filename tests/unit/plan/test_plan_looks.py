"""Repositories that could not be read: which hosts are left out, and what the plan says then."""

from collections.abc import Iterable

import msgspec
import pytest
from plan_world import (
    TAKEN,
    facts,
    fleet,
    host,
    host_result,
    settings,
    snapshot,
    transition,
    update,
)

from patchctl.models.facts import HostFacts, PackageLists, PackageManager, UnparsedLine
from patchctl.models.fleet import Fleet
from patchctl.models.plan import (
    CouldNotLook,
    LeftOut,
    LeftOutReason,
    PlanAbout,
    PlanBody,
    Selection,
    SelectionMode,
)
from patchctl.models.policy import StaleLists
from patchctl.models.resolution import Resolution
from patchctl.models.snapshot import Snapshot
from patchctl.plan.freeze import freeze, seal
from patchctl.plan.looks import Looks, looks
from patchctl.plan.select import select
from patchctl.workflows.plan.make_plan import Made

DAY = 86_400
DEBIAN, VENDOR = "http://deb.example/debian bookworm", "http://vendor.example/apt stable"
SECURITY = Selection(mode=SelectionMode.SECURITY)
LOST = "404 Not Found"
ABOUT = PlanAbout(created=1, author="op", tool="patchctl 0")


def with_lists(*lists: PackageLists, pending: Iterable[str] = ()) -> HostFacts:
    known = facts(pending=[update(name) for name in pending])
    return msgspec.structs.replace(known, lists=lists)


def good(repository: str = DEBIAN, age: int = 0) -> PackageLists:
    return PackageLists(repository=repository, fetched=TAKEN - age)


def bad(reason: str = LOST) -> PackageLists:
    return PackageLists(repository=VENDOR, fetched=TAKEN - DAY, fault=reason)


def looked(
    known: HostFacts | None, policy: StaleLists = StaleLists.HOLD, ring: str | None = "staging"
) -> Looks:
    return seen(fleet(host("h", ring)), snapshot(host_result("h", known)), policy)


def seen(hosts: Fleet, taken: Snapshot, policy: StaleLists = StaleLists.HOLD) -> Looks:
    return looks(hosts, taken, None, policy=policy, oldest=TAKEN - 2 * DAY)


def told(*reasons: LeftOutReason) -> tuple[LeftOut, ...]:
    return tuple(LeftOut(host="h", reason=reason) for reason in reasons)


class TestWhatIsTold:
    def test_each_repository_that_could_not_be_looked_into(self) -> None:
        assert looked(with_lists(good(), bad())).all == (
            CouldNotLook(host="h", repository=VENDOR, reason=LOST),
        )

    def test_nothing_where_all_could(self) -> None:
        assert looked(with_lists(good())).all == ()

    def test_lists_that_are_older_than_the_settings_allow(self) -> None:
        (row,) = looked(with_lists(good(age=3 * DAY), good(VENDOR, age=DAY))).all
        assert row.repository == DEBIAN
        assert row.reason.startswith("its package lists are of 20")
        assert "policy.lists_max_age" in row.reason

    def test_hosts_that_could_not_be_looked_at(self) -> None:
        assert looked(None).all == (CouldNotLook(host="h", reason="Connection refused"),)
        unread = msgspec.structs.replace(with_lists(good()), unread=("pending",))
        assert looked(unread).all == (
            CouldNotLook(host="h", reason="its pending updates could not be read"),
        )
        unread = msgspec.structs.replace(unread, lists=(PackageLists(fault="Malformed entry 2"),))
        assert looked(unread).all[0].reason.endswith("could not be read: Malformed entry 2")
        assert seen(fleet(host("h")), snapshot()).all == (
            CouldNotLook(host="h", reason="not in snapshot s-1"),
        )

    def test_a_host_of_which_nobody_asked_for_lists(self) -> None:
        """Facts of an earlier patchctl, or from a file."""
        (row,) = looked(with_lists()).all
        assert row.repository == "" and "discover it again" in row.reason

    def test_nothing_of_hosts_that_are_not_asked_for(self) -> None:
        assert looked(None, ring=None).all == ()
        taken = snapshot(host_result("h", None))
        both = looks(fleet(host("h")), taken, [], policy=StaleLists.HOLD, oldest=0)
        assert both.all == ()

    def test_nothing_of_hosts_that_no_plan_changes_yet(self) -> None:
        assert looked(facts(manager=PackageManager.NONE)).all == ()

    def test_a_host_with_dnf_is_looked_at_alike(self) -> None:
        broken = msgspec.structs.replace(with_lists(bad()), manager=PackageManager.DNF)
        (row,) = looked(broken).all
        assert row.reason == LOST

    def test_what_may_be_missing_is_told_and_holds_nobody(self) -> None:
        """dnf's skip_if_unavailable."""
        optional = msgspec.structs.replace(bad(), optional=True)
        hosts, taken = fleet(host("h")), snapshot(host_result("h", with_lists(good(), optional)))
        assert [row.reason for row in seen(hosts, taken).all] == [LOST]
        assert seen(hosts, taken).held == {}
        other = msgspec.structs.replace(optional, optional=False)
        taken = snapshot(host_result("h", with_lists(good(), other)))
        assert list(seen(hosts, taken).held) == ["h"]

    def test_what_hosts_say_is_cleaned(self) -> None:
        (row,) = looked(with_lists(bad("\x1b[2J404\nNot Found\u202e"))).all
        assert row.reason == "[2J404 Not Found"


class TestHolding:
    def test_a_host_is_held_with_the_reason_and_what_is_known(self) -> None:
        known = with_lists(good(), bad(), pending=["openssl", "curl"])
        hosts, taken = fleet(host("h")), snapshot(host_result("h", known))
        selected = select(hosts, taken, SECURITY, held=seen(hosts, taken).held)
        assert selected.requests == ()
        assert selected.left_out == (
            LeftOut(
                host="h",
                reason=LeftOutReason.STALE_LISTS,
                detail=f"{VENDOR}: {LOST} (2 known updates not planned)",
            ),
        )

    def test_it_holds_nobody_else(self) -> None:
        hosts = fleet(host("h"), host("i"))
        fine = with_lists(good(), pending=["curl"])
        broken = with_lists(bad(), pending=["curl"])
        taken = snapshot(host_result("h", broken), host_result("i", fine))
        selected = select(hosts, taken, SECURITY, held=seen(hosts, taken).held)
        assert [request.host for request in selected.requests] == ["i"]

    def test_a_host_none_of_whose_repositories_could_be_read_is_held_as_well(self) -> None:
        """As after a malformed line in its sources, which hides them all."""
        unread = with_lists(PackageLists(fault="Malformed entry 2"))
        unread = msgspec.structs.replace(unread, unread=("pending",))
        fine = with_lists(good(), pending=["curl"])
        hosts, taken = (
            fleet(host("h"), host("i")),
            snapshot(host_result("h", unread), host_result("i", fine)),
        )
        selected = select(hosts, taken, SECURITY, held=seen(hosts, taken).held)
        assert [request.host for request in selected.requests] == ["i"]
        why = "its pending updates could not be read: Malformed entry 2"
        (row,) = selected.left_out
        assert row == LeftOut(host="h", reason=LeftOutReason.STALE_LISTS, detail=why)
        assert body(StaleLists.HOLD, row).holds_back
        assert Made(plan=None, snapshot=taken, left_out=(row,)).exit_code == 1

    def test_nobody_is_held_who_is_in_no_plan_anyhow(self) -> None:
        unread = msgspec.structs.replace(facts(manager=PackageManager.NONE), unread=("pending",))
        assert looked(unread).held == {}
        assert [line.host for line in looked(unread).all] == ["h"]

    def test_warning_cannot_plan_a_host_that_told_nothing(self) -> None:
        unread = msgspec.structs.replace(with_lists(good()), unread=("pending",))
        hosts, taken = fleet(host("h")), snapshot(host_result("h", unread))
        warned = seen(hosts, taken, StaleLists.WARN)
        selected = select(hosts, taken, SECURITY, held=warned.held)
        (row,) = warned.mark_uncertain(selected.left_out)
        assert row.reason is LeftOutReason.DISCOVERY_FAILED
        warns = StaleLists.WARN
        made = Made(plan=None, snapshot=taken, left_out=(row,), stale_lists=warns)
        assert (made.exit_code, body(warns, row).holds_back) == (1, False)

    def test_warning_plans_what_is_known(self) -> None:
        assert looked(with_lists(bad()), StaleLists.WARN).held == {}

    @pytest.mark.parametrize("policy", StaleLists)
    def test_nobody_is_up_to_date_who_was_not_looked_at_as_a_whole(
        self, policy: StaleLists
    ) -> None:
        unsure = looked(with_lists(good(), bad(), bad("gone")), policy)
        (row,) = unsure.mark_uncertain(told(LeftOutReason.NO_UPDATES))
        assert row.reason is LeftOutReason.STALE_LISTS
        assert row.detail == f"{VENDOR}: {LOST}; and 1 more"
        held = told(LeftOutReason.HELD)
        assert unsure.mark_uncertain(held) == held
        assert looked(with_lists(good())).mark_uncertain(told(LeftOutReason.NO_UPDATES)) == told(
            LeftOutReason.NO_UPDATES
        )


class TestLinesThatNobodyUnderstands:
    """Each line that cannot be parsed may be an update."""

    def unsure(self, section: str) -> Looks:
        lines = (UnparsedLine(section=section, line="\x1b[1mcurl\x1b[0m 8-2 updates"),)
        return looked(msgspec.structs.replace(with_lists(good()), unparsed=lines))

    @pytest.mark.parametrize("section", ["pending", "advisories"])
    def test_such_a_host_is_not_up_to_date_and_its_other_updates_are_planned(
        self, section: str
    ) -> None:
        unsure = self.unsure(section)
        (row,) = unsure.mark_uncertain(told(LeftOutReason.NO_UPDATES))
        assert row.reason is LeftOutReason.STALE_LISTS
        assert row.detail.startswith("1 line of its pending updates could not be read: ")
        assert "\x1b" not in row.detail
        assert unsure.held == {}
        assert [line.host for line in unsure.all] == ["h"]

    def test_others_have_nothing_to_do_with_updates(self) -> None:
        assert self.unsure("sockets").all == ()


def body(policy: StaleLists, *left_out: LeftOut) -> PlanBody:
    known = with_lists(good())
    rows = [
        Resolution(host="g", manager=PackageManager.APT, transitions=(transition("curl"),)),
    ]
    return freeze(
        fleet=fleet(host("g")),
        snapshot=snapshot(host_result("g", known)),
        selection=SECURITY,
        settings=msgspec.structs.replace(settings(), stale_lists=policy),
        resolutions=rows,
        left_out=left_out,
    )


class TestExitCodes:
    """Exit codes of a plan that was made (True) or not, by what is left out and by the policy."""

    @pytest.mark.parametrize(
        ("planned", "reason", "policy", "code"),
        [
            (True, LeftOutReason.STALE_LISTS, StaleLists.HOLD, 1),
            (True, LeftOutReason.STALE_LISTS, StaleLists.WARN, 0),
            (True, LeftOutReason.UNREACHABLE, StaleLists.HOLD, 0),
            (True, LeftOutReason.NO_UPDATES, StaleLists.HOLD, 0),
            (False, LeftOutReason.STALE_LISTS, StaleLists.HOLD, 1),
            (False, LeftOutReason.STALE_LISTS, StaleLists.WARN, 0),
            (False, LeftOutReason.UNREACHABLE, StaleLists.WARN, 1),
            (False, LeftOutReason.NO_UPDATES, StaleLists.HOLD, 0),
        ],
    )
    def test_it(self, planned: bool, reason: LeftOutReason, policy: StaleLists, code: int) -> None:
        rows = told(reason)
        plan = seal(body(policy, *rows), ABOUT) if planned else None
        made = Made(plan=plan, snapshot=snapshot(), left_out=rows, stale_lists=policy)
        assert made.exit_code == code
        if plan is not None:
            assert plan.body.holds_back is bool(code)

    def test_nothing_to_do_is_said_only_where_all_was_looked_at(self) -> None:
        unseen = (CouldNotLook(host="h", repository=VENDOR, reason=LOST),)
        rows = told(LeftOutReason.STALE_LISTS)
        warned = Made(
            plan=None,
            snapshot=snapshot(),
            left_out=rows,
            could_not_look=unseen,
            stale_lists=StaleLists.WARN,
        )
        assert (warned.exit_code, warned.all_looked_at) == (0, False)
        fine = Made(plan=None, snapshot=snapshot(), left_out=told(LeftOutReason.NO_UPDATES))
        assert (fine.exit_code, fine.all_looked_at) == (0, True)


def test_a_plan_of_hosts_that_were_looked_at_is_the_same_as_before() -> None:
    written = msgspec.json.decode(msgspec.json.encode(body(StaleLists.HOLD)))
    assert not {"could_not_look", "stale_lists"} & written.keys()
