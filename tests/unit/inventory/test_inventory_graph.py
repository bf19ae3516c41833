"""The tree of rings and groups."""

from patchctl.inventory.graph import tree
from patchctl.models.fleet import Fleet, Group, Host
from patchctl.report.inventory_view import graph


def host(name: str, ring: str | None, *groups: str) -> Host:
    return Host(name=name, ring=ring, ring_reason="", groups=groups, variables={})


def group(name: str, hosts: tuple[str, ...] = (), children: tuple[str, ...] = ()) -> Group:
    return Group(name=name, hosts=hosts, children=children)


FLEET = Fleet(
    hosts=(
        host("alone", None),
        host("db1", "production", "app", "db"),
        host("web1", "staging", "app", "ring_staging", "site", "web"),
        host("web2", "production", "app", "site", "web"),
    ),
    groups=(
        group("app", children=("db", "web")),
        group("db", ("db1",)),
        group("empty"),
        group("ring_staging", ("web1",)),
        group("site", children=("web",)),
        group("web", ("web1", "web2")),
    ),
    sources=("inventory/",),
    rings=("staging", "canary", "production"),
    digest="",
)
ALL_HOSTS = [host.name for host in FLEET.hosts]


def test_rings_stand_first_then_hosts_without_then_groups_at_every_place() -> None:
    assert list(graph(tree(FLEET, ALL_HOSTS))) == [
        "@all:",
        "  |--@ring_staging:",
        "  |  |--web1",
        "  |--@ring_production:",
        "  |  |--db1",
        "  |  |--web2",
        "  |--@without_ring:",
        "  |  |--alone",
        "  |--@ungrouped:",
        "  |  |--alone",
        "  |--@app:",
        "  |  |--@db:",
        "  |  |  |--db1",
        "  |  |--@web:",
        "  |  |  |--web1",
        "  |  |  |--web2",
        "  |--@site:",
        "  |  |--@web:",
        "  |  |  |--web1",
        "  |  |  |--web2",
    ]


def test_only_what_leads_to_the_wanted_hosts_is_left() -> None:
    assert list(graph(tree(FLEET, ["db1"]))) == [
        "@all:",
        "  |--@ring_production:",
        "  |  |--db1",
        "  |--@app:",
        "  |  |--@db:",
        "  |  |  |--db1",
    ]


def test_the_kinds_for_scripts() -> None:
    assert [(group.name, group.kind) for group in tree(FLEET, ALL_HOSTS).children] == [
        ("ring_staging", "ring"),
        ("ring_production", "ring"),
        ("without_ring", "no-ring"),
        ("ungrouped", "ungrouped"),
        ("app", "group"),
        ("site", "group"),
    ]
