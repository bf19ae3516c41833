"""The feed store: changes are atomic, reads are partial, and damage and kills are survived."""

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from patchctl.adapters.feeds import store as module
from patchctl.adapters.feeds.store import FeedStore
from patchctl.adapters.files import locked
from patchctl.errors import (
    AdapterError,
    ConflictError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
)
from patchctl.models.advisory import (
    Advisory,
    AdvisoryKind,
    Affected,
    BadRecord,
    CveFacts,
    ExploitChance,
    FeedKind,
    FeedRecord,
    KnownExploited,
    Lifecycle,
    NameKind,
)

NOW = 1_790_000_000


def advisory(identifier: str, *ecosystems: str, modified: int = 1000, fixed: str = "2") -> Advisory:
    return Advisory(
        id=identifier,
        kind=AdvisoryKind.SECURITY,
        modified=modified,
        affected=tuple(
            Affected(ecosystem=name, name="openssl", kind=NameKind.BINARY, fixed=fixed)
            for name in ecosystems
        ),
    )


@pytest.fixture
def store(tmp_path: Path) -> FeedStore:
    return FeedStore(tmp_path / "feeds", lambda: NOW * 1000)


def again(store: FeedStore) -> FeedStore:
    """Open the store again, as the next process does."""
    return FeedStore(store._folder, lambda: NOW * 1000)


def ids(store: FeedStore, ecosystem: str) -> list[str]:
    return [advisory.id for _, advisory in again(store).advisories(ecosystem)]


def test_a_feed_is_read_back_by_ecosystem(store: FeedStore) -> None:
    records = [advisory("A1", "AlmaLinux:8", "AlmaLinux:9"), advisory("A2", "AlmaLinux:9")]
    info = store.replace("alma", FeedKind.OSV, records)
    assert (info.entries, info.bad, info.dated, info.imported) == (2, 0, 1000, NOW)
    assert info.ecosystems == {"AlmaLinux:8": 1, "AlmaLinux:9": 2}
    fresh = again(store)
    assert fresh.list() == (info,)
    assert fresh.ecosystems() == {"AlmaLinux:8": 1, "AlmaLinux:9": 2}
    assert list(fresh.advisories("AlmaLinux:8")) == [("alma", advisory("A1", "AlmaLinux:8"))]
    assert ids(store, "AlmaLinux:9") == ["A1", "A2"]
    assert ids(store, "Debian:12") == []


def test_reading_one_ecosystem_opens_only_its_part(store: FeedStore) -> None:
    store.replace(
        "alma", FeedKind.OSV, [advisory("A1", "AlmaLinux:8"), advisory("A2", "Debian:12")]
    )
    for part in store._folder.rglob("advisories-debian*"):
        part.unlink()
    assert ids(store, "AlmaLinux:8") == ["A1"]
    with pytest.raises(IntegrityError):
        ids(store, "Debian:12")


def test_an_advisory_in_two_feeds_comes_from_each(store: FeedStore) -> None:
    store.replace("old", FeedKind.OSV, [advisory("A1", "AlmaLinux:8", fixed="1")])
    store.replace("new", FeedKind.OSV, [advisory("A1", "AlmaLinux:8", modified=2000)])
    rows = list(again(store).advisories("AlmaLinux:8"))
    assert [(feed, advisory.affected[0].fixed) for feed, advisory in rows] == [
        ("new", "2"),
        ("old", "1"),
    ]


def test_an_id_that_a_feed_repeats_is_kept_each_time(store: FeedStore) -> None:
    twice = [advisory("U1", "Rocky Linux:8", fixed="1"), advisory("U1", "Rocky Linux:8")]
    for name, kind in (("a", FeedKind.UPDATEINFO), ("b", FeedKind.OSV)):
        store.replace(name, kind, twice)
    assert ids(store, "Rocky Linux:8") == ["U1"] * 4


def test_names_of_ecosystems_are_no_paths(store: FeedStore) -> None:
    names = ["../../x", "A:8", "a 8", "/etc/passwd", "Ä" * 300]
    store.replace("odd", FeedKind.OSV, [advisory(f"I{n}", name) for n, name in enumerate(names)])
    assert [ids(store, name) for name in names] == [[f"I{n}"] for n in range(len(names))]
    assert {path.parent.parent for path in store._folder.rglob("advisories*")} == {store._folder}


