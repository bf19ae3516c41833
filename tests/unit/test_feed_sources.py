"""Which sources a fleet gets, and what the settings change in them."""

import pytest

from patchctl.models.advisory import FeedKind
from patchctl.models.settings import FeedSettings, FeedSource
from patchctl.workflows.feeds.sources import Source, known, plan

EVERY = {
    "AlmaLinux:8", "Alpine:v3.18", "Debian:12", "Red Hat:9", "Rocky Linux:9",
    "SUSE:Linux Enterprise Server 15 SP3", "Ubuntu:22.04", "openSUSE:Leap 15.5",
}  # fmt: skip


def sources(settings: FeedSettings, *ecosystems: str) -> dict[str, Source]:
    return {one.name: one for one in plan(settings, ecosystems).sources}


def test_public_addresses_are_encrypted_and_marked() -> None:
    found = sources(FeedSettings(), *EVERY)
    assert len(found) == 4 + 7
    for source in found.values():
        assert source.public
        assert source.address.startswith("https://")
    assert found["osv-rocky-linux"].folder.endswith("/Rocky%20Linux")
    assert plan(FeedSettings(), EVERY).uncovered == ()


def test_a_mirror_stands_in_place_of_every_public_address() -> None:
    mirror = FeedSettings(mirror="https://m.example/f/", sources=(FeedSource(name="cve"),))
    found = sources(mirror, *EVERY)
    assert not any(source.public for source in found.values())
    below = {source.address.replace("%20", " ") for source in found.values()}
    assert below == {f"https://m.example/f/{path}" for _, path in known()}


def test_what_is_disabled_is_not_fetched() -> None:
    settings = FeedSettings(sources=(FeedSource(name="epss", enabled=False),))
    assert sorted(sources(settings)) == ["eol", "kev"]


@pytest.mark.parametrize("name", ["kev", "osv-almalinux"])
def test_a_known_source_may_have_an_address_of_its_own(name: str) -> None:
    settings = FeedSettings(
        mirror="https://m.example",
        sources=(FeedSource(name=name, address="https://x.example/feed.zip"),),
    )
    found = sources(settings)[name]
    assert (found.address, found.folder, found.public) == ("https://x.example/feed.zip", "", False)
    assert found.kind is (FeedKind.KEV if name == "kev" else FeedKind.OSV)


def test_records_come_one_by_one_from_a_folder_like_osv_s() -> None:
    settings = FeedSettings(
        sources=(FeedSource(name="osv-ubuntu", address="https://x.example/U/all.zip"),)
    )
    assert sources(settings)["osv-ubuntu"].folder == "https://x.example/U"


def test_any_file_may_be_a_source() -> None:
    own = FeedSource(name="rocky-baseos", address="https://x.example/updateinfo.xml.gz")
    found = sources(FeedSettings(sources=(own,)))["rocky-baseos"]
    assert (found.kind, found.folder) == (None, "")


def test_cve_records_need_an_address() -> None:
    assert "cve" not in sources(FeedSettings(sources=(FeedSource(name="cve"),)))
    own = FeedSource(name="cve", address="https://x.example/cve.zip")
    assert sources(FeedSettings(sources=(own,)))["cve"].kind is FeedKind.CVE
