"""Which updates are requested from which hosts, and why others are left out."""

import msgspec
import pytest
from plan_world import facts, fleet, host, host_result, package, repository, snapshot, update

from patchctl.errors import UsageError
from patchctl.models.exclusions import Exclusion
from patchctl.models.facts import (
    NOT_ROOT,
    HeldLock,
    HiddenUpdate,
    HostFacts,
    PackageLists,
    PackageManager,
    PendingUpdate,
)
from patchctl.models.plan import LeftOut, LeftOutReason, Selection, SelectionMode
from patchctl.plan.select import Selected, package_specs, select
from patchctl.workflows.plan.make_plan import Made

SECURITY = Selection(mode=SelectionMode.SECURITY)
ALL = Selection(mode=SelectionMode.ALL)


def of(*packages: str) -> Selection:
    return Selection(mode=SelectionMode.PACKAGE, packages=packages)


def one_host(known: HostFacts | None, selection: Selection = SECURITY) -> Selected:
    return select(fleet(host("h")), snapshot(host_result("h", known)), selection)


def asked(selected: Selected) -> list[tuple[str, str]]:
    return [
        (request.package, request.version) for row in selected.requests for request in row.wanted
    ]


def reasons(selected: Selected) -> list[tuple[str, LeftOutReason]]:
    return [(line.package, line.reason) for line in selected.left_out]


def test_security_updates_are_asked_for_and_others_are_named() -> None:
    known = facts(pending=[update("vim", security=False), update("openssl")])
    selected = one_host(known)
    assert asked(selected) == [("openssl", "1.0-2")]
    assert reasons(selected) == [("vim", LeftOutReason.NOT_SECURITY)]


def test_all_takes_everything() -> None:
    known = facts(pending=[update("vim", security=False), update("openssl")])
    assert asked(one_host(known, ALL)) == [("openssl", "1.0-2"), ("vim", "1.0-2")]


def test_a_package_is_named_by_binary_or_source() -> None:
    known = facts(
        [package("libssl3", source="openssl"), package("openssl"), package("curl")],
        [update("libssl3"), update("openssl", security=False), update("curl")],
    )
    assert asked(one_host(known, of("openssl"))) == [("libssl3", "1.0-2"), ("openssl", "1.0-2")]
    assert asked(one_host(known, of("libssl3"))) == [("libssl3", "1.0-2")]
    assert reasons(one_host(known, of("curl"))) == [
        ("libssl3", LeftOutReason.NOT_SELECTED),
        ("openssl", LeftOutReason.NOT_SELECTED),
    ]


def test_a_version_may_be_named_even_where_nothing_is_pending() -> None:
    known = facts([package("curl", "7.0-1"), package("vim")], [update("vim")])
    assert asked(one_host(known, of("curl=6.9-1"))) == [("curl", "6.9-1")]


def test_a_named_version_goes_before_the_candidate() -> None:
    known = facts(pending=[update("curl", "1.0-3")])
    assert asked(one_host(known, of("curl=1.0-2"))) == [("curl", "1.0-2")]


def test_a_host_that_has_the_named_version_is_up_to_date() -> None:
    known = facts([package("curl", "1.0-1")], [update("curl")])
    assert reasons(one_host(known, of("curl=1.0-1"))) == [("", LeftOutReason.NO_UPDATES)]


def test_names_that_no_host_has_are_told() -> None:
    known = facts(pending=[update("curl")])
    assert one_host(known, of("curl", "opensssl")).unmatched == ("opensssl",)
    assert one_host(known, of("curl")).unmatched == ()


def test_a_held_package_is_left_out() -> None:
    known = facts([package("curl", held=True)], [update("curl"), update("vim")])
    selected = one_host(known)
    assert asked(selected) == [("vim", "1.0-2")]
    assert reasons(selected) == [("curl", LeftOutReason.HELD)]


