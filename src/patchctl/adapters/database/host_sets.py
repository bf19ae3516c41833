"""Store sets of hosts, each distinct one once: thousands of CVEs are on the same hosts. A set is a
bit a host; hosts in no pattern take a bit each, the rest compresses."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable
from hashlib import sha256

from sqlalchemy import Connection, delete, exists, insert, select

from ...errors import IntegrityError
from ...models.history import HostSet
from .schema import host_set, spell

_MANY = 500


def pack(hosts: HostSet) -> bytes:
    """The stored form of a set."""
    return zlib.compress(hosts.to_bytes((hosts.bit_length() + 7) // 8, "little"))


def unpack(data: bytes) -> HostSet:
    """The set that `pack` was given. Raises IntegrityError for data that `pack` did not make."""
    try:
        return int.from_bytes(zlib.decompress(data), "little")
    except zlib.error as error:
        raise IntegrityError(
            f"the history of findings is damaged ({error})",
            hint="restore the state database from a backup",
        ) from error


def load(connection: Connection, numbers: Collection[int]) -> dict[int, HostSet]:
    """Number -> the set."""
    columns = select(host_set.c.number, host_set.c.data)
    sets: dict[int, HostSet] = {}
    ordered = sorted(numbers)
    for start in range(0, len(ordered), _MANY):
        batch = ordered[start : start + _MANY]
        for number, data in connection.execute(columns.where(host_set.c.number.in_(batch))):
            sets[number] = unpack(data)
    return sets


def store(connection: Connection, sets: Iterable[HostSet]) -> dict[HostSet, int]:
    """Store what is not there yet; return the number of each."""
    packed = {hosts: pack(hosts) for hosts in sets}
    digests = {hosts: sha256(data).hexdigest() for hosts, data in packed.items()}
    numbers = _numbers(connection, digests.values())
    new = [
        {"digest": digest, "data": packed[hosts]}
        for hosts, digest in digests.items()
        if digest not in numbers
    ]
    if new:
        connection.execute(insert(host_set), new)
        numbers |= _numbers(connection, [str(row["digest"]) for row in new])
    return {hosts: numbers[digest] for hosts, digest in digests.items()}


def _numbers(connection: Connection, digests: Iterable[str]) -> dict[str, int]:
    columns = select(host_set.c.digest, host_set.c.number)
    ordered, numbers = sorted(digests), {}
    for start in range(0, len(ordered), _MANY):
        batch = ordered[start : start + _MANY]
        for digest, number in connection.execute(columns.where(host_set.c.digest.in_(batch))):
            numbers[digest] = number
    return numbers


def sweep(connection: Connection, numbers: Collection[int]) -> None:
    """Remove those of these sets that no spell has any more."""
    unused = ~exists().where(spell.c.hosts == host_set.c.number)
    ordered = sorted(numbers)
    for start in range(0, len(ordered), _MANY):
        batch = host_set.c.number.in_(ordered[start : start + _MANY])
        connection.execute(delete(host_set).where(batch, unused))