def test_facts_on_cves(store: FeedStore) -> None:
    store.replace("kev", FeedKind.KEV, [KnownExploited(cve="CVE-2024-1234", added="2024-02-01")])
    chances = [
        ExploitChance(cve="CVE-2024-1234", score=0.5, percentile=0.9),
        ExploitChance(cve="CVE-2023-1111", score=6e-05, percentile=0.1),
    ]
    store.replace("epss", FeedKind.EPSS, chances, dated=lambda: 77)
    store.replace("cve", FeedKind.CVE, [CveFacts(cve="CVE-2023-1111", exploitation="poc")])
    store.replace("eol", FeedKind.EOL, [Lifecycle(product="debian", cycle="12", end="2026-06-10")])
    fresh = again(store)
    assert fresh.known_exploited()["CVE-2024-1234"].added == "2024-02-01"
    assert fresh.exploit_chances(["CVE-2023-1111", "CVE-2020-0001"]) == {
        "CVE-2023-1111": chances[1]
    }
    assert fresh.cve_facts({"CVE-2023-1111"})["CVE-2023-1111"].exploitation == "poc"
    assert fresh.lifecycles()[0].end == "2026-06-10"
    assert {info.name: info.dated for info in fresh.list()}["epss"] == 77


def test_of_two_feeds_of_one_kind_the_newer_wins(store: FeedStore) -> None:
    for name, dated in (("old", 100), ("new", 200)):
        store.replace(
            name,
            FeedKind.EPSS,
            [
                ExploitChance(cve="CVE-2024-1234", score=dated / 1000, percentile=0.1),
                ExploitChance(cve=f"CVE-2024-{dated * 10}", score=0.3, percentile=0.1),
            ],
            dated=lambda dated=dated: dated,  # type: ignore[misc]
        )
    chances = again(store).exploit_chances(["CVE-2024-1234", "CVE-2024-1000", "CVE-2024-2000"])
    assert {cve: chance.score for cve, chance in chances.items()} == {
        "CVE-2024-1234": 0.2,
        "CVE-2024-1000": 0.3,
        "CVE-2024-2000": 0.3,
    }


def test_of_two_records_of_a_cve_the_newer_one_wins_whatever_its_feed_s_date(
    store: FeedStore,
) -> None:
    def record(poc: str, modified: int) -> CveFacts:
        return CveFacts(cve="CVE-2023-1111", exploitation=poc, modified=modified)

    store.replace("a", FeedKind.CVE, [record("active", 200)], dated=lambda: 100)
    store.replace("b", FeedKind.CVE, [record("none", 100)], dated=lambda: 900)
    assert again(store).cve_facts(["CVE-2023-1111"])["CVE-2023-1111"].exploitation == "active"
    store.replace("a", FeedKind.CVE, [record("active", 0)], dated=lambda: 100)
    assert again(store).cve_facts(["CVE-2023-1111"])["CVE-2023-1111"].exploitation == "none"


def test_an_incremental_update_never_brings_an_older_record(store: FeedStore) -> None:
    store.replace("alma", FeedKind.OSV, [advisory("A1", "AlmaLinux:8", modified=2000)])
    store.merge("alma", [advisory("A1", "AlmaLinux:8", modified=1000, fixed="9")], ())
    (held,) = (advisory for _, advisory in again(store).advisories("AlmaLinux:8"))
    assert (held.modified, held.affected[0].fixed) == (2000, "2")


def test_bad_records_are_counted_and_the_first_thousand_kept(store: FeedStore) -> None:
    bad = [BadRecord(place=f"f{n}.json", reason="no id") for n in range(1500)]
    info = store.replace("alma", FeedKind.OSV, [*bad, advisory("A1", "AlmaLinux:8")])
    assert (info.entries, info.bad) == (1, 1500)
    assert again(store).bad("alma") == tuple(bad[:1000])


def test_a_feed_without_a_usable_record_replaces_nothing(store: FeedStore) -> None:
    store.replace("alma", FeedKind.OSV, [advisory("A1", "AlmaLinux:8")])
    with pytest.raises(InvalidInputError, match=r"not one .*x\.json: is HTML"):
        store.replace("alma", FeedKind.OSV, [BadRecord(place="x.json", reason="is HTML")])
    assert ids(store, "AlmaLinux:8") == ["A1"]


def test_a_feed_from_the_future_replaces_nothing(store: FeedStore) -> None:
    store.replace("alma", FeedKind.OSV, [advisory("A1", "AlmaLinux:8")])
    with pytest.raises(InvalidInputError, match="future"):
        store.replace(
            "alma",
            FeedKind.OSV,
            [advisory("A2", "AlmaLinux:8")],
            dated=lambda: NOW + 10 * 86_400,
        )
    assert ids(store, "AlmaLinux:8") == ["A1"]
    one_odd = [advisory("A3", "AlmaLinux:8", modified=NOW * 2), advisory("A4", "AlmaLinux:8")]
    assert store.replace("odd", FeedKind.OSV, one_odd).dated == 1000


