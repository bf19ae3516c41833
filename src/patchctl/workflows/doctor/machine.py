"""Make checks from what this machine has. Pure."""

import re
from collections.abc import Iterator

from ...models.doctor import Area, Check, CheckStatus
from ...models.words import count
from .interfaces import Machine, Memory, Space

OK, WARN, FAIL, SKIPPED = CheckStatus.OK, CheckStatus.WARN, CheckStatus.FAIL, CheckStatus.SKIPPED

# The oldest version that works (pyproject.toml) and the newest that was tried.
PYTHON = ((3, 11), (3, 13))
ANSIBLE_CORE = ((2, 19), (2, 21))
ANSIBLE_RUNNER = ((2, 4, 3), (2, 4))
_GIB = 1 << 30
# Room for the variables of ten thousand hosts, and for what Ansible itself writes.
_SECRETS = 32 << 20
_INSTALL = "install patchctl again, into an environment of its own"


def checks(machine: Machine, engine: str) -> Iterator[Check]:
    """Yield the checks of this machine. `engine`: the lab's container engine, or ""."""
    python = ".".join(map(str, machine.python))
    yield _version("python", python, PYTHON)
    if machine.ansible_problem:
        yield _check("ansible-core", FAIL, machine.ansible_problem, _INSTALL)
    else:
        yield _version("ansible-core", machine.ansible_core, ANSIBLE_CORE)
    yield _version("ansible-runner", machine.ansible_runner, ANSIBLE_RUNNER)
    yield (
        _check("ssh", OK, machine.ssh)
        if machine.ssh
        else _check("ssh", FAIL, "there is no ssh", "as root: apt-get install openssh-client")
    )
    yield _agent(machine.agent_keys)
    yield (
        _check("git", OK, machine.git)
        if machine.git
        else _check(
            "git",
            WARN,
            "there is no git",
            "install it: `inventory diff` and plans' revisions need it",
        )
    )
    yield _clock(machine.clock_synchronised)
    hint = f"generate the locale {machine.locale}, or set LC_ALL=C.UTF-8"
    yield (
        _check("locale", FAIL, f"{machine.locale}: {machine.locale_problem}", hint)
        if machine.locale_problem
        else _check("locale", OK, machine.locale)
    )
    yield disk(machine.space)
    yield secrets(machine.memory, machine.memory_free)
    yield (
        _check("engine", OK, engine)
        if engine
        else _check("engine", SKIPPED, "none that works; only `patchctl lab` needs one")
    )


def _check(name: str, status: CheckStatus, text: str, hint: str = "") -> Check:
    return Check(area=Area.MACHINE, subject="", name=name, status=status, text=text, hint=hint)


def _version(name: str, installed: str, known: tuple[tuple[int, ...], tuple[int, ...]]) -> Check:
    oldest, newest = known
    if not installed:
        return _check(name, FAIL, "is missing", _INSTALL)
    version = _numbers(installed)
    if version < oldest:
        wanted = ".".join(map(str, oldest))
        return _check(
            name, FAIL, f"{installed} is too old", f"{wanted} or newer is needed; {_INSTALL}"
        )
    if version[: len(newest)] > newest:
        tried = ".".join(map(str, newest))
        return _check(
            name,
            WARN,
            f"{installed} is newer than what was tried ({tried})",
            "try it on a lab first",
        )
    return _check(name, OK, installed)


def _agent(keys: int | None) -> Check:
    if keys is None:
        return _check("ssh-agent", SKIPPED, "none in the environment; keys come from files")
    if keys < 0:
        return _check(
            "ssh-agent",
            WARN,
            "SSH_AUTH_SOCK is set, but no agent answers",
            "start one (eval $(ssh-agent); ssh-add), or unset SSH_AUTH_SOCK",
        )
    if keys == 0:
        return _check("ssh-agent", WARN, "holds no key", "ssh-add FILE")
    return _check("ssh-agent", OK, count(keys, "key"))


def _clock(synchronised: bool | None) -> Check:
    if synchronised is None:
        return _check("time", SKIPPED, "the kernel does not tell whether the clock is synchronised")
    if synchronised:
        return _check("time", OK, "synchronised")
    hint = (
        "start chrony or systemd-timesyncd: soak times, expiry and the audit log go by this clock"
    )
    return _check("time", WARN, "nothing synchronises the clock", hint)


def disk(space: Space) -> Check:
    """Check the free space for the state: packages of plans, journal, audit log."""
    text = f"{space.free_bytes / _GIB:.1f} GiB free at {space.folder}"
    inodes = space.free_inodes
    if inodes is not None and inodes < 10_000:
        text = f"{inodes} inodes free at {space.folder}"
    few_inodes = inodes is not None and inodes < 10_000
    no_inodes = inodes is not None and inodes < 1_000
    hint = "make room, or name another folder with `state:` or PATCHCTL_STATE"
    if space.free_bytes < _GIB // 5 or no_inodes:
        return _check("disk", FAIL, text, hint)
    if space.free_bytes < 2 * _GIB or few_inodes:
        return _check("disk", WARN, text, hint)
    return _check("disk", OK, text)


def secrets(memory: Memory, free_bytes: int) -> Check:
    """Check where passwords are while Ansible reads them: in memory if this machine has a folder
    there."""
    others = "".join(f"; {line}" for line in memory.passed_over)
    if memory.folder is None:
        return _check(
            "secrets",
            WARN,
            f"no place in memory{others}: while Ansible reads them, passwords of the inventory lie"
            " on the disk, in the state folder",
            "set XDG_RUNTIME_DIR to a folder of your own on tmpfs, or mount a tmpfs on /dev/shm",
        )
    text = f"kept in memory at {memory.folder} ({memory.kind})"
    if free_bytes < _SECRETS:
        return _check(
            "secrets", WARN, f"{text}, {free_bytes >> 20} MiB free", "make room, or a larger tmpfs"
        )
    return _check("secrets", OK, f"{text}{others}")


def _numbers(version: str) -> tuple[int, ...]:
    """Return `2.19.1rc1` as (2, 19, 1)."""
    digits = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in digits[0].split(".")) if digits else ()
