"""Feeds that are not what they should be: what is left out, what is refused, what stays."""

import codecs
import gzip
import json
import struct
import tarfile
import time
import tracemalloc
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from feed_world import FEEDS, bad, of, only, records, tarred, zipped

from patchctl.adapters.feeds.store import FeedStore
from patchctl.cli.app import main
from patchctl.errors import InvalidInputError
from patchctl.models.advisory import Advisory, FeedKind, FeedRecord
from patchctl.models.feeds import FeedInfo
from patchctl.wiring.feeds import read

MB = 1024 * 1024
NOW = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp())


def osv(
    ident: str, modified: str = "2026-01-01T00:00:00Z", ecosystem: str = "Debian:12", **other: Any
) -> bytes:
    affected = [
        {
            "package": {"ecosystem": ecosystem, "name": "brass"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2-1"}]}],
        }
    ]
    record = {"id": ident, "modified": modified, "affected": affected, **other}
    return json.dumps({**record, "upstream": ["CVE-2026-1000"]}).encode()


def archive(path: Path, **records: bytes) -> Path:
    return zipped(path, {f"{name}.json": content for name, content in records.items()})


class Desk:
    """A workspace into which files are imported."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self._capsys = root, capsys
        (root / "inventory").mkdir(parents=True)
        (root / "patchctl.yml").write_text("{}\n")

    def take(self, *paths: Path, options: tuple[str, ...] = ()) -> int:
        words = ["-C", str(self.root), "feeds", "import", *map(str, paths), *options]
        code = main(words)
        self.err = self._capsys.readouterr().err
        return code

    def held(self) -> dict[str, FeedInfo]:
        return {info.name: info for info in FeedStore(self.root / ".patchctl" / "feeds").list()}


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path / "workspace", capsys)


# --- dates in the future --------------------------------------------------------------------------


def dated(name: str, old: str, new: str) -> bytes:
    return (FEEDS / name).read_text().replace(old, new).encode()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("osv", osv("DSA-2-1", "2031-01-01T00:00:00Z")),
        ("osv", osv("DSA-2-1", published="2031-01-01T00:00:00Z")),
        ("cve", dated("cve.json", "CVE-2030-1000", "CVE-2030-1001")),
        ("changelog", (FEEDS / "changelog").read_bytes()),
    ],
)
def test_a_record_from_the_future_is_named_and_the_rest_is_used(
    tmp_path: Path, name: str, content: bytes
) -> None:
    path = archive(tmp_path / "z", a=osv("DSA-1-1"), b=content, c=osv("DSA-3-1"))
    feeds = list(read(path, latest=NOW))
    records_read = [record for feed in feeds for record in feed.records()]
    assert [record.id for record in of(Advisory, records_read)] == ["DSA-1-1", "DSA-3-1"], name
    assert [reason for reason in bad(records_read) if "is dated in the future" in reason]
    assert max(feed.dated for feed in feeds) < NOW


def test_an_update_from_the_future_leaves_the_others_of_its_repository(tmp_path: Path) -> None:
    path = tmp_path / "updateinfo.xml"
    path.write_bytes(dated("updateinfo-rocky.xml", '"2030-01-02 03:04:05"', '"2020-01-02"'))
    text = path.read_text().replace('"2030-01-03 00:00"', '"2020-01-03"')
    path.write_text(text)
    (feed,) = read(path, latest=NOW)
    records_read = list(feed.records())
    assert next(record.id for record in of(Advisory, records_read)) == "RLSA-2030:0001"
    assert feed.dated < NOW


def test_an_entry_of_kev_from_the_future(tmp_path: Path) -> None:
    (feed,) = read(FEEDS / "kev.json", latest=NOW)
    assert any("is dated in the future" in reason for reason in bad(feed.records()))


def test_one_future_date_does_not_block_an_import(desk: Desk, tmp_path: Path) -> None:
    path = archive(tmp_path / "z", a=osv("DSA-1-1"), b=osv("DSA-2-1", "2999-01-01T00:00:00Z"))
    assert desk.take(path) == 0
    info = desk.held()["osv-debian-12"]
    assert (info.entries, info.bad, info.dated) == (1, 1, 1767225600)
    assert "not used: " in desk.err
    assert "b.json: DSA-2-1: is dated in the future" in desk.err


# --- checksums ------------------------------------------------------------------------------------


def damaged(path: Path, content: bytes) -> Path:
    """Change a byte of the content in a file that stores it uncompressed."""
    raw = bytearray(path.read_bytes())
    at = raw.find(content)
    assert at > 0
    raw[at + len(content) // 2] ^= 1
    path.write_bytes(raw)
    return path


def stored(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return path


LONG = json.dumps({"details": "brass " * 20_000}).encode()


@pytest.mark.parametrize(
    "victim",
    [
        osv("DSA-2-1"),
        osv("DSA-2-1", details="brass " * 20_000),
        # Damage may be what keeps a file from being recognised.
        b"{ is no feed }",
        LONG,
    ],
    ids=["a record", "a long record", "no feed", "a long file that is no feed"],
)
def test_a_wrong_checksum_breaks_the_archive_and_what_was_held_stays(
    desk: Desk, tmp_path: Path, victim: bytes
) -> None:
    good = archive(tmp_path / "good", a=osv("DSA-1-1"), b=osv("DSA-2-1"))
    assert desk.take(good) == 0
    before = desk.held()
    members = {"a.json": osv("DSA-1-1"), "b.json": victim, "c.json": osv("DSA-3-1")}
    path = damaged(stored(tmp_path / "bad", members), victim)
    assert desk.take(path, options=("--force",)) == 2
    assert "bad/b.json: is cut short or broken: Bad CRC-32" in desk.err
    assert desk.held() == before


@pytest.mark.parametrize("inside", ["a record", "the checksum"])
def test_a_wrong_checksum_breaks_a_compressed_tar(desk: Desk, tmp_path: Path, inside: str) -> None:
    """Deflate can store bytes as they are, and the checksum stands behind the end of the tar."""
    plain = tarred(tmp_path / "t", {"a.json": osv("DSA-1-1"), "b.json": osv("DSA-2-1")}, "w")
    raw = bytearray(gzip.compress(plain.read_bytes(), compresslevel=0))
    at = raw.find(b"DSA-2-1") if inside == "a record" else len(raw) - 8
    raw[at] ^= 1
    path = tmp_path / "t.gz"
    path.write_bytes(raw)
    assert desk.take(path) == 2
    assert "is cut short or broken: CRC check failed" in desk.err
    assert desk.held() == {}


def test_a_loose_damaged_file_is_counted_beside_good_ones(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "loose"
    folder.mkdir()
    for number in (1, 2, 3):
        (folder / f"{number}.json.gz").write_bytes(gzip.compress(osv(f"DSA-{number}-1")))
    whole = (folder / "2.json.gz").read_bytes()
    (folder / "2.json.gz").write_bytes(whole[:-8] + bytes(8))
    assert desk.take(folder) == 0
    info = desk.held()["osv-debian-12"]
    assert (info.entries, info.bad) == (2, 1)
    assert "2.json.gz: is cut short or broken" in desk.err


def test_a_way_of_packing_that_is_not_known_is_no_damage(tmp_path: Path) -> None:
    path = stored(tmp_path / "z", {"a.json": osv("DSA-1-1"), "b.json": osv("DSA-2-1")})
    raw = bytearray(path.read_bytes())
    for mark, method in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = raw.rfind(mark)
        struct.pack_into("<H", raw, at + method, 9)  # Deflate64
    path.write_bytes(raw)
    records_read = records(path)
    assert len(of(Advisory, records_read)) == 1
    assert bad(records_read) == ["b.json: packed in a way that is not read"]


# --- feeds that say nothing -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (osv("DSA-1-1", affected=[]), "none of its 1 advisories names a package"),
        (osv("GHSA-1", ecosystem="npm"), "speaks only of npm, which no host can be"),
        (osv("GHSA-1", ecosystem="Wolfi:1"), "speaks only of Wolfi:1"),
        (osv("DSA-1-1", ecosystem="Debian"), "speaks only of Debian"),
        (
            b"<updates><update type='security'><id>X-1</id><pkglist><collection>"
            b"<package name='a' version='1' release='1' arch='x86_64'/>"
            b"</collection></pkglist></update></updates>",
            "does not tell its release; name the ecosystem",
        ),
    ],
)
def test_a_feed_in_which_nothing_applies_is_refused(
    desk: Desk, tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "feed").write_bytes(content)
    assert desk.take(tmp_path / "feed", options=("--force",)) == 2
    assert reason in desk.err
    assert desk.held() == {}


def test_every_system_that_a_host_can_be_has_a_feed_that_is_held() -> None:
    from patchctl.assessment.matching.platforms import ecosystem_of
    from patchctl.models.facts import OsRelease
    from patchctl.workflows.feeds.sources import assessed

    for ident, version in [
        *(("debian", "12"), ("ubuntu", "24.04"), ("almalinux", "9.4"), ("rocky", "9.4")),
        *(("rhel", "9.4"), ("ol", "9.4"), ("centos", "9"), ("fedora", "43"), ("amzn", "2023")),
        *(("sles", "15.5"), ("opensuse-leap", "15.5"), ("opensuse-tumbleweed", "20260101")),
        ("alpine", "3.20.1"),
    ]:
        os = OsRelease(id=ident, version_id=version, pretty_name="", codename="")
        assert assessed(ecosystem_of(os)), ident
    assert assessed("EPEL:9")


# --- a million files ------------------------------------------------------------------------------


def many_in_a_zip(path: Path, count: int) -> Path:
    """Make only the list of members, because that is what a reader must not load."""
    header = b"PK\x01\x02" + bytes(24) + struct.pack("<HHH", 8, 0, 0) + bytes(12)
    directory = b"".join(header + b"%08d" % number for number in range(count))
    size, start = len(directory), 4
    wide = struct.pack("<4sQHHLLQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start)
    there = struct.pack("<4sLQL", b"PK\6\7", 0, start + size, 1)
    # The number of members in the old record has 16 bits, and a liar can write any.
    end = struct.pack("<4sHHHHLLH", b"PK\5\6", 0, 0, 1, 1, 10, 0, 0)
    path.write_bytes(b"PK\3\4" + directory + wide + there + end)
    return path


def many_in_a_tar(path: Path, count: int) -> Path:
    info = tarfile.TarInfo("a.json")
    info.size = 2
    entry = info.tobuf() + b"{}" + bytes(510)
    with path.open("wb") as file:
        for _ in range(count // 1000):
            file.write(entry * 1000)
    return path


@pytest.mark.parametrize("make", [many_in_a_zip, many_in_a_tar])
def test_a_million_members_are_refused_in_seconds_and_little_memory(
    tmp_path: Path, make: Any
) -> None:
    path = make(tmp_path / "many", 1_000_000)
    begun = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(InvalidInputError, match="more than 500000 files inside"):
            list(read(path))
        assert tracemalloc.get_traced_memory()[1] < 150 * MB
    finally:
        tracemalloc.stop()
        path.unlink()
    # A second or two; a limit that only a reader that looks at every member breaks.
    assert time.process_time() - begun < 40


def test_a_compressed_tar_is_counted_before_its_members_are_opened(tmp_path: Path) -> None:
    from patchctl.adapters.feeds.archives import Archive, archives
    from patchctl.adapters.feeds.limits import Limits

    path = tarred(tmp_path / "t", {f"{number}.json": b"{}" for number in range(11)})
    (archive,) = archives(path, Limits(members=10))
    assert isinstance(archive, Archive)
    with pytest.raises(InvalidInputError, match="more than 10 files inside"):
        next(archive.members())


# --- encodings ------------------------------------------------------------------------------------


NAMES = [
    "kev.json",
    "epss.csv",
    "osv-alma.json",
    "eol.json",
    "ssvc.csv",
    "cve.json",
    "tracker.json",
]


@pytest.mark.parametrize("name", [*NAMES, "changelog"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_read(tmp_path: Path, name: str, encoding: str) -> None:
    mark = codecs.BOM_UTF16_LE if encoding.endswith("le") else codecs.BOM_UTF16_BE
    path = tmp_path / name
    path.write_bytes(mark + (FEEDS / name).read_text().encode(encoding))

    def nameless(all_records: list[FeedRecord]) -> list[FeedRecord]:
        return [record for record in all_records if not bad([record])]

    assert nameless(records(path)) == nameless(records(FEEDS / name))
    assert len(bad(records(path))) == len(bad(records(FEEDS / name)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{}".encode("utf-16-le"), "is UTF-16 without a mark"),
        ("{}".encode("utf-16-be"), "is UTF-16 without a mark"),
        ("{}".encode("utf-32"), "is UTF-32"),
        (b"\x28\xb5\x2f\xfd" + bytes(20), "is packed with zstd"),
        (
            b"\xff\xfe"
            + '{"catalogVersion": "1", "vulnerabilities": ['.encode("utf-16-le")
            + b"\0",
            "UTF",
        ),
    ],
)
def test_what_is_not_read_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "feed"
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=reason):
        list(only(path).records())


# --- files that are not a feed ------------------------------------------------------------------


@pytest.mark.parametrize("form", ["zip", "tar", "folder"])
def test_files_that_are_no_feed_are_counted_as_bad(desk: Desk, tmp_path: Path, form: str) -> None:
    members = {"1.json": osv("DSA-1-1"), "2.json": osv("DSA-2-1"), "README": b"hello", "x": b""}
    path = tmp_path / "feeds"
    if form == "folder":
        path.mkdir()
        for name, content in members.items():
            (path / name).write_bytes(content)
    else:
        (zipped if form == "zip" else tarred)(path, members)
    assert desk.take(path) == 0
    info = desk.held()["osv-debian-12"]
    assert (info.entries, info.bad) == (2, 2)
    assert "not used: " in desk.err
    assert "README: is none of the known formats" in desk.err


def test_more_files_than_are_kept_are_counted_all(tmp_path: Path) -> None:
    members = {f"{number}.txt": b"hello" for number in range(1200)}
    path = zipped(tmp_path / "z", {**members, "a.json": osv("DSA-1-1")})
    store = FeedStore(tmp_path / "feeds", lambda: NOW * 1000)
    info = store.replace("x", FeedKind.OSV, only(path).records())
    assert (info.entries, info.bad, len(store.bad("x"))) == (1, 1200, 1000)