def test_an_incremental_update_changes_adds_and_removes(store: FeedStore) -> None:
    store.replace(
        "alma",
        FeedKind.OSV,
        [
            advisory("A1", "AlmaLinux:8"),
            advisory("A2", "AlmaLinux:8", "AlmaLinux:9"),
            advisory("A3", "AlmaLinux:9"),
            BadRecord(place="A9.json", reason="no id"),
        ],
        address="https://feeds.example/all.zip",
    )
    changed: list[FeedRecord] = [
        advisory("A2", "AlmaLinux:8", modified=3000, fixed="9"),
        advisory("A4", "AlmaLinux:8"),
    ]
    info = store.merge("alma", changed, {"A3"}, etag='"2"')
    assert (info.entries, info.bad, info.dated, info.etag) == (3, 1, 3000, '"2"')
    assert info.address == "https://feeds.example/all.zip"
    assert sorted(ids(store, "AlmaLinux:8")) == ["A1", "A2", "A4"]
    assert ids(store, "AlmaLinux:9") == []
    assert again(store).ids("alma") == {"A1", "A2", "A4"}
    fixed = {
        advisory.id: advisory.affected[0].fixed
        for _, advisory in again(store).advisories("AlmaLinux:8")
    }
    assert fixed == {"A1": "2", "A2": "9", "A4": "2"}


def test_the_digest_changes_with_the_content_only(store: FeedStore) -> None:
    store.replace("a", FeedKind.OSV, [advisory("A1", "AlmaLinux:8")])
    store.replace("b", FeedKind.OSV, [advisory("B1", "AlmaLinux:9")])
    before = store.digest
    store.replace("a", FeedKind.OSV, [advisory("A1", "AlmaLinux:8")], address="https://x.example/")
    assert again(store).digest == before
    store.replace("a", FeedKind.OSV, [advisory("A1", "AlmaLinux:8", fixed="3")])
    assert again(store).digest != before


# --- damage and death -----------------------------------------------------------------------------


class Killed(BaseException):
    """Raised instead of SIGKILL; nothing of the store catches it."""


class Dying:
    """Allows so many calls; the process dies in the next one, before or after it `acts`."""

    def __init__(self, real: Callable[..., Any], calls: int, *, acts: bool) -> None:
        self._real, self._left, self._acts = real, calls, acts

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._left -= 1
        if self._left >= 0:
            return self._real(*args, **kwargs)
        if self._left == -1 and self._acts:
            self._real(*args, **kwargs)
        raise Killed


def as_method(call: Dying) -> Callable[..., Any]:
    """Wrap a function so that a class binds it as a method."""
    return lambda *args, **kwargs: call(*args, **kwargs)


def test_records_that_break_off_leave_the_old_feed(store: FeedStore) -> None:
    store.replace("alma", FeedKind.OSV, [advisory("A1", "AlmaLinux:8")])

    def cut() -> Iterator[FeedRecord]:
        yield advisory("A2", "AlmaLinux:8")
        raise InvalidInputError("all.zip: is cut short")

    with pytest.raises(InvalidInputError, match="cut short"):
        store.replace("alma", FeedKind.OSV, cut())
    assert ids(store, "AlmaLinux:8") == ["A1"]
    assert len(list(store._folder.glob("g-*"))) == 1


