"""Text that Ansible must not template: its type in patchctl, and its mark for Ansible."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_world import facts

from patchctl.assessment.priority.context import context_of
from patchctl.inventory import secrets
from patchctl.inventory.export import generate, host_variables, listing
from patchctl.inventory.lint.hosts import endpoint
from patchctl.inventory.lint.templates import plain
from patchctl.inventory.load import build
from patchctl.inventory.rings import UnknownRingError, assign
from patchctl.models.facts import Listener
from patchctl.models.fleet import Fleet, Host
from patchctl.models.priority import Exposure
from patchctl.models.settings import Assignment
from patchctl.models.unsafe import Unsafe, marked, opened
from patchctl.plan.freeze import fleet_digest

TEMPLATE = "{{ lookup('pipe', 'touch /tmp/x') }}"
MARKED: dict[str, Any] = {
    "ansible_host": {"__ansible_unsafe": "192.0.2.7"},
    "ansible_port": 2222,
    "patch_ring": {"__ansible_unsafe": "staging"},
    "patch_exposure": {"__ansible_unsafe": "internet"},
    "note": {"__ansible_unsafe": TEMPLATE},
    "tags": {"Name": {"__ansible_unsafe": "web"}, "list": [{"__ansible_unsafe": "a"}, 1, None]},
    "password": {"__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256\n6162\n"},
    "jinja": "{{ ansible_host }}",
}


class Raw:
    """Two machines as an inventory plugin gives them; one of them twice."""

    hosts = {name: opened(MARKED) for name in ("i-1", "i-2")}
    groups: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}


def fleet() -> Fleet:
    return build(
        Raw(),
        sources=("cloud.yml",),
        rings=("staging",),
        assignment=Assignment(),
        locate=lambda name: name,
    )


class TestReading:
    def test_it_is_text_like_any_other(self) -> None:
        variables = opened(MARKED)
        assert variables["ansible_host"] == "192.0.2.7"
        assert variables["tags"] == {"Name": "web", "list": ["a", 1, None]}

    def test_what_is_vaulted_stays_so(self) -> None:
        assert opened(MARKED)["password"] == MARKED["password"]

    @pytest.mark.parametrize(
        "value",
        [
            {"__ansible_unsafe": {"__ansible_unsafe": "a tag of that name"}},
            {"__ansible_unsafe": "x", "Name": "another tag"},
            {"__ansible_unsafe": 1},
            {"__ansible_vault": {"__ansible_unsafe": "no ciphertext"}},
        ],
    )
    def test_a_mapping_that_is_no_mark_goes_back_as_it_came(self, value: Any) -> None:
        assert not isinstance(opened(value), str)
        assert marked(opened(value)) == value

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text() | st.text().map(Unsafe),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        )
    )
    def test_marking_and_opening_undo_each_other(self, value: Any) -> None:
        there = opened(marked(value))
        assert there == value
        assert marked(there) == marked(value)


class TestFleet:
    def test_rings_addresses_and_duplicates_are_seen(self) -> None:
        first, second = fleet().hosts
        assert first.ring == second.ring == "staging"
        assert endpoint(first) == endpoint(second) == ("192.0.2.7", "2222", "ssh")

    def test_a_ring_that_looks_like_a_template_is_no_ring(self) -> None:
        for text, why in ((TEMPLATE, "not a template"), (Unsafe(TEMPLATE), "which is not a ring")):
            with pytest.raises(UnknownRingError, match=why):
                assign("i-1", (), {"patch_ring": text}, ("staging",), Assignment())

    def test_exposure_is_seen(self) -> None:
        everywhere = Listener(protocol="tcp", address="0.0.0.0", port=443)
        seen = msgspec.structs.replace(facts(), listeners=(everywhere,))
        context = context_of("i-1", opened(MARKED), (), seen)
        assert context.exposure is Exposure.OPEN
        address = {"ansible_host": opened({"__ansible_unsafe": "8.8.8.8"})}
        assert context_of("i-1", address, (), seen).exposure is Exposure.OPEN
        odd = context_of("i-1", {"patch_environment": Unsafe("{{ a }}")}, (), seen)
        assert odd.environment == "{{ a }}"
        msgspec.json.encode((context, odd))

    def test_digests_are_those_of_plans_that_were_made_with_the_marks(self) -> None:
        host = fleet().hosts[0]
        as_it_was = msgspec.structs.replace(host, variables=MARKED)
        assert fleet_digest([host]) == fleet_digest([as_it_was])
        safe = msgspec.structs.replace(host, variables={**host.variables, "note": TEMPLATE})
        assert fleet_digest([host]) != fleet_digest([safe])


class TestGivenToAnsible:
    def test_the_mark_is_in_every_inventory(self) -> None:
        for exported in (
            generate(fleet(), ["i-1"])["all"]["hosts"]["i-1"],
            listing(fleet())["_meta"]["hostvars"]["i-1"],
            host_variables(fleet(), "i-1"),
        ):
            assert exported == MARKED


class TestShown:
    def test_people_and_programs_get_plain_text(self) -> None:
        shown = {key: secrets.hide(key, value) for key, value in opened(MARKED).items()}
        host = Host(name="i-1", ring=None, ring_reason="", groups=(), variables=shown)
        assert msgspec.json.decode(msgspec.json.encode(host))["variables"] == {
            "ansible_host": "192.0.2.7",
            "ansible_port": 2222,
            "patch_ring": "staging",
            "patch_exposure": "internet",
            "note": TEMPLATE,
            "tags": {"Name": "web", "list": ["a", 1, None]},
            "password": "(vaulted)",
            "jinja": "{{ ansible_host }}",
        }

    def test_it_is_taken_as_it_stands_inside_of_a_template(self) -> None:
        assert plain("{{ a }}.example", {"a": Unsafe("web")}) == "web.example"
        assert plain("{{ a }}.example", {"a": Unsafe("{{ b }}"), "b": "web"}) is None
        assert plain(Unsafe("{{ b }}"), {"b": "web"}) == "{{ b }}"
