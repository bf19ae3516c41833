"""Fetch, import and store vulnerability data."""

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

# At most so many records are fetched one by one; for more the whole archive is faster.
_ONE_BY_ONE = 300
# A feed of at least this size that shrinks by more than half is more likely broken than right.
_SMALL = 20
_DAY = 86_400
# So many bad records are named one by one.
_NAMED = 5
_INDEX_MAX = 256 << 20
_RECORD_MAX = 16 << 20
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,99}")

Say = Callable[[str], None]


class Read(Protocol):
    """Reads the feeds at a path; `shown` is the name in messages for a temporary file."""

    def __call__(self, path: Path, ecosystem: str = "", *, shown: str = "") -> Reading: ...


class Fetch(Protocol):
    """Fetches a file from an address."""

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
    """Puts feeds into the store. `folder` is for incoming files; `say` gets lines of progress."""

    store: FeedStore
    files: Files
    read: Read
    folder: Path
    say: Say = lambda line: None

    def update(
        self, sources: Sequence[Source], fetch: Fetch, *, force: bool = False
    ) -> Iterator[FeedUpdate]:
        """Update the feed of each source, one result each. A feed that fails stays as it was."""
        for source in sources:
            try:
                with self.under_way() as folder:
                    yield _Download(self, source, fetch, Path(folder), force).run()
            except PatchctlError as error:
                yield FeedUpdate(name=source.name, outcome=UpdateOutcome.FAILED, reason=str(error))

    def import_paths(
        self, paths: Sequence[Path], *, name: str = "", ecosystem: str = "", force: bool = False
    ) -> Iterator[FeedUpdate]:
        """Store the feeds at these paths, one result each.

        Raises InvalidInputError, before anything is changed, where a path holds no feed, and
        UsageError where `name` is given for several feeds.
        """
        if name and not re.fullmatch(FEED_NAME, name):
            raise UsageError(f"--name {name}: must be lower case letters, digits, . and -")
        readings = [self.read(path, ecosystem) for path in paths]
        feeds = [feed for reading in readings for feed in reading]
        if name and len(feeds) != 1:
            raise UsageError(f"--name is for one feed, here are {len(feeds)}")
        names = [feed.name for feed in feeds if not editions.several(feed.kind)]
        twice = next((feed_name for feed_name in names if names.count(feed_name) > 1), "")
        if twice:
            raise UsageError(
                f"two of these feeds are called {twice}", hint="import them one by one with --name"
            )
        taken: set[str] = set()
        for feed in feeds:
            yield (update := self._import(feed, name, taken, force=force))
            taken.add(update.name)

    def _import(self, feed: Feed, name: str, taken: Collection[str], *, force: bool) -> FeedUpdate:
        called = name or feed.name
        self.say(f"{called}: reading {feed.place}")
        try:
            called = name or editions.name_for(feed, self.store, taken, self.say)
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
        """Store the feed. `of_hosts`: hosts of the fleet gave it, so it is for them, whatever they
        call their system. `force`: store it although it looks broken or older.

        Raises PatchctlError; then the stored feed is as it was.
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
        """A private folder for incoming files, removed at the end of its context."""
        self.files.private_folder(self.folder)
        for leftover in self.folder.glob("incoming-*"):  # a killed process left it
            if time.time() - leftover.stat().st_mtime > _DAY:
                shutil.rmtree(leftover, ignore_errors=True)
        return tempfile.TemporaryDirectory(prefix="incoming-", dir=self.folder)


def _refuse_foreign(new: FeedInfo) -> None:
    """Raise InvalidInputError for advisories of which none can ever apply: once stored, they would
    look as if hosts were covered."""
    if new.ecosystems and not any(map(assessed, new.ecosystems)):
        names = list(new.ecosystems)
        raise InvalidInputError(
            f"{new.name}: speaks only of {some(names)}, which no host can be",
            hint="take the feeds of the hosts' distributions",
        )


def _compare(held: FeedInfo, new: FeedInfo) -> None:
    """Raise InvalidInputError for what looks like a broken or replayed feed."""
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
    """Updates the feed of one source: nothing new, single records, or the whole feed."""

    def __init__(
        self, feeds: Feeds, source: Source, fetch: Fetch, folder: Path, force: bool
    ) -> None:
        self._feeds, self._source, self._fetch, self._force = feeds, source, fetch, force
        self._folder = folder
        held = feeds.store.get(source.name)
        # A feed from another address, or read by an older patchctl, must be fetched as a whole:
        # neither a 304 nor single records would correct the others.
        same = held and held.address == shown(source.address) and not held.outdated
        self._held = held if same else None

    def run(self) -> FeedUpdate:
        """Update the feed. Raises PatchctlError."""
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
            # Where the server fails, the error of all.zip will tell.
            return None

    def _changes(self, held: FeedInfo) -> tuple[list[str], set[str]] | None:
        """(changed ids, removed ids), None where the whole archive should be fetched."""
        changed: list[str] = []
        listed: set[str] = set()
        with (self._folder / "modified_id.csv").open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                when, _, identifier = line.strip().partition(",")
                if not identifier:
                    continue
                modified = _epoch(when)
                if modified is None or not _ID.fullmatch(identifier):
                    return None
                listed.add(identifier)
                # The feed is dated in whole seconds: a record of the same second may be new.
                if modified >= held.dated:
                    changed.append(identifier)
                    if len(changed) > _ONE_BY_ONE:
                        return None
        gone = self._feeds.store.ids(held.name) - listed
        if not listed or len(gone) * 2 > held.entries:
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
        feeds = list(self._feeds.read(folder)) if changed else []
        info = self._feeds.store.merge(
            name,
            (self._placed(record, folder) for feed in feeds for record in feed.records()),
            gone,
            dated=lambda: max((feed.dated for feed in feeds), default=0),
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
        """A bad record with its address as its place: the folder has another name each time, and
        the store counts records with the same place once."""
        if not isinstance(record, BadRecord):
            return record
        relative_path = record.place.removeprefix(f"{folder}/")
        return structs.replace(record, place=f"{shown(self._source.folder)}/{relative_path}")

    def _whole(self, etag: str) -> FeedUpdate:
        source, held = self._source, None if self._force else self._held
        target = self._folder / "feed"
        fetched = self._fetch.fetch(
            source.address,
            target,
            etag=held.etag if held and not etag else "",
            last_modified=held.last_modified if held and not etag else "",
            say=_telling(self._feeds.say, source.name),
        )
        if isinstance(fetched, NotModified):
            return self._unchanged()
        self._feeds.say(f"{source.name}: reading {fetched.size >> 10} KiB")
        info = self._feeds.hold(
            self._only(target),
            source.name,
            address=shown(source.address),
            public=source.public,
            etag=etag or fetched.etag,
            last_modified="" if etag else fetched.last_modified,
            force=self._force,
        )
        return FeedUpdate(name=source.name, outcome=UpdateOutcome.UPDATED, feed=info)

    def _only(self, target: Path) -> Feed:
        """The only feed in the file. Errors name the address, because the file is temporary."""
        address = shown(self._source.address)
        feeds = list(self._feeds.read(target, shown=address))
        kind = self._source.kind
        fitting = [feed for feed in feeds if kind is None or feed.kind is kind]
        if len(fitting) != 1:
            kinds = ", ".join(sorted({feed.kind.value for feed in feeds}))
            raise InvalidInputError(
                f"holds {len(feeds)} feeds ({kinds}), not one{f' of {kind.value}' if kind else ''}",
                where=address,
                hint="check the address in patchctl.yml",
            )
        return fitting[0]


_EPOCH = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|\+00:00)")


def _epoch(text: str) -> int | None:
    match = _EPOCH.fullmatch(text)
    try:
        return int(datetime.fromisoformat(f"{match[1]}+00:00").timestamp()) if match else None
    except ValueError:
        return None


def _telling(say: Say, name: str) -> Callable[[int, int], None]:
    """A callback that says a line every 16 MiB."""
    step = 16 << 20
    next_line = step

    def progress(received: int, total: int) -> None:
        nonlocal next_line
        if received >= next_line:
            next_line += step
            of = f" of {total >> 20}" if total else ""
            say(f"{name}: {received >> 20}{of} MiB")

    return progress
