"""`feeds update`, `import` and `status`: command line, store and a real web server together."""

import gzip
import io
import json
import os
import shutil
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from feed_server import FeedServer, Handler

from patchctl.adapters import http
from patchctl.adapters.feeds.store import FeedStore
from patchctl.cli.app import main
from patchctl.errors import InvalidInputError
from patchctl.models.advisory import FeedKind
from patchctl.models.feeds import FeedInfo, Stale
from patchctl.models.settings import FeedSettings, FeedSource
from patchctl.workflows.feeds.status import stale_lines

DAY = 86_400

KEV_ENTRY = {
    "cveID": "CVE-2024-1234",
    "vendorProject": "a",
    "product": "b",
    "vulnerabilityName": "c",
    "dateAdded": "2024-02-01",
    "shortDescription": "d",
    "requiredAction": "e",
    "dueDate": "2024-02-22",
    "knownRansomwareCampaignUse": "Known",
    "notes": "",
    "cwes": [],
}
BOOKWORM = {"name": "12", "label": "12", "isEol": False, "eolFrom": "2026-06-10"}
PRODUCTS = {
    "schema_version": "1.2.0",
    "result": [{"name": "debian", "label": "Debian", "releases": [BOOKWORM]}],
}


def kev(*cves: str, dated: str = "2024-02-01T10:00:00.0000Z") -> bytes:
    return json.dumps(
        {
            "title": "CISA Catalog of Known Exploited Vulnerabilities",
            "catalogVersion": "2024.02.01",
            "dateReleased": dated,
            "count": len(cves),
            "vulnerabilities": [{**KEV_ENTRY, "cveID": cve} for cve in cves],
        }
    ).encode()


def epss(*cves: str) -> bytes:
    rows = "".join(f"{cve},0.5,0.9\n" for cve in cves)
    head = "#model_version:v2025.03.14,score_date:2024-02-02T12:00:00+0000\ncve,epss,percentile\n"
    return gzip.compress((head + rows).encode())


def osv(identifier: str, modified: str = "2024-02-01T00:00:00Z", fixed: str = "2-1") -> bytes:
    return json.dumps(
        {
            "schema_version": "1.6.0",
            "id": identifier,
            "summary": "Important: openssl",
            "modified": modified,
            "published": "2024-01-01T00:00:00Z",
            "related": ["CVE-2024-1234"],
            "affected": [
                {
                    "package": {"ecosystem": "AlmaLinux:8", "name": "openssl"},
                    "ranges": [
                        {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}
                    ],
                }
            ],
        }
    ).encode()


