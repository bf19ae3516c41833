"""How hosts of a lab are divided among rings and addresses."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import to_builtins

from patchctl.cli.lab import Release
from patchctl.errors import UsageError
from patchctl.lab import fleet, images
from patchctl.lab.model import MIXED_HOSTS, RELEASES, host_slots, known_hosts, nets
from patchctl.models.lab import LabHost


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
    assert Counter(slot.ring for slot in host_slots(count, "debian", 1)) == sizes


@given(st.integers(min_value=3, max_value=500), st.sampled_from(["debian", "rpm", "mixed"]))
def test_from_three_hosts_on_every_ring_has_some(count: int, image: str) -> None:
    made = host_slots(count, image, 7)
    assert len(made) == count
    assert {slot.ring for slot in made} == {"staging", "canary", "production"}
    assert len({slot.name for slot in made}) == count
    assert len({slot.address for slot in made}) == count


@given(st.integers(min_value=1, max_value=500))
def test_addresses_stay_inside_the_nets_that_were_reserved(count: int) -> None:
    used = {int(slot.address.split(".")[2]) for slot in host_slots(count, "debian", 9)}
    assert used == set(range(9, 9 + nets(count)))


@pytest.mark.parametrize("count", [*range(MIXED_HOSTS, 20), 50])
def test_mixed_has_each_kind_in_staging_and_production(count: int) -> None:
    made = host_slots(count, "mixed", 1)
    for ring in ("staging", "production"):
        assert {slot.image for slot in made if slot.ring == ring} == {"debian", "rpm"}


@pytest.mark.parametrize("count", [1, 6])
def test_a_mixed_lab_of_too_few_hosts_is_refused_with_the_number(
    count: int, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=f"at least 7 hosts, not {count}") as refused:
        fleet.up("few", count, "mixed", tmp_path / "few", print, {})
    assert refused.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("image", "release", "reason"),
    [
        ("debian", "trixie", "Debian hosts are made of bookworm, only rpm hosts of trixie"),
        ("rpm", "sid", "no lab is made of sid; there are: bookworm, trixie"),
    ],
)
def test_a_release_of_which_no_such_host_is_made_is_refused(
    image: str, release: str, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=reason) as refused:
        fleet.up("odd", 1, image, tmp_path / "odd", print, {}, release=release)
    assert refused.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_only_rpm_hosts_and_their_base_differ_from_release_to_release() -> None:
    tags = [to_builtins(images.tags(release)) for release in RELEASES]
    for name in ("base", "tools", "debian", "rpm_tools"):
        assert len({tag[name] for tag in tags}) == 1, name
    for name in ("rpm_base", "rpm"):
        assert len({tag[name] for tag in tags}) == len(RELEASES), name
    assert tags[0]["rpm_base"] == tags[0]["base"]


def test_every_release_can_be_asked_for() -> None:
    assert {release.value for release in Release} == set(RELEASES)


def test_one_host_of_each_kind_has_a_changed_configuration_file() -> None:
    assert [p.name for p in host_slots(6, "debian", 1) if p.changed] == ["production-3"]
    mixed = [(p.name, p.image) for p in host_slots(8, "mixed", 1) if p.changed]
    assert sorted(mixed) == [("production-4", "rpm"), ("production-5", "debian")]


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
