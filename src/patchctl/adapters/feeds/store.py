"""Store vulnerability data, each feed as a whole.

feeds/index.json     the generation of each feed that counts; replaced as a whole
feeds/g-XXXXXXXX/    a generation: parts and manifest, see `files`
feeds/lock           held by the process that writes

A new generation is written beside the old one, read back, and only then named in the index: a
process that is killed at any moment leaves the old feed or the new one, never a part of either.
"""

import contextlib
import secrets
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from ...errors import (
    AdapterError,
    ConflictError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
    PatchctlError,
)
from ...models.advisory import (
    KINDS_OF_ADVISORIES,
    Advisory,
    BadRecord,
    CveFacts,
    ExploitChance,
    FeedKind,
    FeedRecord,
    KnownExploited,
    Lifecycle,
)
from ...models.canonical import digest_bytes
from ...models.feeds import FUTURE_S, READINGS, FeedInfo
from .. import clock
from ..files import locked, private_file, private_folder, sync_folder, translated, write_atomic
from . import files
from .files import ADVISORIES, BAD, CVE, EOL, EPSS, KEV, Generation, Writer

_INDEX = "index.json"
_VERSION = 1
_PREFIX = "g-"
_LOCK_S = 5.0


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    info: FeedInfo
    generation: str


class _Index(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    feeds: tuple[_Entry, ...] = ()


class FeedStore:
    """Feeds by name. An object sees the feeds as they were when it first read them, and its own
    changes.

    Reading raises IntegrityError where a file is damaged, ConflictError where another process has
    replaced a feed meanwhile.
    """

    def __init__(self, folder: Path, now_ms: Callable[[], int] = clock.now_ms) -> None:
        self._folder = folder
        self._now_ms = now_ms
        self._generations: dict[str, Generation] = {}

    # --- stored feeds ---

    def list(self) -> tuple[FeedInfo, ...]:
        """All feeds, by name."""
        return tuple(entry.info for entry in self._index.feeds)

    def get(self, name: str) -> FeedInfo | None:
        """The feed of this name, or None."""
        return next((info for info in self.list() if info.name == name), None)

    @property
    def digest(self) -> str:
        """One digest over the content of all feeds."""
        return digest_bytes(
            "\n".join(f"{info.name} {info.digest}" for info in self.list()).encode()
        )

    def ecosystems(self) -> dict[str, int]:
        """Canonical name of an ecosystem -> number of its advisories."""
        counts: dict[str, int] = {}
        for info in self.list():
            for name, count in info.ecosystems.items():
                counts[name] = counts.get(name, 0) + count
        return dict(sorted(counts.items()))

    # --- for matching ---

    def advisories(self, ecosystem: str) -> Iterator[tuple[str, Advisory]]:
        """(name of the feed, advisory) for each advisory on the ecosystem; `affected` has only that
        ecosystem's packages. An id that several feeds have comes from each, because the date of the
        record decides, not that of its feed."""
        for entry, part in self._parts(ADVISORIES):
            if part.key == ecosystem:
                for frame in self._frames(entry, part):
                    for advisory in frame:
                        yield entry.info.name, advisory

    def known_exploited(self) -> dict[str, KnownExploited]:
        """CVE -> its entry in KEV. Of several feeds the newest wins."""
        entries: dict[str, KnownExploited] = {}
        for entry, part in self._parts(KEV):
            for frame in self._frames(entry, part):
                entries = {**frame, **entries}
        return entries

    def exploit_chances(self, cves: Collection[str]) -> dict[str, ExploitChance]:
        """CVE -> its EPSS score, for those that have one. Of several feeds the newest wins."""
        return {
            cve: ExploitChance(cve=cve, score=values[0], percentile=values[1])
            for cve, values in self._of_cves(EPSS, cves)
        }

    def cve_facts(self, cves: Collection[str]) -> dict[str, CveFacts]:
        """CVE -> its record, for those that have one. Of several the newest record wins, and of
        equally new ones that of the newest feed."""
        newest: dict[str, CveFacts] = {}
        for cve, raw in self._of_cves(CVE, cves, first=False):
            facts = files.cve_facts(raw)
            if cve not in newest or facts.modified > newest[cve].modified:
                newest[cve] = facts
        return newest

    def lifecycles(self) -> tuple[Lifecycle, ...]:
        """Support dates of every release. Of several feeds the newest wins."""
        lifecycles: dict[tuple[str, str], Lifecycle] = {}
        for entry, part in self._parts(EOL):
            own = {
                (lifecycle.product, lifecycle.cycle): lifecycle
                for frame in self._frames(entry, part)
                for lifecycle in frame
            }
            lifecycles = {**own, **lifecycles}
        return tuple(lifecycles[key] for key in sorted(lifecycles))

    def bad(self, name: str) -> tuple[BadRecord, ...]:
        """The first thousand unusable records of a feed. Raises NotFoundError."""
        entry = self._entry(name)
        part = self._generation(entry).manifest.part(BAD)
        return (
            tuple(record for frame in self._frames(entry, part) for record in frame) if part else ()
        )

    def _of_cves(
        self, shelf: str, cves: Collection[str], *, first: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """(CVE, value) for those of the CVEs that the feeds have, the newest feed first. `first`:
        only the first value of each CVE."""
        by_year: dict[str, set[str]] = {}
        for cve in cves:
            by_year.setdefault(files.year_of(cve), set()).add(cve)
        for entry, part in self._parts(shelf):
            missing = by_year.get(part.key)
            if not missing:
                continue
            # Of several records of a CVE in one feed the last counts.
            records = {
                cve: frame[cve]
                for frame in self._frames(entry, part)
                for cve in missing
                if cve in frame
            }
            if first:
                missing.difference_update(records)
            yield from records.items()

    def _parts(self, shelf: str) -> Iterator[tuple[_Entry, files.Part]]:
        """Parts of a shelf, those of the newest feed first."""
        newest = sorted(self._index.feeds, key=lambda entry: (-entry.info.dated, entry.info.name))
        for entry in newest:
            for part in self._generation(entry).manifest.on(shelf):
                yield entry, part

    def _frames(self, entry: _Entry, part: files.Part) -> Iterator[Any]:
        with self._read(entry.info.name):
            yield from self._generation(entry).frames(part)

    def _generation(self, entry: _Entry) -> Generation:
        generation = self._generations.get(entry.generation)
        if generation is None:
            with self._read(entry.info.name):
                folder = self._folder / entry.generation
                generation = Generation(entry.info.name, folder, entry.info.digest)
            self._generations[entry.generation] = generation
        return generation

    @contextlib.contextmanager
    def _read(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            if self._stored() != self._index:
                raise ConflictError(
                    f"the feed {name} was replaced while it was read", hint="run it again"
                ) from error
            raise files.damaged(name) from error
        except OSError as error:
            raise AdapterError(
                f"{error.filename or self._folder}: {error.strerror}",
                hint="check the state folder's owner and mode",
            ) from error

    # --- changes ---

    def replace(
        self,
        name: str,
        kind: FeedKind,
        records: Iterable[FeedRecord],
        *,
        dated: Callable[[], int] = lambda: 0,
        address: str = "",
        public: bool = False,
        etag: str = "",
        last_modified: str = "",
        check: Callable[[FeedInfo], None] = lambda info: None,
    ) -> FeedInfo:
        """Replace the content of a feed by these records, which are read one by one.

        `dated` is called after the last record; where it gives 0, the newest record's date counts.
        An `address` means that the content was fetched from there now. `check` may raise to refuse
        the new content, which is complete then.
        Raises InvalidInputError where no record is usable, AdapterError where it cannot be written,
        ConflictError where another process writes. After any error the old feed is unchanged.
        """
        info = FeedInfo(
            name=name,
            kind=kind,
            entries=0,
            digest="",
            imported=self._now_s(),
            checked=self._now_s() if address else 0,
            address=address,
            public=public,
            etag=etag,
            last_modified=last_modified,
            reading=READINGS.get(kind, 0),
        )
        with self._writing():
            return self._swap(info, lambda writer: _add_all(writer, records), dated, check)

    def merge(
        self,
        name: str,
        changed: Iterable[FeedRecord],
        gone: Collection[str],
        *,
        dated: Callable[[], int] = lambda: 0,
        etag: str = "",
        last_modified: str = "",
    ) -> FeedInfo:
        """Add or replace the changed advisories, remove those with the ids `gone`, and keep the
        others.

        The same errors as `replace`, and NotFoundError where there is no such feed.
        """
        with self._writing():
            old = self._entry(name)
            if old.info.kind not in KINDS_OF_ADVISORIES:
                raise ValueError(f"a feed of kind {old.info.kind.value} has no incremental update")
            info = msgspec.structs.replace(
                old.info,
                imported=self._now_s(),
                checked=self._now_s(),
                etag=etag,
                last_modified=last_modified,
            )
            newest = old.info.dated
            return self._swap(
                info,
                lambda writer: self._merge(writer, old, changed, gone),
                lambda: max(newest, dated()) if dated() else 0,
            )

    def ids(self, name: str) -> set[str]:
        """The ids of all advisories of the feed. Raises NotFoundError."""
        return {advisory.id for advisory in self.advisories_of(name)}

    def advisories_of(self, name: str) -> Iterator[Advisory]:
        """All advisories of the feed; one on several ecosystems comes once for each, with that
        ecosystem's packages. Raises NotFoundError."""
        entry = self._entry(name)
        for part in self._generation(entry).manifest.on(ADVISORIES):
            for frame in self._frames(entry, part):
                yield from frame

    def cves_of(self, name: str) -> set[str]:
        """The CVEs that the feed has a record of. Raises NotFoundError."""
        entry = self._entry(name)
        return {
            cve
            for part in self._generation(entry).manifest.on(CVE)
            for frame in self._frames(entry, part)
            for cve in frame
        }

    def unchanged(self, name: str) -> FeedInfo:
        """Note that the feed's address still has the same content. Raises NotFoundError."""
        with self._writing():
            entry = self._entry(name)
            info = msgspec.structs.replace(entry.info, checked=self._now_s())
            self._keep(_Entry(info=info, generation=entry.generation))
            return info

    def remove(self, name: str) -> None:
        """Remove a feed. Raises NotFoundError."""
        with self._writing():
            self._entry(name)
            others = tuple(entry for entry in self._index.feeds if entry.info.name != name)
            self._write(_Index(version=_VERSION, feeds=others))
            self._sweep()

    def _merge(
        self, writer: Writer, old: _Entry, changed: Iterable[FeedRecord], gone: Collection[str]
    ) -> None:
        before = self.bad(old.info.name)
        writer.add_bad(before, old.info.bad)
        known = {(record.place, record.reason) for record in before}
        dates = {advisory.id: advisory.modified for advisory in self.advisories_of(old.info.name)}
        replaced = set(gone)
        for record in changed:
            if isinstance(record, Advisory):
                # A server whose records are older than its list may still give the old record.
                if record.modified < dates.get(record.id, 0):
                    continue
                replaced.add(record.id)
            elif isinstance(record, BadRecord) and (record.place, record.reason) in known:
                continue
            writer.add(record)
        ids_kept: set[str] = set()
        for part in self._generation(old).manifest.on(ADVISORIES):
            for frame in self._frames(old, part):
                for advisory in frame:
                    if advisory.id not in replaced:
                        writer.keep(part.key, advisory)
                        ids_kept.add(advisory.id)
        writer.count_kept(len(ids_kept))

    def _swap(
        self,
        info: FeedInfo,
        fill: Callable[[Writer], None],
        dated: Callable[[], int],
        check: Callable[[FeedInfo], None] = lambda info: None,
    ) -> FeedInfo:
        generation = f"{_PREFIX}{secrets.token_hex(8)}"
        folder = private_folder(self._folder / generation)
        try:
            with translated(folder):
                writer = Writer(folder, self._now_s())
                fill(writer)
                manifest = writer.finish()
            if manifest.entries == 0:
                raise InvalidInputError(
                    f"{info.name}: not one of its records is usable{_first(writer)}"
                )
            ecosystems = {part.key: part.records for part in manifest.on(ADVISORIES) if part.key}
            if info.kind in KINDS_OF_ADVISORIES and not ecosystems:
                raise InvalidInputError(
                    f"{info.name}: none of its {manifest.entries} advisories names a package of a"
                    f" release{_first(writer)}"
                )
            info_read = msgspec.structs.replace(
                info,
                entries=manifest.entries,
                bad=manifest.bad,
                digest=manifest.digest,
                dated=dated() or manifest.newest,
                ecosystems=ecosystems,
            )
            if info_read.dated > self._now_s() + FUTURE_S:
                raise InvalidInputError(
                    f"{info.name}: is dated in the future", hint="check this machine's clock"
                )
            check(info_read)
            with self._read(info.name):
                Generation(info.name, folder, info_read.digest).verify()
            sync_folder(self._folder)
            self._keep(_Entry(info=info_read, generation=generation))
        except BaseException:
            self._discard(generation)
            raise
        self._sweep()
        return info_read

    def _keep(self, entry: _Entry) -> None:
        others = [feed for feed in self._index.feeds if feed.info.name != entry.info.name]
        feeds = sorted([*others, entry], key=lambda feed: feed.info.name)
        self._write(_Index(version=_VERSION, feeds=tuple(feeds)))

    def _write(self, index: _Index) -> None:
        write_atomic(self._folder / _INDEX, msgspec.json.encode(index))
        self._index = index

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Hold the lock for writing, with the index read again."""
        private_folder(self._folder)
        with locked(private_file(self._folder / "lock"), timeout_s=_LOCK_S):
            self._index = self._stored()
            self._generations.clear()
            yield

    def _discard(self, generation: str) -> None:
        """Remove a generation that no index names. Where the index was replaced before the error,
        or cannot be read, it stays, and a later write removes it."""
        with contextlib.suppress(PatchctlError):
            if generation not in {entry.generation for entry in self._stored().feeds}:
                shutil.rmtree(self._folder / generation, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove generations that the index does not name; a killed writer leaves one."""
        named = {entry.generation for entry in self._index.feeds}
        for folder in self._folder.glob(f"{_PREFIX}*"):
            if folder.name not in named:
                shutil.rmtree(folder, ignore_errors=True)

    # --- the index ---

    @cached_property
    def _index(self) -> _Index:
        return self._stored()

    def _stored(self) -> _Index:
        path = self._folder / _INDEX
        try:
            index = msgspec.json.decode(path.read_bytes(), type=_Index)
        except FileNotFoundError:
            return _Index(version=_VERSION)
        except msgspec.MsgspecError as error:
            raise IntegrityError(
                f"{path}: is damaged", hint="remove it, then `patchctl feeds update` or import"
            ) from error
        except OSError as error:
            raise AdapterError(
                f"{path}: {error.strerror}", hint="check the state folder's owner and mode"
            ) from error
        if index.version != _VERSION:
            raise ConflictError(
                f"{path}: was written by another version of patchctl", hint="use that version"
            )
        return index

    def _entry(self, name: str) -> _Entry:
        for entry in self._index.feeds:
            if entry.info.name == name:
                return entry
        known = ", ".join(info.name for info in self.list()) or "none"
        raise NotFoundError(f"there is no feed {name}", hint=f"held: {known}")

    def _now_s(self) -> int:
        return self._now_ms() // 1000


def _add_all(writer: Writer, records: Iterable[FeedRecord]) -> None:
    for record in records:
        writer.add(record)


def _first(writer: Writer) -> str:
    bad = writer.first_bad
    return f" ({bad.place}: {bad.reason})" if bad else ""
