"""Untrusted archives: which members are read, which are refused, and limits of memory and size."""

import bz2
import gzip
import io
import lzma
import os
import random
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from feed_world import ar, tarred, zipped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patchctl.adapters.feeds.archives import Archive, Member, archives
from patchctl.adapters.feeds.limits import Limits
from patchctl.errors import InvalidInputError, NotFoundError, PatchctlError
from patchctl.models.feeds import Skipped

MB = 1024 * 1024
SMALL = Limits(member_bytes=MB, total_bytes=2 * MB, members=10, ratio=50)


def contents(path: Path, limits: Limits | None = None) -> dict[str, bytes]:
    """Return path below the folder -> content, for each member."""
    by_path = {}
    for archive in archives(path, limits):
        for member in archive.members() if isinstance(archive, Archive) else ():
            if isinstance(member, Member):
                by_path[member.place.removeprefix(str(path)).lstrip("/")] = member.open().read()
    return by_path


def skipped(path: Path, limits: Limits | None = None) -> dict[str, str]:
    by_path = {}
    for entry in archives(path, limits):
        for member in (entry,) if isinstance(entry, Skipped) else entry.members():
            if isinstance(member, Skipped):
                by_path[member.place.removeprefix(str(path)).lstrip("/")] = member.reason
    return by_path


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, bytes])
def test_a_single_file_is_unpacked_whatever_its_name(tmp_path: Path, pack: type[bytes]) -> None:
    path = tmp_path / "feed:8.txt"
    path.write_bytes(pack(b"one\ntwo\n"))
    assert contents(path) == {"": b"one\ntwo\n"}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_is_read_in_its_order(tmp_path: Path, mode: str) -> None:
    path = tarred(tmp_path / "feed", {"b/2.json": b"2", "a:1.json": b"1"}, mode)
    assert list(contents(path).items()) == [("b/2.json", b"2"), ("a:1.json", b"1")]


def test_a_zip_in_a_zip_is_read_but_not_a_third(tmp_path: Path) -> None:
    third = zipped(tmp_path / "3", {"deep.json": b"3"}).read_bytes()
    second = zipped(tmp_path / "2", {"cves/x.json": b"2", "third.zip": third}).read_bytes()
    path = zipped(tmp_path / "1", {"second.zip": second, "y.json": b"1"})
    assert contents(path) == {"second.zip/cves/x.json": b"2", "y.json": b"1"}
    assert skipped(path) == {"second.zip/third.zip": "archive in an archive in an archive"}


def test_a_compressed_file_in_a_zip(tmp_path: Path) -> None:
    path = zipped(tmp_path / "z", {"a.json.gz": gzip.compress(b"a")})
    assert contents(path) == {"a.json.gz": b"a"}