@pytest.mark.parametrize("call", ["replace", "fsync", "open", "mkdir", "rmtree"])
def test_killed_at_any_moment_the_feed_is_the_old_or_the_new_one(
    store: FeedStore, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call of the kind in turn is the last thing that the process does, before or after."""
    store.replace(
        "alma", FeedKind.OSV, [advisory("A1", "AlmaLinux:8"), advisory("A2", "Debian:12")]
    )
    owner: Any = {"rmtree": shutil, "replace": Path, "mkdir": Path}.get(call, os)
    real = getattr(owner, call)
    new = [advisory("A9", "AlmaLinux:8"), advisory("A2", "Debian:12")]
    deaths = 0
    for moment in range(200):
        dying = Dying(real, moment // 2, acts=bool(moment % 2))

        with monkeypatch.context() as patch:
            patch.setattr(owner, call, as_method(dying))
            patch.setattr(FeedStore, "_discard", lambda self, generation: None)
            try:
                again(store).replace("alma", FeedKind.OSV, new)
            except Killed:
                deaths += 1
            else:
                break
        assert ids(store, "AlmaLinux:8") in (["A1"], ["A9"]), f"{call} {moment}"
        assert ids(store, "Debian:12") == ["A2"]
    assert deaths > 0
    assert ids(store, "AlmaLinux:8") == ["A9"]
    assert len(list(store._folder.glob("g-*"))) == 1, "a later write sweeps what the dead left"


def test_a_full_disk_leaves_the_old_feed(store: FeedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.replace("alma", FeedKind.OSV, [advisory("A1", "AlmaLinux:8")])

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(AdapterError, match="No space left"):
            again(store).replace("alma", FeedKind.OSV, [advisory("A2", "AlmaLinux:8")])
    assert ids(store, "AlmaLinux:8") == ["A1"]
    assert len(list(store._folder.glob("g-*"))) == 1


@pytest.mark.parametrize("what", ["manifest", "advisories"])
@pytest.mark.parametrize("how", ["flip", "cut", "remove"])
def test_a_damaged_file_is_told_with_the_way_out(store: FeedStore, what: str, how: str) -> None:
    store.replace("alma", FeedKind.OSV, [advisory("A1", "AlmaLinux:8")])
    (path,) = store._folder.glob(f"g-*/{what}*")
    data = path.read_bytes()
    if how == "remove":
        path.unlink()
    else:
        path.write_bytes(data[:-1] if how == "cut" else data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(IntegrityError, match=r"feed alma is damaged.*feeds update alma") as raised:
        ids(store, "AlmaLinux:8")
    assert raised.value.exit_code == 6
    store.replace("alma", FeedKind.OSV, [advisory("A2", "AlmaLinux:8")])
    assert ids(store, "AlmaLinux:8") == ["A2"]


def test_a_damaged_index_is_told(store: FeedStore) -> None:
    store.replace("alma", FeedKind.OSV, [advisory("A1", "AlmaLinux:8")])
    (store._folder / "index.json").write_text("{")
    with pytest.raises(IntegrityError, match=r"index\.json"):
        again(store).list()


def test_a_second_writer_waits_or_is_refused(
    store: FeedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.replace("alma", FeedKind.OSV, [advisory("A1", "AlmaLinux:8")])
    monkeypatch.setattr(module, "_LOCK_S", 0.1)
    with (
        locked(store._folder / "lock"),
        pytest.raises(ConflictError, match="another patchctl"),
    ):
        again(store).replace("alma", FeedKind.OSV, [advisory("A2", "AlmaLinux:8")])
    assert ids(store, "AlmaLinux:8") == ["A1"]


def test_a_reader_of_a_replaced_feed_is_told(store: FeedStore) -> None:
    store.replace("alma", FeedKind.OSV, [advisory("A1", "AlmaLinux:8")])
    reader = again(store)
    assert reader.list()
    store.replace("alma", FeedKind.OSV, [advisory("A2", "AlmaLinux:8")])
    with pytest.raises(ConflictError, match="was replaced while"):
        list(reader.advisories("AlmaLinux:8"))


def test_files_are_private(store: FeedStore) -> None:
    store.replace("alma", FeedKind.OSV, [advisory("A1", "AlmaLinux:8")])
    for path in [store._folder, *store._folder.rglob("*")]:
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path


def test_a_feed_can_be_removed(store: FeedStore) -> None:
    store.replace("alma", FeedKind.OSV, [advisory("A1", "AlmaLinux:8")])
    with pytest.raises(NotFoundError, match="no feed suse; held: alma"):
        store.remove("suse")
    again(store).remove("alma")
    assert again(store).list() == ()
    assert not list(store._folder.glob("g-*"))


def test_what_the_address_still_has_is_only_dated(store: FeedStore) -> None:
    store.replace("alma", FeedKind.OSV, [advisory("A1", "AlmaLinux:8")], etag='"1"')
    later = FeedStore(store._folder, lambda: (NOW + 60) * 1000)
    info = later.unchanged("alma")
    assert (info.checked, info.imported, info.etag) == (NOW + 60, NOW, '"1"')
    assert info.current == 1000, "a mirror may stand still"
    records = [advisory("A1", "AlmaLinux:8")]
    later.replace("alma", FeedKind.OSV, records, address="https://x.example/x", public=True)
    assert later.unchanged("alma").current == NOW + 60
