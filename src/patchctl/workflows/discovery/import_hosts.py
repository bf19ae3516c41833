"""Take hosts that nobody can reach from a file, as if they had been discovered."""

import contextlib
import mmap
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from ...assessment.matching.platforms import platform_of
from ...discovery.imported import GivenHost, Packages, facts
from ...errors import InvalidInputError, Problem
from ...models import grammar
from ...models.facts import HostFacts
from ...models.ids import RANDOM_BYTES, import_id
from ...models.snapshot import HostResult, HostStatus, Snapshot
from ...models.words import more

MAX_BYTES = 4 << 30
MAX_HOSTS = 200_000
_TOLD = 20


class _File(msgspec.Struct, frozen=True):
    hosts: tuple[msgspec.Raw, ...]


def import_hosts(
    path: Path, *, now_ms: Callable[[], int], save: Callable[[Snapshot], Snapshot]
) -> Snapshot:
    """Store the hosts of the file as a snapshot of their own, and return it.

    Hosts of earlier imports and discoveries stay known. Raises InvalidInputError, one line for
    each mistake and nothing stored, where anything in the file is wrong.
    """
    begun = now_ms()
    with _content(path) as data:
        hosts = _Import(path).read(data)
    return save(
        Snapshot(
            id=import_id(begun, secrets.token_bytes(RANDOM_BYTES)),
            taken=begun // 1000,
            elapsed_ms=now_ms() - begun,
            hosts=hosts,
        )
    )


@contextlib.contextmanager
def _content(path: Path) -> Iterator[Any]:
    """The file's bytes, mapped where that works: ten thousand hosts are half a gigabyte."""
    try:
        with path.open("rb") as file:
            status = path.stat()
            if status.st_size > MAX_BYTES:
                raise InvalidInputError(
                    f"is larger than {MAX_BYTES >> 30} GiB", where=str(path), hint="split it"
                )
            if stat.S_ISREG(status.st_mode) and status.st_size:
                # Closed when the last view of it is gone.
                yield mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                return
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInputError(f"cannot be read: {error.strerror}", where=str(path)) from error
    yield data


class _Import:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._packages = Packages()
        self._decoder = msgspec.json.Decoder(GivenHost)
        self._problems: list[Problem] = []
        self._count = 0
        self._seen: dict[str, int] = {}
        self._schemes: dict[tuple[str, str, str], Any] = {}
        self._lists: dict[tuple[object, ...], HostFacts] = {}

    def read(self, data: Any) -> tuple[HostResult, ...]:
        try:
            given = msgspec.json.decode(data, type=_File).hosts
        except msgspec.MsgspecError as error:
            raise InvalidInputError(
                str(error), where=str(self._path), hint='it holds {"hosts": [{"name": …}]}'
            ) from error
        if not given or len(given) > MAX_HOSTS:
            raise InvalidInputError(
                f"names {len(given)} hosts, not 1 to {MAX_HOSTS}", where=str(self._path)
            )
        found = [self._host(place, raw) for place, raw in enumerate(given)]
        if self._problems:
            hidden = self._count - len(self._problems)
            rest = [Problem(path=str(self._path), message=more(hidden, "mistake"))]
            raise InvalidInputError(problems=[*self._problems, *(rest if hidden else [])])
        return tuple(sorted((one for one in found if one), key=lambda one: one.name))

    def _host(self, place: int, raw: msgspec.Raw) -> HostResult | None:
        try:
            given = self._decoder.decode(raw)
        except msgspec.MsgspecError as error:
            self._complain(place, "", str(error))
            return None
        if not grammar.fits("host", given.name):
            self._complain(place, "", f"name: {given.name[:60]!r} is no host name")
            return None
        if (first := self._seen.setdefault(given.name, place)) != place:
            self._complain(place, given.name, f"stands twice, also as hosts[{first}]")
            return None
        made = facts(
            given,
            self._scheme(given),
            self._packages,
            lambda line: self._complain(place, given.name, line),
        )
        return HostResult(name=given.name, status=HostStatus.OK, facts=self._shared(made))

    def _scheme(self, given: GivenHost) -> Any:
        """How the system orders versions; one look for each distinct system."""
        key = (given.os.id, given.os.version_id, given.os.codename)
        if key not in self._schemes:
            bare = facts(
                msgspec.structs.replace(given, packages=()), None, self._packages, lambda line: None
            )
            self._schemes[key] = platform_of(bare).scheme
        return self._schemes[key]

    def _shared(self, made: HostFacts) -> HostFacts:
        """The same list of packages on many hosts is one object."""
        key = made.packages
        known = self._lists.setdefault((hash(tuple(map(id, key))), len(key)), made)
        if known is not made and all(a is b for a, b in zip(known.packages, key, strict=True)):
            return msgspec.structs.replace(made, packages=known.packages)
        return made

    def _complain(self, place: int, name: str, line: str) -> None:
        self._count += 1
        if len(self._problems) < _TOLD:
            who = f" ({name})" if name else ""
            key = f"hosts[{place}]{who}"
            self._problems.append(Problem(path=str(self._path), key=key, message=line))