def archive(**records: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for name, data in records.items():
            file.writestr(f"{name}.json", data)
    return made.getvalue()


class Site:
    """A workspace and the mirror that it names."""

    def __init__(self, root: Path, server: FeedServer, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self.server, self._capsys = root, server, capsys
        (root / "inventory").mkdir()
        self.settings(f"feeds:\n  mirror: {server.url('/m')}\n")
        server.put("/m/known_exploited_vulnerabilities.json", kev("CVE-2024-1234"), ETag='"k1"')
        server.put("/m/epss_scores-current.csv.gz", epss("CVE-2024-1234"), ETag='"e1"')
        server.put("/m/eol.json", json.dumps(PRODUCTS).encode(), ETag='"o1"')

    def settings(self, text: str) -> None:
        (self.root / "patchctl.yml").write_text(text)

    def run(self, *words: str) -> int:
        self._capsys.readouterr()
        code = main(["-C", str(self.root), "feeds", *words])
        captured = self._capsys.readouterr()
        self.out, self.err = captured.out, captured.err
        return code

    def results(self, *words: str) -> dict[str, dict[str, Any]]:
        self.code = self.run(*words, "-o", "json")
        return {result["name"]: result for result in json.loads(self.out)["feeds"]}

    @property
    def store(self) -> FeedStore:
        return FeedStore(self.root / ".patchctl" / "feeds")


@pytest.fixture
def site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Site]:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(http, "Limits", lambda: LIMITS)  # what Fetcher() takes
    with FeedServer() as server:
        yield Site(tmp_path, server, capsys)


LIMITS = http.Limits(connect_s=1, read_s=0.5, total_s=5, retries=0, backoff_s=0)


def test_an_update_fetches_what_a_fleet_needs(site: Site) -> None:
    results = site.results("update")
    assert site.code == 0
    assert {name: result["outcome"] for name, result in results.items()} == {
        "kev": "updated",
        "epss": "updated",
        "eol": "updated",
    }
    assert results["kev"]["dated"] == "2024-02-01T10:00:00Z"
    assert results["kev"]["address"] == site.server.url("/m/known_exploited_vulnerabilities.json")
    assert site.store.known_exploited()["CVE-2024-1234"].ransomware
    assert site.store.exploit_chances(["CVE-2024-1234"])["CVE-2024-1234"].score == 0.5
    assert site.store.lifecycles()[0].product == "debian"


def test_what_did_not_change_is_not_fetched_again(site: Site) -> None:
    assert site.run("update") == 0
    site.server.seen.clear()
    results = site.results("update")
    assert {result["outcome"] for result in results.values()} == {"unchanged"}
    assert all(result["checked"] for result in results.values())
    assert len(site.server.seen) == 3


def test_only_the_named_feeds_are_fetched(site: Site) -> None:
    assert list(site.results("update", "kev")) == ["kev"]
    assert site.server.asked() == ["/m/known_exploited_vulnerabilities.json"]
    assert site.run("update", "nothing") == 2
    assert "no source nothing for this fleet; there are eol, epss, kev" in site.err


def broken(how: str, request: Handler) -> None:
    good = kev("CVE-2024-1234", "CVE-2024-9999")
    match how:
        case "cut":
            request.send(good[:100], length=len(good))
        case "cut, and nobody says so":
            request.send(good[:100])
        case "html by its type":
            request.send(b"<html>", Content_Type="text/html")
        case "html in disguise":
            request.send(b"<!DOCTYPE html><html><body>Please log in</body></html>")
        case "empty":
            request.send(b"")
        case "no entries":
            request.send(kev())
        case "another feed":
            request.send(epss("CVE-2024-1234"))
        case "slow":
            request.send(good[:100], length=len(good))
            time.sleep(1.5)
        case "gone":
            request.send(b"", code=404)
        case "from the future":
            request.send(kev("CVE-2024-1234", dated="2097-02-01T10:00:00.0000Z"))
        case "older":
            request.send(kev("CVE-2024-1234", dated="2023-02-01T10:00:00.0000Z"))


HOW = [
    "cut",
    "cut, and nobody says so",
    "html by its type",
    "html in disguise",
    "empty",
    "no entries",
    "another feed",
    "slow",
    "gone",
    "from the future",
    "older",
]


@pytest.mark.parametrize("how", HOW)
def test_a_broken_download_never_replaces_a_good_feed(site: Site, how: str) -> None:
    assert site.run("update") == 0
    before = site.store.get("kev")
    site.server.answers["/m/known_exploited_vulnerabilities.json"] = lambda request: broken(
        how, request
    )
    site.server.put(
        "/m/epss_scores-current.csv.gz", epss("CVE-2024-1234", "CVE-2024-2"), ETag='"2"'
    )
    results = site.results("update")
    assert site.code == 1, "the others are in"
    assert {name: result["outcome"] for name, result in results.items()} == {
        "kev": "failed",
        "epss": "updated",
        "eol": "unchanged",
    }
    assert site.store.get("kev") == before
    assert list(site.store.known_exploited()) == ["CVE-2024-1234"]
    assert results["kev"]["reason"]
    assert "\n" not in results["kev"]["reason"]
    assert "incoming-" not in results["kev"]["reason"], "the file is gone when this is read"
    assert site.err.count("patchctl: kev: ") == 1
    assert not list((site.root / ".patchctl" / "feeds").glob("incoming-*"))
    assert site.run("update", "kev") == 2, "nothing came in"


def test_a_redirect_is_followed(site: Site) -> None:
    site.server.answers["/m/known_exploited_vulnerabilities.json"] = lambda request: request.send(
        b"",
        code=302,
        Location="/elsewhere",
    )
    site.server.put("/elsewhere", kev("CVE-2024-1234"))
    assert site.results("update", "kev")["kev"]["outcome"] == "updated"


def test_a_feed_that_shrinks_is_refused_but_by_force(site: Site) -> None:
    many = [f"CVE-2024-{number}" for number in range(1000, 1040)]
    site.server.put("/m/known_exploited_vulnerabilities.json", kev(*many))
    assert site.run("update", "kev") == 0
    site.server.put("/m/known_exploited_vulnerabilities.json", kev(*many[:5]))
    assert site.run("update", "kev") == 2
    assert "has only 5 entries where 40 are held; give --force where that is right" in site.err
    assert site.run("update", "kev", "--force") == 0
    assert len(site.store.known_exploited()) == 5


class TestIncremental:
    """OSV: modified_id.csv lists the changes, and the records are fetched one by one."""

    @pytest.fixture
    def alma(self, site: Site) -> Site:
        site.settings(f"feeds:\n  mirror: {site.server.url('/m')}\n  ecosystems: [AlmaLinux:8]\n")
        where = "/m/osv/AlmaLinux"
        site.server.put(
            f"{where}/all.zip", archive(A1=osv("ALSA-1"), A2=osv("ALSA-2"), A3=osv("ALSA-3"))
        )
        self.index(site, "1", "ALSA-1", "ALSA-2", "ALSA-3")
        assert site.results("update", "osv-almalinux")["osv-almalinux"]["entries"] == 3
        site.server.seen.clear()
        return site

    @staticmethod
    def index(site: Site, tag: str, *ids: str, **later: str) -> None:
        rows = [f"{when},{name.replace('_', '-')}" for name, when in later.items()]
        rows += [f"2024-01-31T00:00:00Z,{name}" for name in ids]
        body = ("\n".join(rows) + "\n").encode()
        site.server.put("/m/osv/AlmaLinux/modified_id.csv", body, ETag=f'"{tag}"')

    def test_nothing_new_is_one_request(self, alma: Site) -> None:
        result = alma.results("update", "osv-almalinux")["osv-almalinux"]
        assert result["outcome"] == "unchanged"
        assert alma.server.asked() == ["/m/osv/AlmaLinux/modified_id.csv"]

    def test_only_changed_records_come_and_gone_ones_go(self, alma: Site) -> None:
        later = "2024-03-01T00:00:00.123456Z"
        self.index(alma, "2", "ALSA-1", ALSA_2=later, ALSA_4=later)
        for name in ("ALSA-2", "ALSA-4"):
            alma.server.put(
                f"/m/osv/AlmaLinux/{name}.json", osv(name, "2024-03-01T00:00:00Z", fixed="3-1")
            )
        result = alma.results("update", "osv-almalinux")["osv-almalinux"]
        assert (result["outcome"], result["changed"], result["gone"]) == ("updated", 2, 1)
        assert (result["entries"], result["dated"]) == (3, "2024-03-01T00:00:00Z")
        assert not any(path.endswith("all.zip") for path in alma.server.asked())
        fixed = {
            advisory.id: advisory.affected[0].fixed
            for _, advisory in alma.store.advisories("AlmaLinux:8")
        }
        assert fixed == {"ALSA-1": "2-1", "ALSA-2": "3-1", "ALSA-4": "3-1"}
        assert alma.results("update", "osv-almalinux")["osv-almalinux"]["outcome"] == "unchanged"

    def test_a_record_that_fails_leaves_everything(self, alma: Site) -> None:
        later = "2024-03-01T00:00:00Z"
        self.index(alma, "2", "ALSA-1", "ALSA-3", ALSA_2=later, ALSA_4=later)
        alma.server.put("/m/osv/AlmaLinux/ALSA-2.json", osv("ALSA-2", later, fixed="3-1"))
        before = alma.store.list()
        assert alma.run("update", "osv-almalinux") == 2
        assert "ALSA-4.json: the server answers 404" in alma.err
        assert alma.store.list() == before

    def test_many_changes_bring_the_whole_archive(self, alma: Site) -> None:
        later = "2024-03-01T00:00:00Z"
        names = {f"ALSA_{number}": later for number in range(1, 400)}
        self.index(alma, "2", **names)
        ids = [name.replace("_", "-") for name in names]
        alma.server.put(
            "/m/osv/AlmaLinux/all.zip", archive(**{name: osv(name, later) for name in ids})
        )
        assert alma.results("update", "osv-almalinux")["osv-almalinux"]["entries"] == 399
        assert len(alma.server.seen) == 2

    @pytest.mark.parametrize(
        "rows",
        [b"<html>\n", b"2024-03-01T00:00:00Z,../../etc/passwd\n", b"yesterday,ALSA-1\n", b""],
    )
    def test_an_index_that_makes_no_sense_is_not_followed(self, alma: Site, rows: bytes) -> None:
        alma.server.put("/m/osv/AlmaLinux/modified_id.csv", rows)
        assert alma.results("update", "osv-almalinux")["osv-almalinux"]["entries"] == 3
        assert alma.server.asked()[1:] == ["/m/osv/AlmaLinux/all.zip"]

    def test_a_mirror_without_an_index_serves_the_archive(self, alma: Site) -> None:
        del alma.server.answers["/m/osv/AlmaLinux/modified_id.csv"]
        alma.server.put("/m/osv/AlmaLinux/all.zip", archive(A1=osv("ALSA-1")), ETag='"z"')
        assert alma.run("update", "osv-almalinux") == 0
        assert alma.results("update", "osv-almalinux")["osv-almalinux"]["outcome"] == "unchanged"


def test_the_systems_of_the_known_hosts_decide_what_is_fetched(site: Site) -> None:
    bash = {"name": "bash", "version": "4.4.20-4.el8", "arch": "x86_64"}
    hosts = [
        {"name": "a", "os": {"id": "almalinux", "version_id": "8.10"}, "packages": [bash]},
        {"name": "b", "os": {"id": "debian", "version_id": "12"}, "packages": []},
        {"name": "c", "os": {"id": "ol", "version_id": "8.9"}, "packages": [bash]},
    ]
    (site.root / "hosts.json").write_text(json.dumps({"hosts": hosts}))
    file = str(site.root / "hosts.json")
    assert main(["-C", str(site.root), "discover", "--import", file]) == 0
    assert site.run("status", "-o", "json") == 0
    status = json.loads(site.out)
    assert status["missing"] == ["debian-tracker", "eol", "epss", "kev", "osv-almalinux"]
    assert status["uncovered"] == ["Oracle Linux:8"]


class TestStale:
    """What `assess` reports before it works with old feeds."""

    KEV = FeedInfo(name="kev", kind=FeedKind.KEV, entries=1, digest="", imported=0, dated=DAY)

    def lines(self, settings: FeedSettings, now: int) -> tuple[str, ...]:
        return stale_lines((self.KEV,), settings, now)

    def test_a_young_feed_is_fine(self) -> None:
        assert self.lines(FeedSettings(), 8 * DAY) == ()

    def test_an_old_one_is_a_warning_or_refused(self) -> None:
        line = "the feed kev is 9 days old, more than 7"
        assert self.lines(FeedSettings(), 10 * DAY) == (line,)
        with pytest.raises(InvalidInputError, match=line):
            self.lines(FeedSettings(stale=Stale.REFUSE), 10 * DAY)

    def test_a_feed_may_have_an_age_of_its_own(self) -> None:
        own = FeedSettings(sources=(FeedSource(name="kev", max_age_s=20 * DAY),))
        assert self.lines(own, 10 * DAY) == ()

    def test_only_the_publisher_can_say_that_an_old_feed_is_current(self) -> None:
        for public, lines in ((True, ()), (False, ("the feed kev is 19 days old, more than 7",))):
            feed = FeedInfo(
                name="kev",
                kind=FeedKind.KEV,
                entries=1,
                digest="",
                imported=DAY,
                dated=DAY,
                checked=20 * DAY,
                public=public,
            )
            assert stale_lines((feed,), FeedSettings(), 20 * DAY) == lines

    def test_the_future_is_not_young(self) -> None:
        future = FeedInfo(
            name="kev", kind=FeedKind.KEV, entries=1, digest="", imported=0, dated=30 * DAY
        )
        assert stale_lines((future,), FeedSettings(), DAY) == (
            "the feed kev is dated in the future",
        )


class TestImport:
    def test_files_are_recognised_and_held(self, site: Site, tmp_path: Path) -> None:
        folder = tmp_path / "usb"
        folder.mkdir()
        (folder / "a").write_bytes(kev("CVE-2024-1234"))
        (folder / "b").write_bytes(epss("CVE-2024-1234"))
        (folder / "AlmaLinux-8.zip").write_bytes(archive(A1=osv("ALSA-1")))
        (folder / "README").write_text("hello")
        results = site.results("import", str(folder))
        assert site.code == 0
        assert sorted(results) == ["epss", "kev", "osv-almalinux-8"]
        assert "README" in site.err
        assert results["kev"]["checked"] == ""

    def test_what_is_no_feed_changes_nothing(self, site: Site, tmp_path: Path) -> None:
        assert site.run("update") == 0
        before = site.store.list()
        (tmp_path / "x").write_text("<html><body>")
        (tmp_path / "good").write_bytes(kev("CVE-2024-1", "CVE-2024-2"))
        assert site.run("import", str(tmp_path / "good"), str(tmp_path / "x")) == 2
        assert site.err.count("\n") == 1
        assert site.run("import", str(tmp_path / "missing")) == 2
        assert site.store.list() == before

    def test_a_cut_archive_changes_nothing(self, site: Site, tmp_path: Path) -> None:
        whole = archive(A1=osv("ALSA-1"), A2=osv("ALSA-2"))
        path = tmp_path / "AlmaLinux-8.zip"
        path.write_bytes(whole)
        assert site.run("import", str(path)) == 0
        before = site.store.list()
        for size in (len(whole) - 30, len(whole) // 2, 10):
            path.write_bytes(whole[:size])
            assert site.run("import", str(path)) == 2, size
            assert site.store.list() == before

    def test_a_name_is_for_one_feed(self, site: Site, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(kev("CVE-2024-1234"))
        (tmp_path / "b").write_bytes(epss("CVE-2024-1234"))
        assert site.run("import", str(tmp_path / "a"), str(tmp_path / "b"), "--name", "x") == 2
        assert site.store.list() == ()
        assert list(site.results("import", str(tmp_path / "a"), "--name", "x")) == ["x"]
        shutil.copy(tmp_path / "a", tmp_path / "c")
        assert site.run("import", str(tmp_path / "a"), str(tmp_path / "c")) == 2
        assert "two of these feeds are called kev" in site.err

    @pytest.mark.parametrize("name", ["../x", "", "a b", "-x", "A"])
    def test_a_name_is_a_name(self, site: Site, tmp_path: Path, name: str) -> None:
        (tmp_path / "a").write_bytes(kev("CVE-2024-1234"))
        assert site.run("import", str(tmp_path / "a"), "--name", name) == (2 if name else 0)


class TestStatus:
    def test_it_tells_age_counts_and_what_is_missing(self, site: Site) -> None:
        assert site.run("update", "kev") == 0
        results = site.results("status")
        assert site.code == 0
        kev_feed = results["kev"]
        assert (kev_feed["entries"], kev_feed["bad"], kev_feed["stale"]) == (1, 0, True)
        assert kev_feed["checked"]
        assert json.loads(site.out)["missing"] == ["eol", "epss"]
        assert site.run("status", "--fail-on", "missing") == 1
        assert "missing: eol, epss" in site.err

    def test_a_feed_from_a_file_is_as_old_as_its_content(self, site: Site, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(kev("CVE-2024-1234"))
        assert site.run("import", str(tmp_path / "a")) == 0
        assert site.results("status")["kev"]["stale"] is True
        assert site.run("status", "--fail-on", "stale") == 1
        assert "stale" in site.out
        site.settings("feeds: {sources: [{name: kev, max_age: 3600d}]}")
        assert site.run("status", "--fail-on", "stale") == 0

    def test_an_ecosystem_without_a_source_is_said(self, site: Site) -> None:
        site.settings("feeds: {ecosystems: ['Oracle Linux:8', 'Ubuntu:22.04']}")
        assert site.run("status") == 0
        assert "no feed speaks of Oracle Linux:8" in site.err
        assert "osv-ubuntu" in site.err

    def test_a_feed_is_removed(self, site: Site) -> None:
        assert site.run("update", "kev") == 0
        assert site.run("remove", "kev", "other") == 2
        assert site.store.get("kev") is not None
        assert site.run("remove", "kev") == 0
        assert site.store.list() == ()

    def test_damage_exits_6(self, site: Site) -> None:
        assert site.run("update", "kev") == 0
        (site.root / ".patchctl" / "feeds" / "index.json").write_text("{")
        assert site.run("status") == 6