def test_an_unsigned_repository_is_not_taken_from() -> None:
    known = facts(pending=[update("curl")], repositories=[repository(trusted=False)])
    selected = one_host(known)
    assert selected.requests == ()
    assert reasons(selected) == [("curl", LeftOutReason.NOT_TRUSTED)]
    assert selected.left_out[0].detail == "Debian-Security:bookworm-security"


def test_a_package_of_dnf_needs_no_signed_repository() -> None:
    """Each has a signature of its own; that a repository wants none is said in the plan."""
    lists = [repository(trusted=False)]
    known = facts(pending=[update("curl")], repositories=lists, manager=PackageManager.DNF)
    assert asked(one_host(known)) == [("curl", "1.0-2")]


def test_what_holds_a_package_on_a_dnf_host_is_told() -> None:
    held = [package("curl", held=True)]
    known = facts(held, [update("curl")], manager=PackageManager.DNF)
    assert one_host(known).left_out[0].detail == "by a versionlock or an exclude of dnf there"


class TestRepositoriesWithoutAdvisories:
    """They do not say which of their updates are security updates."""

    def known(self, *pending: PendingUpdate, silent: str = "Debian") -> HostFacts:
        lists = (PackageLists(repository=silent, fetched=1, advisories=False),)
        return msgspec.structs.replace(facts(pending=pending), lists=lists)

    def test_their_updates_are_named_apart(self) -> None:
        selected = one_host(self.known(update("vim", security=False), update("curl")))
        (row,) = selected.left_out
        assert (row.package, row.reason) == ("vim", LeftOutReason.NO_ADVISORIES)
        assert row.detail == "Debian publishes none"

    def test_those_of_others_are_no_security_updates(self) -> None:
        selected = one_host(self.known(update("vim", security=False), silent="else"))
        assert reasons(selected)[0] == ("vim", LeftOutReason.NOT_SECURITY)

    def test_a_host_without_others_is_up_to_date_only_as_far_as_is_known(self) -> None:
        selected = one_host(self.known(update("vim", security=False)))
        host_row = next(line for line in selected.left_out if not line.package)
        assert host_row.reason is LeftOutReason.NO_UPDATES
        assert "no advisories in Debian; --cve, --decision select by findings" in host_row.detail

    def test_all_takes_them(self) -> None:
        assert asked(one_host(self.known(update("vim", security=False)), ALL)) == [("vim", "1.0-2")]


def test_one_signed_mirror_of_a_release_is_enough() -> None:
    mirrors = [repository(trusted=False), repository(trusted=True)]
    assert asked(one_host(facts(pending=[update("curl")], repositories=mirrors)))


@pytest.mark.parametrize("hostile", ["$(reboot)", "a b", "../x", "-y", "{{ 7 }}", "a\nwant b c 1"])
def test_a_name_outside_of_the_grammar_is_not_asked_for(hostile: str) -> None:
    selected = one_host(facts(pending=[update(hostile)]))
    assert selected.requests == ()
    assert reasons(selected) == [(hostile, LeftOutReason.RESOLVE_FAILED)]


def test_hosts_that_cannot_be_planned_say_why() -> None:
    everyone = fleet(
        host("a-no-ring", None), host("b-gone"), host("c-new"), host("d-alpine"), host("e-done")
    )
    known = snapshot(
        host_result("a-no-ring", facts(pending=[update("curl")])),
        host_result("b-gone", None),
        host_result("d-alpine", facts(manager=PackageManager.NONE, pending=[update("curl")])),
        host_result("e-done", facts()),
    )
    selected = select(everyone, known, SECURITY)
    assert selected.requests == ()
    assert list(selected.left_out) == [
        LeftOut(host="a-no-ring", reason=LeftOutReason.NO_RING, detail="no rule gives a ring"),
        LeftOut(host="b-gone", reason=LeftOutReason.UNREACHABLE, detail="Connection refused"),
        LeftOut(host="c-new", reason=LeftOutReason.DISCOVERY_FAILED, detail="not in snapshot s-1"),
        LeftOut(
            host="d-alpine",
            reason=LeftOutReason.UNSUPPORTED_MANAGER,
            detail="package manager none of debian 12",
        ),
        LeftOut(
            host="e-done", reason=LeftOutReason.NO_UPDATES, detail="no security update is pending"
        ),
    ]


