"""Read the fixtures of feeds, and make archives of them, for tests of feeds."""

import io
import os
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from patchctl.assessment.feeds import Feed
from patchctl.models.advisory import Advisory, Affected, BadRecord, FeedRecord
from patchctl.wiring.feeds import read

FEEDS = Path(__file__).parents[1] / "data" / "feeds"
# Real data is not part of this repository.
REAL = Path(os.environ.get("PATCHCTL_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data")

T = TypeVar("T")


def only(path: Path, ecosystem: str = "") -> Feed:
    """Return the only feed at a path."""
    (feed,) = read(path, ecosystem)
    return feed


def records(path: Path, ecosystem: str = "") -> list[FeedRecord]:
    return list(only(path, ecosystem).records())


def fixture(name: str, ecosystem: str = "") -> list[FeedRecord]:
    return records(FEEDS / name, ecosystem)


def of(kind: type[T], items: Iterable[object]) -> list[T]:
    return [item for item in items if isinstance(item, kind)]


def advisory(name: str) -> Advisory:
    """Return the only advisory of a fixture, which has no bad record."""
    (record,) = fixture(name)
    assert isinstance(record, Advisory)
    return record


def affected(all_records: Iterable[FeedRecord]) -> list[Affected]:
    return [entry for record in of(Advisory, all_records) for entry in record.affected]


def bad(all_records: Iterable[FeedRecord]) -> list[str]:
    """Return `name of the file and rest of the place: reason` for each bad record."""
    return [f"{Path(record.place).name}: {record.reason}" for record in of(BadRecord, all_records)]


def zipped(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, members: Mapping[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def ar(members: Mapping[str, bytes]) -> bytes:
    """Return an ar archive, deb(5)."""
    out = b"!<arch>\n"
    for name, content in members.items():
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
        out += content + (b"\n" if len(content) % 2 else b"")
    return out
