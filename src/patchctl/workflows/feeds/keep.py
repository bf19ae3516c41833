"""Fetch, import and look after vulnerability data."""

import re
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from msgspec import structs

from ...assessment.feeds import Feed, Reading
from ...errors import InvalidInputError, PatchctlError, UsageError
from ...models.addresses import shown
from ...models.advisory import BadRecord, FeedRecord
from ...models.feeds import FEED_NAME, FeedInfo, FeedUpdate, Fetched, NotModified, UpdateOutcome
from ...models.words import count, second, some
from ..interfaces import FeedStore, Files
from . import editions
from .sources import Source, assessed

# Records that are fetched one by one; of more the whole archive comes faster.
_ONE_BY_ONE = 300
# A feed that shrinks by more than half is more likely broken than right.
_SMALL = 20
_DAY = 86_400
# Bad records that are told one by one.
_NAMED = 5
_INDEX_MAX = 256 << 20
_RECORD_MAX = 16 << 20
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,99}")

Say = Callable[[str], None]


class Read(Protocol):
    """The feeds at a path; `shown` is what messages call a file that is gone when they are read."""

    def __call__(self, path: Path, ecosystem: str = "", *, shown: str = "") -> Reading: ...


class Fetch(Protocol):
    """Brings a file from an address."""

    def fetch(
        self,
        address: str,
        target: Path,
        *,
        etag: str = "",
        last_modified: str = "",
        size: int = 0,
        say: Callable[[int, int], None] = ...,
    ) -> Fetched | NotModified: ...


@dataclass(frozen=True, kw_only=True)
class Feeds:
    """Feeds into the store. `folder` is for files under way; `say` takes lines of progress."""

    store: FeedStore
    files: Files
    read: Read
    folder: Path
    say: Say = lambda line: None

    def update(
        self, sources: Sequence[Source], fetch: Fetch, *, force: bool = False
    ) -> Iterator[FeedUpdate]:
        """Bring each source up to date, one result each. What fails stays as it was."""
        for source in sources:
            try:
                with self.under_way() as folder:
                    yield _Download(self, source, fetch, Path(folder), force).run()
            except PatchctlError as error:
                yield FeedUpdate(name=source.name, outcome=UpdateOutcome.FAILED, reason=str(error))

    def import_paths(
        self, paths: Sequence[Path], *, name: str = "", ecosystem: str = "", force: bool = False
    ) -> Iterator[FeedUpdate]:
        """Hold the feeds that lie at these paths, one result each.

        Raises InvalidInputError, before anything is changed, where a path holds no feed, and
        UsageError where `name` is given for several feeds.
        """
        if name and not re.fullmatch(FEED_NAME, name):
            raise UsageError(f"--name {name}: must be lower case letters, digits, . and -")
        readings = [self.read(path, ecosystem) for path in paths]
        found = [feed for reading in readings for feed in reading]
        if name and len(found) != 1:
            raise UsageError(f"--name is for one feed, here are {len(found)}")
        names = [feed.name for feed in found if not editions.several(feed.kind)]
        twice = next((one for one in names if names.count(one) > 1), "")
        if twice:
            raise UsageError(
                f"two of these feeds are called {twice}", hint="import them one by one with --name"
            )
        taken: set[str] = set()
        for feed in found:
            yield (update := self._import(feed, name, taken, force=force))
            taken.add(update.name)

    def _import(self, feed: Feed, name: str, taken: Collection[str], *, force: bool) -> FeedUpdate:
        called = name or feed.name
        self.say(f"{called}: reading {feed.place}")
        try:
            called = name or editions.settled(feed, self.store, taken, self.say)
            info = self.hold(feed, called, force=force)
        except PatchctlError as error:
            return FeedUpdate(name=called, outcome=UpdateOutcome.FAILED, reason=str(error))
        return FeedUpdate(name=called, outcome=UpdateOutcome.UPDATED, feed=info)

    def hold(
        self,
        feed: Feed,
        name: str,
        *,
        address: str = "",
        public: bool = False,
        etag: str = "",
        last_modified: str = "",
        of_hosts: bool = False,
        force: bool = False,
    ) -> FeedInfo:
        """Store the feed whole. `of_hosts`: hosts of the fleet gave it, so it speaks of them,
        whatever they call their system.

        Raises PatchctlError; what was held before is held still then.
        """
        held = self.store.get(name)

        def check(new: FeedInfo) -> None:
            if not of_hosts:
                _refuse_foreign(new)
            if held is not None and not force:
                _compare(held, new)

        info = self.store.replace(
            name,
            feed.kind,
            feed.records(),
            dated=lambda: feed.dated,
            address=address,
            public=public,
            etag=etag,
            last_modified=last_modified,
            check=check,
        )
        self._tell_bad(info)
        return info

    def _tell_bad(self, info: FeedInfo) -> None:
        """Name the first records and files that could not be used."""
        named = self.store.bad(info.name)[:_NAMED] if info.bad else ()
        for record in named:
            self.say(f"{info.name}: not used: {record.place}: {record.reason}")
        if info.bad > len(named):
            self.say(f"{info.name}: not used: {info.bad - len(named)} more")

    def under_way(self) -> "tempfile.TemporaryDirectory[str]":
        """A private folder for files that are not held yet; gone with its context."""
        self.files.private_folder(self.folder)
        for left in self.folder.glob("incoming-*"):  # of a process that was killed
            if time.time() - left.stat().st_mtime > _DAY:
                shutil.rmtree(left, ignore_errors=True)
        return tempfile.TemporaryDirectory(prefix="incoming-", dir=self.folder)


