"""Feeds that an older patchctl has read: they are named, and come whole with the next update."""

import json
from pathlib import Path
from typing import Any

import pytest
from workflows.feeds.test_feeds_editions import ALMA, BASEOS, RHEL, Desk, updateinfo
from workflows.feeds.test_feeds_update import Site, archive, osv, site

from patchctl.adapters.feeds.store import FeedStore
from patchctl.cli.app import main
from patchctl.models.advisory import FeedKind
from patchctl.models.feeds import FeedInfo
from patchctl.workflows.feeds.status import outdated_lines

__all__ = ["site"]

HOSTS = {
    "hosts": [
        {
            "name": "h1",
            "os": {"id": "almalinux", "version_id": "8.9"},
            "packages": [{"name": "openssl", "version": "1-1", "arch": "x86_64"}],
        }
    ]
}
UPDATE = "feeds were read by an older patchctl: `patchctl feeds update` fixes osv-almalinux"


def age(root: Path) -> None:
    """Change the stored feeds to those of a patchctl that recorded no reading."""
    path = root / ".patchctl" / "feeds" / "index.json"
    index = json.loads(path.read_bytes())
    for feed in index["feeds"]:
        feed["info"].pop("reading", None)
    path.write_text(json.dumps(index))


@pytest.fixture
def aged(site: Site, tmp_path: Path) -> Site:
    """A site with KEV and OSV's AlmaLinux from a server, read by an older patchctl."""
    (site.root / "inventory").rmdir()
    (tmp_path / "hosts.json").write_text(json.dumps(HOSTS))
    assert main(["-C", str(site.root), "discover", "--import", str(tmp_path / "hosts.json")]) == 0
    site.server.put("/m/osv/AlmaLinux/all.zip", archive(A1=osv("ALSA-1")), ETag='"z1"')
    site.server.put(
        "/m/osv/AlmaLinux/modified_id.csv", b"2024-02-01T00:00:00Z,ALSA-1\n", ETag='"i1"'
    )
    assert site.run("update") == 0
    age(site.root)
    site.server.seen.clear()
    return site


def test_an_update_fetches_them_whole_once(aged: Site) -> None:
    outcomes = {name: result["outcome"] for name, result in aged.results("update").items()}
    assert outcomes == {
        "eol": "unchanged",
        "epss": "unchanged",
        "kev": "unchanged",
        "osv-almalinux": "updated",
    }
    assert "/m/osv/AlmaLinux/all.zip" in aged.server.asked()
    aged.server.seen.clear()
    assert aged.results("update")["osv-almalinux"]["outcome"] == "unchanged"
    assert "/m/osv/AlmaLinux/all.zip" not in aged.server.asked()


def test_status_marks_them(aged: Site) -> None:
    marks = {name: result["outdated"] for name, result in aged.results("status").items()}
    assert marks == {"eol": False, "epss": False, "kev": False, "osv-almalinux": True}
    assert aged.run("status") == 0
    marked = [line for line in aged.out.splitlines() if "read by an older patchctl: update" in line]
    assert [line.split()[0] for line in marked] == ["osv-almalinux"]


@pytest.mark.parametrize("words", [["assess"], ["explain", "h1"]])
def test_what_is_said_by_them_is_said_with_a_warning(
    aged: Site, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def warnings() -> str:
        assert main(["-C", str(aged.root), *words]) == 0
        return capsys.readouterr().err

    assert f"{UPDATE}\n" in warnings()
    assert aged.run("update") == 0
    assert "older patchctl" not in warnings()


def test_a_changed_record_alone_does_not_make_the_rest_new(aged: Site) -> None:
    FeedStore(aged.root / ".patchctl" / "feeds").merge("osv-almalinux", (), ())
    assert aged.results("status")["osv-almalinux"]["outdated"] is True


def feed(name: str, kind: FeedKind, **more: Any) -> FeedInfo:
    return FeedInfo(name=name, kind=kind, entries=1, digest="", imported=0, **more)


def test_feeds_of_files_and_hosts_are_named_with_what_fixes_them() -> None:
    feeds = [
        feed("debian-tracker", FeedKind.DEBIAN_TRACKER, address="https://x"),
        feed("osv-suse", FeedKind.OSV),
    ]
    assert outdated_lines(feeds) == (
        "feeds were read by an older patchctl: `patchctl feeds update` fixes debian-tracker;"
        " `patchctl feeds import` of the files fixes osv-suse",
    )
    (line,) = outdated_lines([feed(ALMA, FeedKind.UPDATEINFO)])
    assert "`patchctl feeds update --from-hosts`" in line


@pytest.mark.parametrize(
    "kind", [FeedKind.KEV, FeedKind.EPSS, FeedKind.CVE, FeedKind.EOL, FeedKind.CHANGELOG]
)
def test_kinds_that_are_read_as_before_are_not_named(kind: FeedKind) -> None:
    assert outdated_lines([feed("x", kind)]) == ()


def test_a_file_that_is_imported_again_takes_the_place_of_its_old_reading(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Though older patchctl knew no channels."""
    desk = Desk(tmp_path, capsys)
    desk.take(updateinfo(BASEOS, system=RHEL))
    age(desk.root / "ws")
    assert all(info.outdated for info in desk.store.list())
    desk.take(updateinfo(BASEOS, system=RHEL, short="rhel-9-for-x86_64-baseos-eus-rpms__9_DOT_2"))
    (info,) = desk.store.list()
    assert (info.name, info.outdated) == ("updateinfo-red-hat-9", False)
    assert {affected.channel for held in desk.all(info.name) for affected in held.affected} == {
        "eus:9.2"
    }
