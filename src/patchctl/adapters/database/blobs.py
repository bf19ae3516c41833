"""Split a host's facts into two blobs: the software, which hosts built alike share, and the rest.

Packages, pending updates and repositories are most of the bytes and equal on cloned hosts; boot
ids, processes and free space differ at every discovery. The software is three lists of records, so
that hosts which are not clones still share the records.
"""

import zlib
from typing import Generic, TypeVar

import msgspec

from ...errors import IntegrityError
from ...models.canonical import digest_bytes
from ...models.facts import HostFacts, OsRelease, Package, PendingUpdate, Repository
from . import packing

T = TypeVar("T")

Lists = tuple[tuple[bytes, ...], tuple[bytes, ...], tuple[bytes, ...]]


class Software(msgspec.Struct, frozen=True, array_like=True):
    """The shared blob."""

    packages: tuple[Package, ...]
    pending: tuple[PendingUpdate, ...]
    repositories: tuple[Repository, ...]


class FactsParts(msgspec.Struct, frozen=True):
    """The two blobs of one host's facts, as JSON, with their digests and that of the whole."""

    digest: str
    software: str
    system: str
    software_json: bytes
    system_json: bytes

    def lists(self) -> Lists:
        """The records of the software blob: packages, pending updates, repositories, as JSON."""
        lists: tuple[tuple[msgspec.Raw, ...], ...] = _raw.decode(self.software_json)
        packages, pending, repositories = (tuple(map(bytes, records)) for records in lists)
        return packages, pending, repositories


_raw = msgspec.json.Decoder(tuple[tuple[msgspec.Raw, ...], ...])


def split(facts: HostFacts) -> FactsParts:
    """Encode both parts. Equal facts give equal digests on every machine."""
    software = Software(facts.packages, facts.pending, facts.repositories)
    system = msgspec.structs.replace(facts, packages=(), pending=(), repositories=())
    first = msgspec.json.encode(software, order="sorted")
    second = msgspec.json.encode(system, order="sorted")
    parts = (digest_bytes(first), digest_bytes(second))
    return FactsParts(_whole(*parts), *parts, first, second)


def _whole(software: str, system: str) -> str:
    return digest_bytes(f"{software}\n{system}".encode())


class _Models(dict[int, T], Generic[T]):
    """Records of one kind by number; each is decoded when it is first used."""

    def __init__(self, texts: packing.Texts, kind: type[T]) -> None:
        super().__init__()
        self._texts = texts
        self._decoder = msgspec.json.Decoder(kind)

    def __missing__(self, number: int) -> T:
        model = self[number] = self._decoder.decode(self._texts[number])
        return model

    def of(self, numbers: tuple[int, ...]) -> tuple[T, ...]:
        """The records of these numbers."""
        return tuple(map(self.__getitem__, numbers))


class Loader:
    """Decodes each blob once, and each record once, however many lists it is in: thousands of
    hosts have a few thousand distinct packages."""

    def __init__(self, texts: packing.Texts) -> None:
        self._texts = texts
        self._packed: dict[str, bytes] = {}
        self._packages = _Models(texts, Package)
        self._pending = _Models(texts, PendingUpdate)
        self._repositories = _Models(texts, Repository)
        self._software: dict[str, Software] = {}
        self._system: dict[str, HostFacts] = {}

    def add(self, digest: str, packed: bytes) -> None:
        """Take a stored blob, which is decoded when it is needed."""
        self._packed[digest] = packed

    def facts(self, digest: str, software: str, system: str) -> HostFacts:
        """The facts of a host from its two blobs.

        Raises IntegrityError where a blob is missing or its content does not match its digest.
        """
        if _whole(software, system) != digest:
            raise _damaged(digest)
        shared = self._software.get(software)
        if shared is None:
            shared = self._software[software] = self._shared(software)
        own = self._system.get(system)
        if own is None:
            own = self._system[system] = self._own(system)
        return msgspec.structs.replace(
            own,
            packages=shared.packages,
            pending=shared.pending,
            repositories=shared.repositories,
        )

    def holds(self, digest: str) -> bool:
        """Is the blob here, packed or decoded?"""
        return digest in self._packed or digest in self._software or digest in self._system

    def forget_systems(self) -> None:
        """Free what only single hosts need; shared blobs stay."""
        self._system.clear()

    def _shared(self, digest: str) -> Software:
        try:
            lists = packing.unpack(self._packed.pop(digest))
            # The digest is of the discovered content, not of its stored form, so it reveals damage
            # in the list as well as in a record.
            texts = (b",".join(map(self._texts.__getitem__, numbers)) for numbers in lists)
            if digest_bytes(b"[[" + b"],[".join(texts) + b"]]") == digest:
                packages, pending, repositories = lists
                return Software(
                    self._packages.of(packages),
                    self._pending.of(pending),
                    self._repositories.of(repositories),
                )
        except (KeyError, ValueError):  # a msgspec.MsgspecError is a ValueError
            pass
        raise _damaged(digest)

    def _own(self, digest: str) -> HostFacts:
        packed = self._packed.pop(digest, b"")
        return _decode(digest, packed, _own)


class _System(msgspec.Struct, frozen=True):
    """Only the operating system in a host's own blob."""

    os: OsRelease


_own = msgspec.json.Decoder(HostFacts)
_system = msgspec.json.Decoder(_System)


def os_of(digest: str, packed: bytes) -> OsRelease:
    """The operating system in a host's own blob. Raises IntegrityError where it is damaged."""
    return _decode(digest, packed, _system).os


def _decode(digest: str, packed: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        data = zlib.decompress(packed)
        if digest_bytes(data) == digest:
            return decoder.decode(data)
    except (zlib.error, msgspec.MsgspecError):
        pass
    raise _damaged(digest)


def _damaged(digest: str) -> IntegrityError:
    return IntegrityError(
        f"stored facts {digest} are missing or damaged", hint="discover the fleet again"
    )