def test_a_host_that_could_not_tell_what_is_pending_is_not_up_to_date() -> None:
    untold = msgspec.structs.replace(facts(), unread=("pending",))
    selected = select(fleet(host("a")), snapshot(host_result("a", untold)), SECURITY)
    assert list(selected.left_out) == [
        LeftOut(
            host="a",
            reason=LeftOutReason.DISCOVERY_FAILED,
            detail="its pending updates could not be read",
        )
    ]


def hiding(*updates: PendingUpdate) -> HostFacts:
    """Return a host that prefers its version to these security updates of openssl."""
    hidden = HiddenUpdate(
        name="openssl",
        arch="amd64",
        installed="1.0-1",
        version="1.0-2",
        by="APT::Default-Release is bookworm",
    )
    return msgspec.structs.replace(facts([package("openssl")], updates), hidden=(hidden,))


def test_a_security_update_that_the_host_does_not_prefer_is_named() -> None:
    line = LeftOut(
        host="h",
        reason=LeftOutReason.PINNED,
        package="openssl",
        version="1.0-2",
        detail="APT::Default-Release is bookworm, which keeps it at 1.0-1",
    )
    for selection in (SECURITY, ALL, of("openssl")):
        assert one_host(hiding(), selection).left_out == (line,)
    assert reasons(one_host(hiding(update("vim")), of("vim"))) == []


@pytest.mark.parametrize("pattern", ["openssl", "open*"])
def test_a_hidden_update_that_is_excluded_is_excluded_first(pattern: str) -> None:
    rule = Exclusion(rule="--exclude", packages=(pattern,), reason="not tested")
    taken = snapshot(host_result("h", hiding()))
    for selection in (SECURITY, ALL, of("openssl")):
        done = select(fleet(host("h")), taken, selection, exclusions=(rule,))
        assert done.left_out == (
            LeftOut(
                host="h",
                reason=LeftOutReason.EXCLUDED,
                package="openssl",
                version="1.0-2",
                detail=rule.text,
                rule="--exclude",
            ),
        )
        assert Made(plan=None, snapshot=taken, left_out=done.left_out).exit_code == 0
    other = Exclusion(rule="--exclude", packages=("vim",), reason="not tested")
    done = select(fleet(host("h")), taken, ALL, exclusions=(other,))
    assert [row.reason for row in done.left_out] == [LeftOutReason.PINNED]


def test_a_hidden_update_may_be_asked_for_by_its_version() -> None:
    selected = one_host(hiding(), of("openssl=1.0-2"))
    assert asked(selected) == [("openssl", "1.0-2")]
    assert selected.left_out == ()


def test_what_apt_defers_is_deferred_and_named() -> None:
    late = msgspec.structs.replace(update("vim", security=False), phased=10, deferred=True)
    needing = msgspec.structs.replace(update("vim-gui", security=False), deferred=True)
    known = facts(pending=[late, needing, update("curl")])
    selected = one_host(known, ALL)
    assert asked(selected) == [("curl", "1.0-2")]
    assert [(line.package, line.reason, line.detail) for line in selected.left_out] == [
        (
            "vim",
            LeftOutReason.PHASED,
            "10 % of machines get it by now, not this one; --phased takes it",
        ),
        ("vim-gui", LeftOutReason.PHASED, "it waits for a phased update; --phased takes both"),
    ]
    phased = Selection(mode=SelectionMode.ALL, phased=True)
    assert [name for name, _ in asked(one_host(known, phased))] == ["curl", "vim", "vim-gui"]
    assert reasons(one_host(known, of("vim"))) == [
        ("curl", LeftOutReason.NOT_SELECTED),
        ("vim", LeftOutReason.PHASED),
        ("vim-gui", LeftOutReason.NOT_SELECTED),
    ]
    # Who names the version means it.
    assert asked(one_host(known, of("vim=1.0-2"))) == [("vim", "1.0-2")]


