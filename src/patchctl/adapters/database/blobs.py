"""Facts as two blobs: what hosts built alike share, and what each has for itself.

Packages, pending updates and repositories are most of the bytes and equal on cloned hosts; boot
ids, processes and free space differ at every discovery.
"""

import zlib
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from ...errors import IntegrityError
from ...models.canonical import digest_bytes
from ...models.facts import HostFacts, Package, PendingUpdate, Repository

T = TypeVar("T")


class Software(msgspec.Struct, frozen=True, array_like=True):
    """The shared part."""

    packages: tuple[Package, ...]
    pending: tuple[PendingUpdate, ...]
    repositories: tuple[Repository, ...]


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    """`Software` before its packages are decoded."""

    packages: tuple[msgspec.Raw, ...]
    pending: tuple[PendingUpdate, ...]
    repositories: tuple[Repository, ...]


class FactsParts(msgspec.Struct, frozen=True):
    """The two blobs of one host's facts, as JSON, with their digests and that of the whole."""

    digest: str
    software: str
    system: str
    software_json: bytes
    system_json: bytes

    def blobs(self) -> Iterator[tuple[str, bytes]]:
        """(digest, JSON) of both."""
        yield self.software, self.software_json
        yield self.system, self.system_json


def split(facts: HostFacts) -> FactsParts:
    """Encode both parts. Equal facts give equal digests on every machine."""
    software = Software(facts.packages, facts.pending, facts.repositories)
    system = msgspec.structs.replace(facts, packages=(), pending=(), repositories=())
    first = msgspec.json.encode(software, order="sorted")
    second = msgspec.json.encode(system, order="sorted")
    parts = (digest_bytes(first), digest_bytes(second))
    return FactsParts(digest_bytes("\n".join(parts).encode()), *parts, first, second)


class Loader:
    """Decodes each blob once, and each package once however many lists it stands in: thousands of
    hosts have a few thousand distinct packages."""

    def __init__(self) -> None:
        self._packed: dict[str, bytes] = {}
        self._packages: dict[bytes, Package] = {}
        self._software: dict[str, Software] = {}
        self._system: dict[str, HostFacts] = {}

    def add(self, digest: str, packed: bytes) -> None:
        """A stored blob."""
        self._packed[digest] = packed

    def facts(self, software: str, system: str) -> HostFacts:
        """The facts of a host from its two blobs.

        Raises IntegrityError where a blob is missing or has not the content of its digest.
        """
        if software not in self._software:
            stored = self._decode(software, _Stored)
            self._software[software] = Software(
                self._shared(software, stored.packages), stored.pending, stored.repositories
            )
        if system not in self._system:
            self._system[system] = self._decode(system, HostFacts)
        shared = self._software[software]
        return msgspec.structs.replace(
            self._system[system],
            packages=shared.packages,
            pending=shared.pending,
            repositories=shared.repositories,
        )

    def holds(self, digest: str) -> bool:
        """Is the blob here, packed or decoded?"""
        return digest in self._packed or digest in self._software or digest in self._system

    def forget_systems(self) -> None:
        """Give back what only single hosts need; shared parts stay."""
        self._system.clear()

    def _shared(self, digest: str, packages: tuple[msgspec.Raw, ...]) -> tuple[Package, ...]:
        known, found = self._packages, []
        for raw in packages:
            text = bytes(raw)
            package = known.get(text)
            if package is None:
                try:
                    package = known[text] = msgspec.json.decode(text, type=Package)
                except msgspec.MsgspecError as error:
                    raise _damaged(digest) from error
            found.append(package)
        return tuple(found)

    def _decode(self, digest: str, kind: type[T]) -> T:
        try:
            data = zlib.decompress(self._packed.pop(digest))
            if digest_bytes(data) == digest:
                return msgspec.json.decode(data, type=kind)
        except (KeyError, zlib.error, msgspec.MsgspecError):
            pass
        raise _damaged(digest)


def _damaged(digest: str) -> IntegrityError:
    return IntegrityError(
        f"stored facts {digest} are missing or damaged", hint="discover the fleet again"
    )
