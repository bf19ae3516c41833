"""How hosts are spread over rings and addresses."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchctl.lab.model import LabHost, known_hosts, nets, places


@pytest.mark.parametrize(
    ("count", "sizes"),
    [
        (1, {"staging": 1}),
        (2, {"staging": 1, "production": 1}),
        (3, {"staging": 1, "canary": 1, "production": 1}),
        (6, {"staging": 2, "canary": 1, "production": 3}),
        (50, {"staging": 12, "canary": 5, "production": 33}),
    ],
)
def test_hosts_are_spread_over_the_rings(count: int, sizes: dict[str, int]) -> None:
    assert Counter(place.ring for place in places(count, "debian", 1)) == sizes


@given(st.integers(min_value=3, max_value=500), st.sampled_from(["debian", "rpm", "mixed"]))
def test_from_three_hosts_on_every_ring_has_some(count: int, image: str) -> None:
    made = places(count, image, 7)
    assert len(made) == count
    assert {place.ring for place in made} == {"staging", "canary", "production"}
    assert len({place.name for place in made}) == count
    assert len({place.address for place in made}) == count


@given(st.integers(min_value=1, max_value=500))
def test_addresses_stay_inside_the_nets_that_were_reserved(count: int) -> None:
    used = {int(place.address.split(".")[2]) for place in places(count, "debian", 9)}
    assert used == set(range(9, 9 + nets(count)))


@pytest.mark.parametrize("count", [2, 3, 4, 6, 50])
def test_mixed_has_both_images_however_few_the_hosts(count: int) -> None:
    assert {place.image for place in places(count, "mixed", 1)} == {"debian", "rpm"}


def test_mixed_gives_each_larger_ring_both_images() -> None:
    made = places(6, "mixed", 1)
    assert {p.image for p in made if p.ring == "staging"} == {"debian", "rpm"}
    assert {p.image for p in made if p.ring == "production"} == {"debian", "rpm"}


def test_exactly_one_host_has_a_changed_configuration_file() -> None:
    assert [p.name for p in places(6, "debian", 1) if p.changed] == ["production-3"]


def test_known_hosts_names_address_and_port() -> None:
    host = LabHost(
        name="canary-1",
        address="127.0.4.1",
        port=2222,
        image="debian",
        state="running",
        ring="canary",
        lab="lab",
        container="patchctl-lab-canary-1",
    )
    assert known_hosts([(host, "ssh-ed25519 AAAA")]) == "[127.0.4.1]:2222 ssh-ed25519 AAAA\n"
