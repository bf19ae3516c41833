"""The interfaces that the doctor needs. Adapters implement them, and wiring hands them over."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from ...errors import Problem
from ...models.host_keys import Key, Target


class Space(Protocol):
    """A file system, read at the nearest existing folder. `network`: its kind, "" for local."""

    @property
    def folder(self) -> Path: ...
    @property
    def free_bytes(self) -> int: ...
    @property
    def free_inodes(self) -> int | None: ...
    @property
    def network(self) -> str: ...


class Memory(Protocol):
    """`folder` is kept in memory, None without one. `kind`: of its file system.
    `passed_over`: why a folder before it, or any, is not used; one line each."""

    @property
    def folder(self) -> Path | None: ...
    @property
    def kind(self) -> str: ...
    @property
    def passed_over(self) -> tuple[str, ...]: ...


class Machine(Protocol):
    """What this machine has. A version is "" where the program is missing."""

    @property
    def python(self) -> tuple[int, int, int]: ...
    @property
    def ansible_core(self) -> str: ...
    @property
    def ansible_runner(self) -> str: ...
    @property
    def ansible_problem(self) -> str: ...
    @property
    def ssh(self) -> str: ...
    @property
    def agent_keys(self) -> int | None: ...
    @property
    def git(self) -> str: ...
    @property
    def clock_synchronised(self) -> bool | None: ...
    @property
    def locale(self) -> str: ...
    @property
    def locale_problem(self) -> str: ...
    @property
    def space(self) -> Space: ...
    @property
    def memory(self) -> Memory: ...
    @property
    def memory_free(self) -> int: ...


class System(Protocol):
    """This machine."""

    def look(self, state: Path, environment: Mapping[str, str]) -> Machine:
        """Return everything at once; `state` is the state folder, which may not exist yet."""

    def space(self, folder: Path) -> Space:
        """Return the free space where the folder is or will be."""


class Ownership(Protocol):
    """Tells who can write to files."""

    def trusted_users(self, environment: Mapping[str, str]) -> frozenset[int]:
        """Return the ids of users whose files are trusted as one's own."""

    def problems(
        self, root: Path, code: Iterable[str | Path] = ..., users: frozenset[int] | None = ...
    ) -> tuple[Problem, ...]:
        """Return what others can write of the workspace and of the code that it runs."""

    def state_problems(
        self, folder: Path, users: frozenset[int] | None = ...
    ) -> tuple[Problem, ...]:
        """Return what others can write of the state folder."""


class Git(Protocol):
    """Asks git."""

    def ask(self, folder: Path, environment: Mapping[str, str], *words: str) -> str:
        """Return what git prints; "" where it prints nothing, fails or is missing."""


class Ask(Protocol):
    """Asks git in a folder, with the environment of the caller."""

    def __call__(self, folder: Path, *words: str) -> str: ...


class KnownHostLine(Protocol):
    """A line of a known_hosts file. `marker` is "", `@cert-authority` or `@revoked`."""

    @property
    def marker(self) -> str: ...
    @property
    def key(self) -> Key: ...
    @property
    def file(self) -> Path: ...
    @property
    def line(self) -> int: ...

    def fits(self, name: str) -> bool:
        """Return whether the line is for the host of this name (`host` or `[host]:port`)."""


class Endpoint(Protocol):
    """Where ssh really connects. It looks for `name` in known_hosts; `jump` is the jump host or
    tells that there is a proxy command, "" for a direct connection. `files`: its known_hosts."""

    @property
    def address(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def jump(self) -> str: ...
    @property
    def files(self) -> tuple[Path, ...]: ...


class Ssh(Protocol):
    """Asks ssh for a host's endpoint, and for known and offered keys."""

    def option(self, path: Path) -> str:
        """Return the argument that makes ssh read this known_hosts beside the others."""

    def read(self, path: Path) -> Sequence[KnownHostLine]:
        """Return the lines of a known_hosts file; none where there is no such file."""

    def resolve(self, target: Target, cwd: Path, own: Path) -> Endpoint:
        """Return where ssh connects. Raises AdapterError where it does not accept the options."""

    def scan(
        self, addresses: Iterable[tuple[str, int]], *, timeout_s: int
    ) -> Mapping[tuple[str, int], Sequence[Key]]:
        """Return (address, port) -> the keys offered now, without hosts that do not answer."""
