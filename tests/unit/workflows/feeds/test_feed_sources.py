"""Which sources a fleet gets, and what the settings change in them."""

import pytest

from patchctl.cli.app import main
from patchctl.models.advisory import FeedKind
from patchctl.models.settings import FeedSettings, FeedSource
from patchctl.workflows.feeds.sources import Source, plan

EVERY = {
    "AlmaLinux:8", "Alpine:v3.18", "Debian:12", "Red Hat:9", "Rocky Linux:9",
    "SUSE:Linux Enterprise Server 15 SP3", "Ubuntu:22.04", "openSUSE:Leap 15.5",
}  # fmt: skip

# What lies below a mirror: OSV's exports, and the files of everybody else.
EXPORTED = {"AlmaLinux", "Alpine", "Red Hat", "Rocky Linux", "SUSE", "Ubuntu", "openSUSE"}
BESIDE = {
    "known_exploited_vulnerabilities.json", "epss_scores-current.csv.gz", "eol.json",
    "debian-tracker.json", "cve-records.zip",
}  # fmt: skip


def sources(settings: FeedSettings, *ecosystems: str) -> dict[str, Source]:
    return {source.name: source for source in plan(settings, ecosystems).sources}


def test_public_addresses_are_encrypted_and_marked() -> None:
    by_name = sources(FeedSettings(), *EVERY)
    assert len(by_name) == 4 + 7
    for source in by_name.values():
        assert source.public
        assert source.address.startswith("https://")
    assert by_name["osv-rocky-linux"].folder.endswith("/Rocky%20Linux")
    assert plan(FeedSettings(), EVERY).uncovered == ()


def test_a_mirror_stands_in_place_of_every_public_address() -> None:
    mirror = FeedSettings(mirror="https://m.example/f/", sources=(FeedSource(name="cve"),))
    by_name = sources(mirror, *EVERY)
    assert not any(source.public for source in by_name.values())
    below = {source.address.replace("%20", " ") for source in by_name.values()}
    paths = {f"osv/{name}/all.zip" for name in EXPORTED} | BESIDE
    assert below == {f"https://m.example/f/{path}" for path in paths}


def test_the_help_of_update_names_every_path_below_a_mirror(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["feeds", "update", "--help"]) == 0
    help_text = " ".join(capsys.readouterr().out.split())
    assert all(path in help_text for path in BESIDE)
    assert all(name in help_text for name in EXPORTED)


def test_what_is_disabled_is_not_fetched() -> None:
    settings = FeedSettings(sources=(FeedSource(name="epss", enabled=False),))
    assert sorted(sources(settings)) == ["eol", "kev"]


@pytest.mark.parametrize("name", ["kev", "osv-almalinux"])
def test_a_known_source_may_have_an_address_of_its_own(name: str) -> None:
    settings = FeedSettings(
        mirror="https://m.example",
        sources=(FeedSource(name=name, address="https://x.example/feed.zip"),),
    )
    source = sources(settings)[name]
    assert (source.address, source.folder, source.public) == (
        "https://x.example/feed.zip",
        "",
        False,
    )
    assert source.kind is (FeedKind.KEV if name == "kev" else FeedKind.OSV)


def test_records_come_one_by_one_from_a_folder_like_osv_s() -> None:
    settings = FeedSettings(
        sources=(FeedSource(name="osv-ubuntu", address="https://x.example/U/all.zip"),)
    )
    assert sources(settings)["osv-ubuntu"].folder == "https://x.example/U"


def test_any_file_may_be_a_source() -> None:
    own = FeedSource(name="rocky-baseos", address="https://x.example/updateinfo.xml.gz")
    source = sources(FeedSettings(sources=(own,)))["rocky-baseos"]
    assert (source.kind, source.folder) == (None, "")


def test_cve_records_need_an_address() -> None:
    assert "cve" not in sources(FeedSettings(sources=(FeedSource(name="cve"),)))
    own = FeedSource(name="cve", address="https://x.example/cve.zip")
    assert sources(FeedSettings(sources=(own,)))["cve"].kind is FeedKind.CVE
