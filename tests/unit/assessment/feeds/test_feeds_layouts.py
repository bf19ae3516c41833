"""Publishers arrange records in different ways: all of these are read as the same feed."""

import gzip
from pathlib import Path

import pytest
from feed_world import FEEDS, affected, ar, bad, only, records, tarred, zipped

from patchctl.models.advisory import Advisory, CveFacts, FeedKind
from patchctl.wiring.feeds import read

CVE = (FEEDS / "cve.json").read_bytes()
ALMA = (FEEDS / "osv-alma.json").read_bytes()


def test_the_zip_in_a_zip_of_cvelist_v5(tmp_path: Path) -> None:
    members = {
        "cves/delta.json": b"[]",
        "cves/2030/1xxx/CVE-2030-1000.json": CVE,
        "cves/2030/1xxx/CVE-2030-1001.json": CVE.replace(b"-1000", b"-1001"),
    }
    inner = zipped(tmp_path / "cves.zip", members).read_bytes()
    feed = only(zipped(tmp_path / "all.zip.zip", {"cves.zip": inner}))
    assert (feed.kind, feed.name) == (FeedKind.CVE, "cve")
    records_read = [record for record in feed.records() if isinstance(record, CveFacts)]
    assert [record.cve for record in records_read] == ["CVE-2030-1000", "CVE-2030-1001"]


def test_a_checkout_of_cve_records_with_its_other_files(tmp_path: Path) -> None:
    for number in (1000, 1001):
        folder = tmp_path / "2030" / "1xxx"
        folder.mkdir(parents=True, exist_ok=True)
        content = CVE.replace(b"-1000", b"-%d" % number)
        (folder / f"CVE-2030-{number}.json").write_bytes(content)
    (tmp_path / "README.md").write_text("# Records\n")
    reading = read(tmp_path)
    (feed,) = reading
    records_read = list(feed.records())
    assert (
        feed.name,
        len([record for record in records_read if isinstance(record, CveFacts)]),
    ) == ("cve", 2)
    assert bad(records_read) == ["README.md: is none of the known formats"]
    assert reading.skipped_count == 1


@pytest.mark.parametrize("form", ["zip", "tar", "folder"])
def test_osv_records_in_each_wrapping(tmp_path: Path, form: str) -> None:
    members = {f"ALSA-2030:{n}.json": ALMA.replace(b":0001", b":%04d" % n) for n in (1, 2)}
    path = tmp_path / "records"
    if form == "folder":
        path.mkdir()
        for name, content in members.items():
            (path / name).write_bytes(content)
    else:
        (zipped if form == "zip" else tarred)(path, members)
    feed = only(path)
    assert feed.name == "osv-almalinux-8"
    ids = [record.id for record in feed.records() if isinstance(record, Advisory)]
    assert ids == ["ALSA-2030:0001", "ALSA-2030:0002"]
    assert feed.dated == 1893643506


def test_one_record_never_bears_the_name_of_a_whole_feed() -> None:
    assert only(FEEDS / "osv-alma.json").name == "osv-alsa-2030-0001"


def test_the_releases_of_one_distribution_share_a_name(tmp_path: Path) -> None:
    other = ALMA.replace(b"AlmaLinux:8", b"AlmaLinux:9")
    assert only(zipped(tmp_path / "z", {"1": ALMA, "2": other})).name == "osv-almalinux"
    debian = (FEEDS / "osv-debian.json").read_bytes()
    assert only(zipped(tmp_path / "y", {"1": ALMA, "2": debian})).name == "osv"


def test_two_feeds_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for name in ("a", "b"):
        zipped(tmp_path / name, {"1": ALMA, "2": ALMA})
    assert [feed.name for feed in read(tmp_path)] == ["osv-almalinux-8", "osv-almalinux-8-2"]


def test_an_archive_with_several_kinds(tmp_path: Path) -> None:
    members = {name: (FEEDS / name).read_bytes() for name in ("kev.json", "epss.csv", "changelog")}
    feeds = list(read(tarred(tmp_path / "feeds.tar.xz", members, "w:xz")))
    assert [feed.name for feed in feeds] == ["kev", "epss", "changelog-brass"]
    # Later feeds can be read before earlier ones.
    assert [len(list(feed.records())) for feed in reversed(feeds)] == [4, 5, 4]


def test_a_debian_package_is_a_feed_by_itself(tmp_path: Path) -> None:
    log = gzip.compress((FEEDS / "changelog").read_bytes())
    name = "./usr/share/doc/brass/changelog.Debian.gz"
    data = tarred(tmp_path / "data", {name: log}, "w:xz").read_bytes()
    path = tmp_path / "brass.deb"
    path.write_bytes(ar({"debian-binary": b"2.0\n", "data.tar.xz": data}))
    assert only(path).name == "changelog-brass"
    assert [entry.fixed for entry in affected(records(path))] == [
        "1.0-1",
        "2:1.4-3",
        "2:1.4-3",
    ]


def test_updateinfo_as_repositories_have_it(tmp_path: Path) -> None:
    path = tmp_path / "0123abcd-updateinfo.xml.gz"
    path.write_bytes(gzip.compress((FEEDS / "updateinfo-rocky.xml").read_bytes()))
    assert only(path).name == "updateinfo-rocky-linux-8"
    assert len(affected(records(path))) == 3
