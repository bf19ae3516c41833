"""Export the fleet as Ansible inventories."""

from typing import Any

import pytest

from patchctl.errors import NotFoundError
from patchctl.inventory.export import generate, host_variables, listing
from patchctl.models.fleet import Fleet, Group, Host

VAULT = {"__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256\n6162\n"}


def host(name: str, ring: str | None, *groups: str, **variables: Any) -> Host:
    return Host(name=name, ring=ring, ring_reason="", groups=groups, variables=variables)


FLEET = Fleet(
    hosts=(
        host("a", "staging", "app", "web", ansible_host="{{ x }}", inventory_dir="/w/inventory"),
        host("b", "pre-prod", "web", "app", secret=VAULT),
        host("c", None),
    ),
    groups=(
        Group(name="app", hosts=(), children=("web",)),
        Group(name="web", hosts=("a", "b"), children=()),
        Group(name="db", hosts=(), children=()),
    ),
    sources=("inventory/",),
    rings=("staging", "pre-prod"),
    digest="",
)


def test_a_wave_has_only_its_hosts_with_their_groups_and_merged_variables() -> None:
    assert generate(FLEET, ["a"]) == {
        "all": {
            "hosts": {"a": {"ansible_host": "{{ x }}", "inventory_dir": "/w/inventory"}},
            "children": {
                "app": {"hosts": {}, "children": {"web": {}}},
                "web": {"hosts": {"a": {}}, "children": {}},
                "ring_staging": {"hosts": {"a": {}}, "children": {}},
            },
        }
    }


def test_a_host_that_is_not_there_is_an_error() -> None:
    with pytest.raises(NotFoundError, match="no host 'z' in the inventory"):
        generate(FLEET, ["a", "z"])
    with pytest.raises(NotFoundError, match="no host 'z'"):
        host_variables(FLEET, "z")


def test_the_listing_follows_the_dynamic_inventory_protocol() -> None:
    assert listing(FLEET) == {
        "_meta": {
            "hostvars": {
                "a": {"ansible_host": "{{ x }}", "inventory_dir": "/w/inventory"},
                "b": {"secret": VAULT},
                "c": {},
            }
        },
        "all": {"children": ["ungrouped", "app", "web", "ring_staging", "ring_pre_prod"]},
        "ungrouped": {"hosts": ["c"]},
        "app": {"children": ["web"]},
        "web": {"hosts": ["a", "b"]},
        "ring_staging": {"hosts": ["a"]},
        "ring_pre_prod": {"hosts": ["b"]},
    }


def test_a_listing_can_be_limited() -> None:
    limited = listing(FLEET, ["c"])
    assert limited["all"] == {"children": ["ungrouped"]}
    assert list(limited["_meta"]["hostvars"]) == ["c"]
