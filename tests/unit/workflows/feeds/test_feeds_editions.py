"""A newer edition takes the place of the older one; another repository of the release does not."""

import gzip
import json
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest
from feed_world import FEEDS, zipped

from patchctl.adapters.feeds.store import FeedStore
from patchctl.cli.app import main
from patchctl.models.advisory import Advisory

# (id, package, fixed)
Line = tuple[str, str, str]
APPSTREAM: list[Line] = [("ALSA-1", "webkit", "2-1.el8"), ("ALSA-2", "ruby", "3-1.el8")]
RHEL = "Red Hat Enterprise Linux 9"
BASEOS: list[Line] = [("ALSA-1", "shell", "3-5.el8"), ("ALSA-3", "bash", "4-5.el8")]


def updateinfo(
    lines: list[Line],
    day: str = "2026-01-01",
    arch: str = "x86_64",
    *,
    system: str = "AlmaLinux 8",
    short: str = "EL8",
) -> bytes:
    updates = "".join(
        f'<update type="security"><id>{ident}</id><title>t</title>'
        f'<issued date="{day} 00:00:00"/><release>{system}</release>'
        f'<references><reference id="CVE-2026-1000" type="cve"/></references>'
        f'<pkglist><collection short="{short}"><package name={quoteattr(name)} version="{version}"'
        f' release="{release}" arch="{arch}"/></collection></pkglist></update>'
        for ident, name, fixed in lines
        for version, release in [fixed.split("-")]
    )
    return f"<updates>{updates}</updates>".encode()


def merged(*files: bytes) -> bytes:
    inner = b"".join(file.removeprefix(b"<updates>").removesuffix(b"</updates>") for file in files)
    return b"<updates>" + inner + b"</updates>"