def test_names_that_lead_outside_write_nothing(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    path = zipped(inside / "z", {"../../evil": b"x", "/etc/evil": b"y"})
    tar = tarred(inside / "t", {"../../evil": b"x"})
    assert sorted(contents(path).values()) == [b"x", b"y"]
    assert list(contents(tar).values()) == [b"x"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["in", "t", "z"]


def test_links_and_devices_in_a_tar_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "t"
    with tarfile.open(path, "w") as archive:
        for name, kind in (("l", tarfile.SYMTYPE), ("h", tarfile.LNKTYPE), ("c", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        info = tarfile.TarInfo("good")
        info.size = 2
        archive.addfile(info, io.BytesIO(b"ok"))
    assert contents(path) == {"good": b"ok"}
    assert skipped(path) == dict.fromkeys("lhc", "not a regular file")


@pytest.mark.parametrize("compression", ["gz", "xz"])
def test_a_debian_package_gives_its_changelog(tmp_path: Path, compression: str) -> None:
    data = tarred(
        tmp_path / "data",
        {
            "./usr/bin/brass": b"binary",
            "./usr/share/doc/brass/changelog.gz": gzip.compress(b"upstream's"),
        }
        if compression == "xz"
        else {"./usr/share/doc/brass/changelog.Debian.gz": gzip.compress(b"the log")},
        f"w:{compression}",
    ).read_bytes()
    path = tmp_path / "brass.deb"
    path.write_bytes(ar({"debian-binary": b"2.0\n", f"data.tar.{compression}": data}))
    assert list(contents(path).values()) == [b"upstream's" if compression == "xz" else b"the log"]


def test_a_package_s_own_changelog_comes_before_its_author_s(tmp_path: Path) -> None:
    folder = "./usr/share/doc/brass"
    members = {
        f"{folder}/changelog.gz": gzip.compress(b"author's"),
        f"{folder}/changelog.Debian.gz": gzip.compress(b"package's"),
    }
    data = tarred(tmp_path / "data", members, "w:xz").read_bytes()
    path = tmp_path / "brass.deb"
    path.write_bytes(ar({"debian-binary": b"2.0\n", "data.tar.xz": data}))
    assert list(contents(path).values()) == [b"package's"]


@pytest.mark.parametrize("member", [{}, {"data.tar.zst": b"\x28\xb5\x2f\xfd" + bytes(600)}])
def test_a_package_that_cannot_be_read_is_said(tmp_path: Path, member: dict[str, bytes]) -> None:
    path = tmp_path / "brass.deb"
    path.write_bytes(ar({"debian-binary": b"2.0\n", **member}))
    (reason,) = skipped(path).values()
    assert ("zstd" in reason) == bool(member)


def test_a_folder_is_read_by_name_and_not_beyond_itself(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("secret")
    root = tmp_path / "root"
    (root / "sub" / ".git").mkdir(parents=True)
    (root / "b").write_text("b")
    (root / "sub" / "a").write_text("a")
    (root / "sub" / "again").symlink_to(root / "b")
    (root / "leak").symlink_to(outside)
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "pipe")
    assert contents(root) == {"b": b"b", "sub/a": b"a", "sub/again": b"b"}
    assert skipped(root) == {
        "leak": "link out of the folder",
        "loop": "hidden folder or link to a folder",
        "pipe": "not a regular file",
        "sub/.git": "hidden folder or link to a folder",
    }


def test_what_is_not_there_or_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such file or folder"):
        contents(tmp_path / "none")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInputError, match="is not a regular file"):
        contents(tmp_path / "pipe")


def bomb(folder: Path, kind: str) -> Path:
    """Return 40 MB of zeros, compressed to about 40 kB."""
    path, zeros = folder / "bomb", bytes(40 * MB)
    if kind == "zip":
        return zipped(path, {"a": zeros})
    if kind == "tar":
        return tarred(path, {"a": zeros})
    if kind == "nested":
        return zipped(path, {"a": gzip.compress(zeros)})
    path.write_bytes(gzip.compress(zeros) if kind == "gz" else lzma.compress(zeros))
    return path


@pytest.mark.parametrize("kind", ["zip", "tar", "gz", "xz", "nested"])
def test_a_bomb_is_refused_in_little_memory(tmp_path: Path, kind: str) -> None:
    path = bomb(tmp_path, kind)
    limits = Limits(ratio=50)
    tracemalloc.start()
    try:
        for archive in archives(path, limits):
            assert isinstance(archive, Archive)
            with pytest.raises(InvalidInputError, match="unpacks to more than 50 times"):
                for member in archive.members():
                    if isinstance(member, Skipped):
                        raise InvalidInputError(member.reason)
                    stream = member.open()
                    while stream.read(65_536):
                        pass
        assert tracemalloc.get_traced_memory()[1] < 16 * MB
    finally:
        tracemalloc.stop()


def test_the_limits_for_one_file_for_all_and_for_their_number(tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(900_000)
    large = zipped(tmp_path / "large", {"a": noise * 2})
    assert skipped(large, SMALL) == {
        "a": "1800000 bytes, more than the 1048576 allowed for one file"
    }
    with pytest.raises(InvalidInputError, match="unpacks to more than 2097152 bytes"):
        contents(zipped(tmp_path / "all", dict.fromkeys("abc", noise)), SMALL)
    with pytest.raises(InvalidInputError, match="more than 10 files inside"):
        contents(zipped(tmp_path / "many", {str(n): b"" for n in range(11)}), SMALL)
    folder = tmp_path / "folder"
    folder.mkdir()
    for n in range(11):
        (folder / str(n)).touch()
    with pytest.raises(InvalidInputError, match="more than 10 files"):
        contents(folder, SMALL)


def test_a_tar_header_without_end_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 10**9
    path = tmp_path / "t"
    path.write_bytes(info.tobuf() + bytes(10_240))
    with pytest.raises(InvalidInputError, match="a header is too long"):
        contents(path)


def test_a_cut_archive_is_told(tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(100_000)
    for make in (zipped, tarred):
        path = make(tmp_path / make.__name__, {"a": noise, "b": noise})
        path.write_bytes(path.read_bytes()[:-60_000])
        with pytest.raises(InvalidInputError, match=r"is cut short or broken: .*; fetch it again"):
            contents(path)


def test_one_broken_member_of_a_zip_leaves_the_others(tmp_path: Path) -> None:
    path = zipped(tmp_path / "z", {"a": b"first " * 50, "b": b"second"})
    raw = bytearray(path.read_bytes())
    raw[40] ^= 0xFF
    path.write_bytes(raw)
    read: list[object] = []
    for archive in archives(path):
        for member in archive.members() if isinstance(archive, Archive) else ():
            try:
                read.append(member.open().read() if isinstance(member, Member) else member)
            except InvalidInputError as error:
                read.append(type(error).__name__)
    assert read == ["CorruptFileError", b"second"]


def test_an_encrypted_member_is_skipped(tmp_path: Path) -> None:
    path = zipped(tmp_path / "z", {"a": b"x"})
    raw = path.read_bytes().replace(
        b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01"
    )
    path.write_bytes(raw)
    assert skipped(path) == {"a": "encrypted"}


SEEDS = [
    ("zip", lambda path: zipped(path, {"a": b"{}" * 40, "b": b"x"})),
    ("tar", lambda path: tarred(path, {"a": b"{}" * 40, "b": b"x"})),
    ("plain tar", lambda path: tarred(path, {"a": b"{}" * 40, "b": b"x"}, "w")),
]


@pytest.mark.parametrize(("name", "make"), SEEDS, ids=[name for name, _ in SEEDS])
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_mutation_raises_anything_of_its_own(
    tmp_path: Path, name: str, make: "object", data: st.DataObject
) -> None:
    path = tmp_path / "archive"
    assert callable(make)
    raw = bytearray(make(path).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    path.write_bytes(raw[: cut or None])
    try:
        contents(path, SMALL)
    except PatchctlError as error:
        assert "\n" not in str(error)


def test_the_list_of_a_zip_is_bounded_before_it_is_loaded(tmp_path: Path) -> None:
    path = zipped(tmp_path / "z", {"a": b"x"})
    raw = bytearray(path.read_bytes())
    at = raw.rfind(b"PK\x05\x06")
    raw[at + 12 : at + 16] = (100 * MB).to_bytes(4, "little")
    path.write_bytes(raw)
    with pytest.raises(InvalidInputError, match="more files inside than can be read"):
        contents(path)
    assert zipfile.is_zipfile(path)


def test_the_lock_of_a_content_store_is_no_file_that_was_skipped(tmp_path: Path) -> None:
    """`feeds import .patchctl/store` reads the packages of plans."""
    (tmp_path / "lock").touch()
    (tmp_path / "sha256").write_bytes(b"x")
    assert contents(tmp_path) == {"sha256": b"x"}
    assert not skipped(tmp_path)
    (tmp_path / "lock").write_bytes(b"no lock")
    assert set(contents(tmp_path)) == {"lock", "sha256"}