def test_a_limit_leaves_the_other_hosts_out() -> None:
    known = facts(pending=[update("curl")])
    selected = select(
        fleet(host("a"), host("b")),
        snapshot(host_result("a", known), host_result("b", known)),
        SECURITY,
        ["b"],
    )
    assert [row.host for row in selected.requests] == ["b"]
    assert [(line.host, line.reason) for line in selected.left_out] == [
        ("a", LeftOutReason.NOT_SELECTED)
    ]


@pytest.mark.parametrize("text", ["", "-y", "a b", "a=", "=1", "a=1 2", "a=-1"])
def test_a_wrong_package_is_a_wrong_command(text: str) -> None:
    with pytest.raises(UsageError, match="--package"):
        package_specs([text])


def test_a_package_is_named_once() -> None:
    with pytest.raises(UsageError, match="twice"):
        package_specs(["a", "a=1"])


class TestWhatPreflightWouldRefuse:
    """The reason is known when the plan is made, so the host is left out and uses no budget."""

    known = facts([package("openssl")], [update("openssl")])
    half = msgspec.structs.replace(package("curl"), status="iF")

    def line(self, **changes: object) -> LeftOut:
        selected = one_host(msgspec.structs.replace(self.known, **changes))
        assert not selected.requests
        (line,) = selected.left_out
        return line

    def test_packages_that_are_not_installed_whole(self) -> None:
        line = self.line(packages=(*self.known.packages, self.half))
        assert line.reason is LeftOutReason.HALF_INSTALLED
        assert line.detail == "curl (iF); `dpkg --configure -a` there finishes it"

    def test_a_run_of_dpkg_that_was_cut_off(self) -> None:
        line = self.line(unfinished=("/var/lib/dpkg/updates/0001",))
        assert line.reason is LeftOutReason.HALF_INSTALLED
        assert line.detail.startswith("/var/lib/dpkg/updates/0001;")

    def test_half_an_installation_under_way_is_somebody_at_work(self) -> None:
        locks = (HeldLock(file="/var/lib/dpkg/lock-frontend", process="apt-get", pid=7),)
        line = self.line(packages=(*self.known.packages, self.half), locks=locks)
        assert line.reason is LeftOutReason.LOCKED
        assert line.detail == "apt-get (pid 7) holds /var/lib/dpkg/lock-frontend"

    def test_who_only_fetches_lists_explains_no_half_installation(self) -> None:
        locks = (HeldLock(file="/var/lib/apt/lists/lock", process="apt-get", pid=7),)
        line = self.line(packages=(*self.known.packages, self.half), locks=locks)
        assert line.reason is LeftOutReason.HALF_INSTALLED

    def test_a_lock_that_discovery_met_is_asked_for_again_when_it_is_resolved(self) -> None:
        locks = (HeldLock(file="/var/lib/dpkg/lock-frontend", process="apt-get", pid=7),)
        assert one_host(msgspec.structs.replace(self.known, locks=locks)).requests

    def test_its_packages_are_no_names_that_nobody_has(self) -> None:
        selected = one_host(msgspec.structs.replace(self.known, notes=(NOT_ROOT,)), of("openssl"))
        assert selected.unmatched == ()

    def test_a_host_without_root(self) -> None:
        line = self.line(notes=(NOT_ROOT,))
        assert line.reason is LeftOutReason.NOT_ROOT

    @pytest.mark.parametrize("unread", ["pending", "unfinished", "filesystems"])
    def test_what_the_host_did_not_tell_whole_is_not_well(self, unread: str) -> None:
        line = self.line(unread=(unread,))
        assert line.reason is LeftOutReason.DISCOVERY_FAILED
        assert line.detail.endswith("could not be read")