def osv(ident: str, ecosystem: str = "AlmaLinux:8") -> bytes:
    events = [{"introduced": "0"}, {"fixed": "2-1"}]
    package = {"ecosystem": ecosystem, "name": "bash"}
    affected = [{"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]}]
    record = {"id": ident, "modified": "2026-01-01T00:00:00Z", "affected": affected}
    return json.dumps(record).encode()


class Desk:
    """A workspace, and files that are imported into it one after the other."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self._capsys = root, capsys
        (root / "ws").mkdir(mode=0o700)
        (root / "ws" / "patchctl.yml").write_text("{}\n")

    def take(self, *contents: bytes, code: int = 0, options: tuple[str, ...] = ()) -> str:
        paths = []
        for number, content in enumerate(contents):
            paths.append(self.root / f"updateinfo-{number}.xml")
            paths[-1].write_bytes(content)
        words = ["-C", str(self.root / "ws"), "feeds", "import", *map(str, paths), *options]
        assert main(words) == code
        return self._capsys.readouterr().err

    @property
    def store(self) -> FeedStore:
        return FeedStore(self.root / "ws" / ".patchctl" / "feeds")

    def held(self) -> dict[str, list[str]]:
        """Return feed -> the packages of its advisories."""
        return {
            info.name: [
                affected.name for advisory in self.all(info.name) for affected in advisory.affected
            ]
            for info in self.store.list()
        }

    def all(self, name: str) -> list[Advisory]:
        return list(self.store.advisories_of(name))


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


ALMA = "updateinfo-almalinux-8"


def test_two_repositories_of_one_release_stand_side_by_side(desk: Desk) -> None:
    desk.take(updateinfo(APPSTREAM))
    output = desk.take(updateinfo(BASEOS))
    assert desk.held() == {ALMA: ["webkit", "ruby"], f"{ALMA}-2": ["shell", "bash"]}
    assert f"{ALMA}-2: no newer edition of {ALMA}" in output


def test_a_newer_edition_takes_the_place_of_its_own_repository_s(desk: Desk) -> None:
    desk.take(updateinfo(APPSTREAM))
    desk.take(updateinfo(BASEOS))
    desk.take(updateinfo([*BASEOS, ("ALSA-9", "curl", "8-1.el8")], "2026-02-01"))
    assert desk.held() == {ALMA: ["webkit", "ruby"], f"{ALMA}-2": ["shell", "bash", "curl"]}


def test_a_newer_edition_may_add_drop_and_correct(desk: Desk) -> None:
    old = [(f"ALSA-{number}", "ruby", f"3-{number}.el8") for number in range(1, 21)]
    desk.take(updateinfo(old))
    new = [(ident, name, fixed.replace("3-", "4-1")) for ident, name, fixed in old[2:]]
    desk.take(updateinfo([*new, *BASEOS], "2026-02-01"))
    assert [len(held) for held in desk.held().values()] == [20]
    (corrected, *_) = desk.all(ALMA)
    assert corrected.affected[0].fixed == "4-13.el8"


def test_a_repository_with_most_ids_of_another_stands_beside_it(desk: Desk) -> None:
    """Red Hat's EUS repositories repeat the ids of the main stream up to their minor release."""
    main = [(f"RHSA-2025:{n}", f"pkg{n}", f"1-2.el9_{2 if n < 8 else 4}") for n in range(14)]
    eus = [*main[:8], *((f"RHSA-2025:{n}", f"pkg{n}", "1-2.el9_2.1") for n in (20, 21, 22))]
    desk.take(updateinfo(main, system=RHEL, short="rhel-9-for-x86_64-baseos-rpms"))
    output = desk.take(
        updateinfo(eus, system=RHEL, short="rhel-9-for-x86_64-baseos-eus-rpms__9_DOT_2")
    )
    assert [len(held) for held in desk.held().values()] == [14, 11]
    assert "updateinfo-red-hat-9-2: no newer edition of updateinfo-red-hat-9" in output


def test_a_file_that_lacks_much_of_what_is_held_stands_beside_it(desk: Desk) -> None:
    """Where nothing but the entries tells two repositories apart."""
    main = [(f"ALSA-{number}", f"p{number}", "1-1.el8") for number in range(14)]
    desk.take(updateinfo(main))
    output = desk.take(updateinfo([*main[:8], *BASEOS], "2026-02-01"))
    assert [len(held) for held in desk.held().values()] == [14, 10]
    assert f"{ALMA}-2: no newer edition of {ALMA}: has 8 of its 14 entries; both are held" in output
    desk.take(updateinfo([*main, *APPSTREAM], "2026-03-01"))
    assert [len(held) for held in desk.held().values()] == [16, 10]


def test_two_branches_of_one_package_in_one_advisory_are_told_by_their_builds(desk: Desk) -> None:
    desk.take(updateinfo([("ALSA-1", "bash", "4-5.el8"), ("ALSA-2", "curl", "8-1.el8")]))
    desk.take(updateinfo([("ALSA-1", "bash", "4-3.el8_4"), ("ALSA-2", "curl", "7-1.el8_4")]))
    assert len(desk.held()) == 2


def test_an_older_edition_is_refused_as_before(desk: Desk) -> None:
    desk.take(updateinfo(APPSTREAM, "2026-02-01"))
    assert "older than what is held" in desk.take(updateinfo(APPSTREAM, "2026-01-01"), code=2)
    desk.take(updateinfo(APPSTREAM, "2026-01-01"), options=("--force",))
    assert list(desk.held()) == [ALMA]


def test_two_architectures_of_a_repository_stand_side_by_side(desk: Desk) -> None:
    desk.take(updateinfo(BASEOS))
    desk.take(updateinfo(BASEOS, arch="aarch64"))
    assert list(desk.held()) == [ALMA, f"{ALMA}-2"]


def test_packages_for_every_architecture_make_no_repository_of_another_one(desk: Desk) -> None:
    """EPEL: most of a repository is noarch, so two architectures share most of their entries."""
    common = [(f"EPEL-{number}", f"python{number}", "1-1.el8") for number in range(40)]

    def of(arch: str, day: str, *more: Line) -> bytes:
        own = [("EPEL-90", "gdal", "3-1.el8"), *more]
        return merged(updateinfo(common, day, "noarch"), updateinfo(own, day, arch))

    desk.take(of("x86_64", "2026-01-01"))
    output = desk.take(of("aarch64", "2026-02-01"))
    assert f"{ALMA}-2: no newer edition of {ALMA}: is for aarch64, not x86_64" in output
    desk.take(of("x86_64", "2026-03-01", ("EPEL-91", "qgis", "3-1.el8")))
    assert [len(held) for held in desk.held().values()] == [42, 41]


def test_files_of_one_import_never_replace_each_other(desk: Desk) -> None:
    desk.take(updateinfo(APPSTREAM), updateinfo(BASEOS))
    assert desk.held() == {ALMA: ["webkit", "ruby"], f"{ALMA}-2": ["shell", "bash"]}
    desk.take(updateinfo(BASEOS), updateinfo(APPSTREAM))
    assert desk.held() == {ALMA: ["webkit", "ruby"], f"{ALMA}-2": ["shell", "bash"]}
    desk.take(updateinfo(BASEOS), updateinfo(BASEOS))
    assert len(desk.held()) == 3


def test_a_name_says_what_is_replaced(desk: Desk) -> None:
    desk.take(updateinfo(APPSTREAM), options=("--name", "mine"))
    desk.take(updateinfo(BASEOS), options=("--name", "mine"))
    assert desk.held() == {"mine": ["shell", "bash"]}


def test_two_folders_of_osv_records_stand_side_by_side(desk: Desk) -> None:
    for number in (1, 3):
        folder = desk.root / str(number)
        folder.mkdir()
        for ident in (number, number + 1):
            (folder / f"{ident}.json").write_bytes(osv(f"ALSA-{ident}"))
        assert main(["-C", str(desk.root / "ws"), "feeds", "import", str(folder)]) == 0
    assert [[advisory.id for advisory in desk.all(name)] for name in desk.held()] == [
        ["ALSA-1", "ALSA-2"],
        ["ALSA-3", "ALSA-4"],
    ]


def test_a_release_s_own_feed_is_no_second_one_of_its_distribution(desk: Desk) -> None:
    eight = {f"{number}.json": osv(f"ALSA-{number}") for number in (1, 2, 3)}
    nine = {"9.json": osv("ALSA-9", "AlmaLinux:9")}
    desk.take(zipped(desk.root / "z", eight).read_bytes())
    desk.take(zipped(desk.root / "z", {**eight, **nine}).read_bytes())
    assert list(desk.held()) == ["osv-almalinux", "osv-almalinux-8"]


def test_cve_records_of_two_years_stand_side_by_side(desk: Desk) -> None:
    record = (FEEDS / "cve.json").read_text().replace("2030-01-", "2026-01-")

    def of(*cves: str) -> bytes:
        members = {cve: record.replace("CVE-2030-1000", cve).encode() for cve in cves}
        return zipped(desk.root / "z", members).read_bytes()

    desk.take(of("CVE-2020-1000", "CVE-2020-1001"))
    desk.take(of("CVE-2021-1000", "CVE-2021-1001"))
    desk.take(of("CVE-2020-1000", "CVE-2020-1001", "CVE-2020-1002"))
    assert {info.name: info.entries for info in desk.store.list()} == {"cve": 3, "cve-2": 2}


def test_a_second_feed_replaces_the_first_where_a_fleet_has_one_of_a_kind(desk: Desk) -> None:
    for cve in ("CVE-2024-1234", "CVE-2024-4321"):
        rows = f"cve,epss,percentile\n{cve},0.5,0.9\n"
        desk.take(gzip.compress(rows.encode()))
    assert list(desk.held()) == ["epss"]


def test_both_repositories_are_read_by_an_assessment(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    packages = [
        {"name": name, "version": version, "arch": "x86_64"}
        for name, version in (("webkit", "2-1.el8"), ("shell", "3-2.el8"))
    ]
    system = {"id": "almalinux", "version_id": "8.9"}
    (desk.root / "hosts.json").write_text(
        json.dumps({"hosts": [{"name": "h1", "os": system, "packages": packages}]})
    )
    words = ["-C", str(desk.root / "ws")]
    assert main([*words, "discover", "--import", str(desk.root / "hosts.json")]) == 0
    for lines in (APPSTREAM, BASEOS):
        desk.take(updateinfo(lines))
    assert main([*words, "assess", "-o", "json"]) == 0
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["package"], finding["fixed"]) == ("shell", "3-5.el8")
