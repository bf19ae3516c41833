"""The last look at each host, which came with different discoveries."""

import pytest

from patchctl.errors import NotFoundError
from patchctl.models.fleet import Fleet, Host
from patchctl.models.snapshot import HostResult, HostStatus
from patchctl.models.state import LastLook
from patchctl.workflows.fleet.last_looks import last_looks


def fleet(*names: str) -> Fleet:
    hosts = tuple(
        Host(name=name, ring=None, ring_reason="", groups=(), variables={}) for name in names
    )
    return Fleet(hosts=hosts, groups=(), sources=(), rings=(), digest="")


def look(host: str, snapshot: str, taken: int) -> LastLook:
    return LastLook(
        host=host, snapshot=snapshot, taken=taken, status=HostStatus.UNREACHABLE, reason="no route"
    )


LOOKS = {"a": look("a", "s-1", 10), "b": look("b", "s-2", 20), "gone": look("gone", "s-3", 30)}
RESULTS = [HostResult(name=name, status=HostStatus.UNREACHABLE) for name in LOOKS]


def test_each_host_has_its_own_time_and_the_whole_that_of_the_newest() -> None:
    looks = last_looks(fleet("a", "b", "new"), LOOKS, RESULTS, {"s-2": 5})
    assert [host.name for host in looks.snapshot.hosts] == ["a", "b"]
    assert (looks.snapshots, looks.taken) == (("s-1", "s-2"), (10, 20))
    assert (looks.snapshot.id, looks.snapshot.elapsed_ms) == ("s-2", 5)


def test_hosts_that_left_are_not_shown_and_those_never_looked_at_are_named() -> None:
    looks = last_looks(fleet("a", "new"), LOOKS, RESULTS, {})
    assert [host.name for host in looks.snapshot.hosts] == ["a"]
    assert looks.never == ("new",)


def test_a_fleet_that_nobody_looked_at_is_an_error_and_no_empty_table() -> None:
    with pytest.raises(NotFoundError, match="no host was ever looked at"):
        last_looks(fleet("new"), LOOKS, RESULTS, {})
