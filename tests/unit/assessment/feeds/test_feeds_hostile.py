"""Untrusted feeds: broken ones, hostile ones, and files that are not a feeds."""

import gzip
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from feed_world import FEEDS, bad, of, only, records, zipped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patchctl.errors import InvalidInputError, PatchctlError
from patchctl.models.advisory import Advisory, BadRecord, ExploitChance, FeedRecord
from patchctl.wiring.feeds import read

MB = 1024 * 1024
ALMA = (FEEDS / "osv-alma.json").read_bytes()


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """Check that Python's own memory stays below a size in bytes."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < size
    finally:
        tracemalloc.stop()


def write(folder: Path, content: bytes) -> Path:
    path = folder / "feed"
    path.write_bytes(content)
    return path


def everything(path: Path) -> list[FeedRecord]:
    return [record for feed in read(path) for record in feed.records()]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"  \n ", "is empty"),
        (b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", "is a web page"),
        (b"<!-- a --><!-- b --><HTML>", "is a web page"),
        (b"<!--" * 20_000, "is XML, but no updateinfo"),
        (b"PK\x03\x04 and no more", "is cut short or broken"),
        (b"\x1f\x8b\x08 and no more", "is cut short or broken"),
        (gzip.compress(ALMA)[:-20], "is cut short or broken"),
        (b'{"a": 1}', "is JSON of no known feed"),
        (b'{"a": "' + rb"\"" * 40_000, "is JSON of no known feed"),
        (b'[{"cycle": "12"}]', "is JSON of no known feed"),
        (bytes(100_000), "is none of the known formats"),
        (b"\xff" * 1000, "is none of the known formats"),
        (b'{"title": "x", "catalogVersion": "1", "vulnerabilities": {', "no valid content"),
        (b"<updates><update><id>x</id>", "no valid XML"),
        (b"<?xml version='1.0' encoding='brass'?><updates/>", "encoding"),
    ],
)
def test_a_wholly_wrong_file_is_told_on_one_line(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = write(tmp_path, content)
    with pytest.raises(InvalidInputError) as caught:
        everything(path)
    assert reason in str(caught.value)
    assert str(path) in str(caught.value)
    assert len(caught.value.lines()) == 1


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="holds no files"):
        list(read(tmp_path))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"id": "ALSA-1", "modified": "2030", "affected": 7}', "Expected `array"),
        (b'{"id": "", "modified": "2030"}', "has no id"),
        (b'{"id": "ALSA-1", "modified": "2030", "x": ' + b"[" * 200_000, "nested too deeply"),
        (ALMA[:400], "truncated"),
        (b'{"id": "ALSA-1\xff\xfe", "modified": "2030", "affected": []}', "invalid"),
    ],
)
def test_a_broken_record_does_not_end_its_feed(tmp_path: Path, content: bytes, reason: str) -> None:
    path = zipped(tmp_path / "z", {"1.json": ALMA, "2.json": content, "3.json": ALMA})
    with at_most(20 * MB):
        records_read = records(path)
    assert [type(record) for record in records_read] == [Advisory, BadRecord, Advisory]
    assert reason in bad(records_read)[0]
    assert bad(records_read)[0].startswith("2.json: ")


def test_a_damaged_member_of_a_zip_ends_its_feed(tmp_path: Path) -> None:
    long = ALMA.replace(b'"details": "', b'"details": "' + bytes(range(97, 123)) * 20_000)
    path = zipped(tmp_path / "z", {"1.json": ALMA, "2.json": long, "3.json": ALMA})
    raw = bytearray(path.read_bytes())
    at = raw.find(b"2.json") + 1200
    raw[at : at + 40] = bytes(40)
    path.write_bytes(raw)
    with pytest.raises(InvalidInputError, match=r"2\.json: is cut short or broken"):
        everything(path)


def test_entities_are_refused_before_they_grow(tmp_path: Path) -> None:
    entities = "".join(
        f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "lol" * 10}">' for n in range(10)
    )
    laughs = f"<?xml version='1.0'?><!DOCTYPE updates [{entities}]><updates>&e9;</updates>"
    path = write(tmp_path, laughs.encode())
    with at_most(4 * MB), pytest.raises(InvalidInputError):
        everything(path)
    outside = "<!DOCTYPE updates [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><updates>&e;</updates>"
    with pytest.raises(InvalidInputError):
        everything(write(tmp_path, outside.encode()))


def test_many_updates_stay_small_in_memory(tmp_path: Path) -> None:
    text = (FEEDS / "updateinfo-rocky.xml").read_text()
    start, _, rest = text.partition("<updates>")
    body = rest.rpartition("</updates>")[0]
    path = write(tmp_path, f"{start}<updates>{body * 1000}</updates>".encode())
    assert path.stat().st_size > 1_500_000
    count = 0
    with at_most(1_000_000):
        for record in only(path).records():
            count += isinstance(record, Advisory)
    assert count == 2000


def test_one_update_without_end_is_refused(tmp_path: Path) -> None:
    start = b"<updates><update><id>RLSA-1</id><description>"
    path = tmp_path / "feed"
    with path.open("wb") as out:
        out.write(start)
        for _ in range(36):
            out.write(b"brass " * 170_000)
    with pytest.raises(InvalidInputError, match="one update is larger than 32 MB"):
        everything(path)


def test_updateinfo_in_utf_16_is_read(tmp_path: Path) -> None:
    text = (FEEDS / "updateinfo-rocky.xml").read_text().replace("UTF-8", "UTF-16")
    records_read = everything(write(tmp_path, text.encode("utf-16")))
    assert [record.id for record in of(Advisory, records_read)] == [
        "RLSA-2030:0001",
        "RLBA-2030:0002",
    ]


def test_a_line_of_10_mb_costs_only_itself(tmp_path: Path) -> None:
    scores = (FEEDS / "epss.csv").read_bytes().splitlines()[:4]
    long = b"CVE-2030-7777," + b"1" * (10 * MB) + b",1"
    nul = b"CVE-2030-8888,0\0,1"
    path = write(tmp_path, b"\n".join((*scores, long, nul, b"CVE-2030-9999,1,1")))
    with at_most(6 * MB):
        records_read = everything(path)
    assert [record.cve[-4:] for record in of(ExploitChance, records_read)] == [
        "1000",
        "1001",
        "9999",
    ]
    assert bad(records_read) == ["feed:5: line longer than 1 MB", "feed:6: NUL byte in the text"]


def test_a_changelog_in_latin_1_is_read(tmp_path: Path) -> None:
    text = (FEEDS / "changelog").read_text().replace("Somebody Else", "Jürgen Müller")
    records_read = everything(write(tmp_path, text.encode("latin-1")))
    assert len(of(Advisory, records_read)) == 3


def test_a_hostile_changelog_is_read_in_no_time(tmp_path: Path) -> None:
    header = b"brass (1-1) sid; urgency=low\n"
    lines = (b" -- " + b"<" * 900_000, b" " + b"not " * 200_000, b"a (1)" + b" b" * 300_000)
    records_read = everything(write(tmp_path, header + b"\n".join(lines) + b"\n"))
    assert bad(records_read) == ["feed:4: no entry of a changelog"]


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    for name in ("kev.json", "epss.csv", "osv-alma.json", "eol.json", "ssvc.csv"):
        content = (FEEDS / name).read_bytes()
        marked = everything(write(tmp_path, b"\xef\xbb\xbf" + content))
        assert [type(record) for record in marked] == [
            type(record) for record in records(FEEDS / name)
        ]


NAMES = sorted(path.name for path in FEEDS.iterdir())
LOOSE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def survives(path: Path) -> None:
    """Return the records, or the one line that says what is wrong."""
    try:
        everything(path)
    except PatchctlError as error:
        assert len(error.lines()) == 1


@LOOSE
@given(
    content=st.binary(max_size=400), start=st.sampled_from([b"", b"{", b"<updates", b"\x1f\x8b"])
)
def test_no_bytes_raise_anything_of_their_own(tmp_path: Path, content: bytes, start: bytes) -> None:
    survives(write(tmp_path, start + content))


@pytest.mark.parametrize("name", NAMES)
@LOOSE
@given(data=st.data())
def test_no_mutation_raises_anything_of_its_own(
    tmp_path: Path, name: str, data: st.DataObject
) -> None:
    raw = bytearray((FEEDS / name).read_bytes())
    offsets = st.integers(0, len(raw) - 1)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(offsets)
        token = data.draw(st.sampled_from([b"null", b"0", b'"', b"[", b"{}", b"\0", b"\xff", b"<"]))
        raw[at : at + data.draw(st.integers(0, 12))] = token
    survives(write(tmp_path, bytes(raw)))
