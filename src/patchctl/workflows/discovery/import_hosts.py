"""Import hosts that patchctl cannot reach from a file, as if they had been discovered."""

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
_PROBLEMS_SHOWN = 20


class _File(msgspec.Struct, frozen=True):
    hosts: tuple[msgspec.Raw, ...]


def import_hosts(
    path: Path, *, now_ms: Callable[[], int], save: Callable[[Snapshot], Snapshot]
) -> Snapshot:
    """Store the hosts of the file as a new snapshot, and return it.

    Hosts of earlier imports and discoveries stay known. Where anything in the file is wrong, stores
    nothing and raises InvalidInputError with a line for each mistake.
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
    """Yield the file's bytes, mapped where that works: ten thousand hosts are half a gigabyte."""
    try:
        with path.open("rb") as file:
            status = path.stat()
            if status.st_size > MAX_BYTES:
                raise InvalidInputError(
                    f"is larger than {MAX_BYTES >> 30} GiB", where=str(path), hint="split it"
                )
            if stat.S_ISREG(status.st_mode) and status.st_size:
                # The map is closed when the last view of it is gone.
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
            raw_hosts = msgspec.json.decode(data, type=_File).hosts
        except msgspec.MsgspecError as error:
            raise InvalidInputError(
                str(error), where=str(self._path), hint='it holds {"hosts": [{"name": …}]}'
            ) from error
        if not raw_hosts or len(raw_hosts) > MAX_HOSTS:
            raise InvalidInputError(
                f"names {len(raw_hosts)} hosts, not 1 to {MAX_HOSTS}", where=str(self._path)
            )
        results = [self._host(index, raw) for index, raw in enumerate(raw_hosts)]
        if self._problems:
            hidden = self._count - len(self._problems)
            last_line = [Problem(path=str(self._path), message=more(hidden, "mistake"))]
            raise InvalidInputError(problems=[*self._problems, *(last_line if hidden else [])])
        return tuple(
            sorted((result for result in results if result), key=lambda result: result.name)
        )

    def _host(self, index: int, raw: msgspec.Raw) -> HostResult | None:
        try:
            host = self._decoder.decode(raw)
        except msgspec.MsgspecError as error:
            self._complain(index, "", str(error))
            return None
        if not grammar.fits("host", host.name):
            self._complain(index, "", f"name: {host.name[:60]!r} is not a host name")
            return None
        if (first := self._seen.setdefault(host.name, index)) != index:
            self._complain(index, host.name, f"is listed twice, also as hosts[{first}]")
            return None
        host_facts = facts(
            host,
            self._scheme(host),
            self._packages,
            lambda line: self._complain(index, host.name, line),
        )
        return HostResult(name=host.name, status=HostStatus.OK, facts=self._shared(host_facts))

    def _scheme(self, host: GivenHost) -> Any:
        """Return how the host's system orders versions; asked once for each distinct system."""
        key = (host.os.id, host.os.version_id, host.os.codename)
        if key not in self._schemes:
            bare = facts(
                msgspec.structs.replace(host, packages=()), None, self._packages, lambda line: None
            )
            self._schemes[key] = platform_of(bare).scheme
        return self._schemes[key]

    def _shared(self, host_facts: HostFacts) -> HostFacts:
        """Return facts that share one package list with all hosts that have the same list."""
        key = host_facts.packages
        known = self._lists.setdefault((hash(tuple(map(id, key))), len(key)), host_facts)
        if known is not host_facts and all(
            a is b for a, b in zip(known.packages, key, strict=True)
        ):
            return msgspec.structs.replace(host_facts, packages=known.packages)
        return host_facts

    def _complain(self, index: int, name: str, line: str) -> None:
        self._count += 1
        if len(self._problems) < _PROBLEMS_SHOWN:
            who = f" ({name})" if name else ""
            key = f"hosts[{index}]{who}"
            self._problems.append(Problem(path=str(self._path), key=key, message=line))