def _refuse_foreign(new: FeedInfo) -> None:
    """Raise InvalidInputError for advisories of which none can ever apply: held, they would look
    like an answer."""
    if new.ecosystems and not any(map(assessed, new.ecosystems)):
        names = list(new.ecosystems)
        raise InvalidInputError(
            f"{new.name}: speaks only of {some(names)}, which no host can be",
            hint="take the feeds of the hosts' distributions",
        )


def _compare(held: FeedInfo, new: FeedInfo) -> None:
    """Refuse what looks like a broken or replayed feed."""
    hint = "give --force where that is right"
    if new.kind is not held.kind:
        raise InvalidInputError(
            f"{new.name}: holds {new.kind.value} where {held.kind.value} is held", hint=hint
        )
    if held.entries >= _SMALL and new.entries * 2 < held.entries:
        raise InvalidInputError(
            f"{new.name}: has only {count(new.entries, 'entry')} where {held.entries} are held",
            hint=hint,
        )
    if 0 < new.dated < held.dated:
        dated, before = second(new.dated), second(held.dated)
        raise InvalidInputError(
            f"{new.name}: is of {dated}, older than what is held ({before})",
            hint=hint,
        )


class _Download:
    """One source's update: nothing new, single records, or the whole."""

    def __init__(
        self, feeds: Feeds, source: Source, fetch: Fetch, folder: Path, force: bool
    ) -> None:
        self._feeds, self._source, self._fetch, self._force = feeds, source, fetch, force
        self._folder = folder
        held = feeds.store.get(source.name)
        # After a change of the address nothing that the old server said counts, and what an older
        # patchctl has read is read anew: neither a 304 nor single records would mend the rest.
        same = held and held.address == shown(source.address) and not held.outdated
        self._held = held if same else None

    def run(self) -> FeedUpdate:
        """Raises PatchctlError."""
        etag = ""
        if self._source.folder:
            index = self._index()
            if isinstance(index, NotModified):
                return self._unchanged()
            if index is not None:
                etag = index.etag
                if self._held is not None and self._held.dated and not self._force:
                    changes = self._changes(self._held)
                    if changes is not None:
                        return self._merge(*changes, etag=etag)
        return self._whole(etag)

    def _unchanged(self) -> FeedUpdate:
        info = self._feeds.store.unchanged(self._source.name)
        return FeedUpdate(name=info.name, outcome=UpdateOutcome.UNCHANGED, feed=info)

    def _index(self) -> Fetched | NotModified | None:
        """OSV's list of (modified, id); None where the address has none, as a mirror may."""
        try:
            return self._fetch.fetch(
                f"{self._source.folder}/modified_id.csv",
                self._folder / "modified_id.csv",
                etag=self._held.etag if self._held and not self._force else "",
                size=_INDEX_MAX,
            )
        except PatchctlError:
            # Whatever is wrong with the server, all.zip's error will say it.
            return None

    def _changes(self, held: FeedInfo) -> tuple[list[str], set[str]] | None:
        """(changed ids, ids that are gone), None where the whole archive should come."""
        changed: list[str] = []
        there: set[str] = set()
        with (self._folder / "modified_id.csv").open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                when, _, identifier = line.strip().partition(",")
                if not identifier:
                    continue
                modified = _epoch(when)
                if modified is None or not _ID.fullmatch(identifier):
                    return None
                there.add(identifier)
                # Records are dated by the second here: another one of the same may be new.
                if modified >= held.dated:
                    changed.append(identifier)
                    if len(changed) > _ONE_BY_ONE:
                        return None
        gone = self._feeds.store.ids(held.name) - there
        if not there or len(gone) * 2 > held.entries:
            return None
        return changed, gone

    def _merge(self, changed: Collection[str], gone: set[str], *, etag: str) -> FeedUpdate:
        name = self._source.name
        if not changed and not gone:
            return self._unchanged()
        self._feeds.say(f"{name}: {len(changed)} changed records, {len(gone)} gone")
        folder = self._folder / "records"
        folder.mkdir(mode=0o700)
        for identifier in changed:
            self._fetch.fetch(
                f"{self._source.folder}/{identifier}.json",
                folder / f"{identifier}.json",
                size=_RECORD_MAX,
            )
        found = list(self._feeds.read(folder)) if changed else []
        info = self._feeds.store.merge(
            name,
            (self._placed(record, folder) for feed in found for record in feed.records()),
            gone,
            dated=lambda: max((feed.dated for feed in found), default=0),
            etag=etag,
        )
        return FeedUpdate(
            name=name,
            outcome=UpdateOutcome.UPDATED,
            changed=len(changed),
            gone=len(gone),
            feed=info,
        )

    def _placed(self, record: FeedRecord, folder: Path) -> FeedRecord:
        """A bad record at its address: the folder has another name each time, and the store counts
        once what has one place."""
        if not isinstance(record, BadRecord):
            return record
        where = record.place.removeprefix(f"{folder}/")
        return structs.replace(record, place=f"{shown(self._source.folder)}/{where}")

    def _whole(self, etag: str) -> FeedUpdate:
        source, held = self._source, None if self._force else self._held
        target = self._folder / "feed"
        got = self._fetch.fetch(
            source.address,
            target,
            etag=held.etag if held and not etag else "",
            last_modified=held.last_modified if held and not etag else "",
            say=_telling(self._feeds.say, source.name),
        )
        if isinstance(got, NotModified):
            return self._unchanged()
        self._feeds.say(f"{source.name}: reading {got.size >> 10} KiB")
        info = self._feeds.hold(
            self._only(target),
            source.name,
            address=shown(source.address),
            public=source.public,
            etag=etag or got.etag,
            last_modified="" if etag else got.last_modified,
            force=self._force,
        )
        return FeedUpdate(name=source.name, outcome=UpdateOutcome.UPDATED, feed=info)

    def _only(self, target: Path) -> Feed:
        """The feed in the file. Its errors name the address: the file is gone with them."""
        where = shown(self._source.address)
        found = list(self._feeds.read(target, shown=where))
        kind = self._source.kind
        fitting = [feed for feed in found if kind is None or feed.kind is kind]
        if len(fitting) != 1:
            kinds = ", ".join(sorted({feed.kind.value for feed in found}))
            raise InvalidInputError(
                f"holds {len(found)} feeds ({kinds}), not one{f' of {kind.value}' if kind else ''}",
                where=where,
                hint="check the address in patchctl.yml",
            )
        return fitting[0]


_EPOCH = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|\+00:00)")


def _epoch(text: str) -> int | None:
    found = _EPOCH.fullmatch(text)
    try:
        return int(datetime.fromisoformat(f"{found[1]}+00:00").timestamp()) if found else None
    except ValueError:
        return None


def _telling(say: Say, name: str) -> Callable[[int, int], None]:
    """Every 16 MiB a line."""
    step = 16 << 20
    told = step

    def tell(received: int, total: int) -> None:
        nonlocal told
        if received >= told:
            told += step
            of = f" of {total >> 20}" if total else ""
            say(f"{name}: {received >> 20}{of} MiB")

    return tell
