"""Build the fleet from a raw inventory: groups, rings, refused names, the digest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchctl.errors import InvalidInputError
from patchctl.inventory.load import build, refused
from patchctl.models.fleet import Fleet
from patchctl.models.settings import Assignment, Share, Shares

RINGS = ("staging", "canary", "production")
Groups = Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]


@dataclass(frozen=True)
class Raw:
    hosts: Mapping[str, dict[str, Any]]
    groups: Groups = field(default_factory=dict)


def fleet(
    hosts: Mapping[str, dict[str, Any]],
    groups: Groups | None = None,
    assignment: Assignment | None = None,
) -> Fleet:
    return build(
        Raw(hosts, groups or {}),
        sources=("inventory/",),
        rings=RINGS,
        assignment=assignment or Assignment(),
        locate=lambda name: "inventory/hosts.yml:7",
    )


def test_hosts_and_groups_are_sorted() -> None:
    built = fleet(
        {"b": {}, "a": {}, "c": {}},
        {"web": (("b", "a"), ()), "app": ((), ("web",))},
    )
    assert [host.name for host in built.hosts] == ["a", "b", "c"]
    assert [(g.name, g.hosts, g.children) for g in built.groups] == [
        ("app", (), ("web",)),
        ("web", ("a", "b"), ()),
    ]


def test_a_host_is_in_the_groups_above_its_own() -> None:
    groups: Groups = {
        "web": (("a",), ()),
        "app": ((), ("web",)),
        "canary": ((), ("app", "db")),
        "db": (("b",), ()),
    }
    built = fleet({"a": {}, "b": {}}, groups)
    assert [host.groups for host in built.hosts] == [("app", "canary", "web"), ("canary", "db")]
    assert [host.ring for host in built.hosts] == ["canary", "canary"]


def test_a_host_without_a_ring_is_kept_with_its_reason() -> None:
    (host,) = fleet({"a": {}}).hosts
    assert host.ring is None
    assert "no patch_ring" in host.ring_reason


def test_every_host_that_cannot_be_taken_is_told_at_once() -> None:
    with pytest.raises(InvalidInputError) as caught:
        fleet({"a b": {}, "ok": {}, "two": {"patch_ring": "prod"}, "-o": {}})
    assert str(caught.value).splitlines() == [
        "inventory/hosts.yml:7: host name '-o' begins with a dash, which programs would take for "
        "an option",
        "inventory/hosts.yml:7: host name 'a b' has characters other than letters, digits and "
        ". _ - : [ ] % + @",
        "inventory/hosts.yml:7: host two: patch_ring says 'prod', which is not a ring "
        "(rings: staging, canary, production)",
    ]


def test_a_name_that_cannot_be_taken_leaves_out_that_host_alone() -> None:
    names = ("My VM (old)", "b\u00fcro", "ok")
    built = fleet({name: {} for name in names}, {"web": (names, ())})
    assert [host.name for host in built.hosts] == ["ok"]
    assert [group.hosts for group in built.groups] == [("ok",)]
    assert [str(refused_host) for refused_host in built.left_out] == [
        f"inventory/hosts.yml:7: host name {name!r} has characters other than letters, digits and "
        ". _ - : [ ] % + @; the host is left out, rename it"
        for name in sorted(names[:2])
    ]


def test_a_fleet_of_such_names_alone_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="host name 'a b' has characters"):
        fleet({"a b": {}})


def test_no_hosts_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="inventory/: has no hosts"):
        fleet({})


@pytest.mark.parametrize(
    "name",
    ["web1", "10.0.0.1", "web-1.example.org", "web_1", "2001:db8::1", "[::1]", "fe80::1%eth0"],
)
def test_ordinary_names(name: str) -> None:
    assert refused(name) == ""


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "a b", "a/b", "../a", "a..b", "-o", "a\nb", "a;b", "$(id)", "{{x}}", "a'b"),
        *("ä", "@a", "a,b", "!a", "&a", "~a", "a*", "a\x1b[0m", "x" * 254),
    ],
)
def test_hostile_and_odd_names_are_refused(name: str) -> None:
    assert refused(name)


@given(st.text(max_size=20))
def test_a_name_that_is_taken_is_harmless_in_a_path_a_shell_and_a_template(name: str) -> None:
    if not refused(name):
        assert name.isascii() and name.isprintable() and name
        assert not set(name) & set(" /\\'\"`$;&|<>(){}*?!~#,=^\n")
        assert not name.startswith("-") and ".." not in name


class TestDigest:
    BASE = {"a": {"x": 1, "y": {"z": 1.5}}, "b": {}}

    def test_is_the_same_for_the_same_inventory(self) -> None:
        other = {"b": {}, "a": {"y": {"z": 1.5}, "x": 1}}
        assert fleet(self.BASE).digest == fleet(other).digest

    def test_does_not_depend_on_where_the_checkout_lies(self) -> None:
        here = {"a": {"inventory_dir": "/here"}}
        there = {"a": {"inventory_dir": "/there"}}
        assert fleet(here).digest == fleet(there).digest

    @pytest.mark.parametrize(
        "changed",
        [
            {"a": {"x": 2, "y": {"z": 1.5}}, "b": {}},
            {"a": {"x": 1, "y": {"z": 1.25}}, "b": {}},
            {"a": {"x": 1, "y": {"z": 1.5}}, "b": {"patch_ring": "canary"}},
            {"a": {"x": 1, "y": {"z": 1.5}}},
        ],
    )
    def test_sees_every_change(self, changed: dict[str, Any]) -> None:
        assert fleet(self.BASE).digest != fleet(changed).digest

    def test_sees_a_group(self) -> None:
        assert fleet(self.BASE).digest != fleet(self.BASE, {"web": (("a",), ())}).digest


@given(st.sets(st.integers(0, 99), min_size=1), st.sets(st.integers(0, 99)))
def test_adding_hosts_moves_no_other_host_between_rings(first: set[int], more: set[int]) -> None:
    parts = (Share(ring="staging", percent=30), Share(ring="production", percent=70))
    assignment = Assignment(shares=Shares(seed="s", parts=parts))
    small = fleet({f"h{n}": {} for n in first}, assignment=assignment)
    large = fleet({f"h{n}": {} for n in first | more}, assignment=assignment)
    after = {host.name: host.ring for host in large.hosts}
    assert all(after[host.name] == host.ring for host in small.hosts)


def test_an_exclusion_that_cannot_be_read_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidInputError) as caught:
        fleet({"web1": {"patch_ring": "staging", "patch_exclude": "{{ frozen }}"}})
    assert str(caught.value) == (
        "inventory/hosts.yml:7: host web1: patch_exclude must be plain names or patterns, "
        "not a template"
    )
