"""Compare what hosts offer as their keys with what is known, and write down what is new."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ...errors import ConflictError, InvalidInputError, PatchctlError
from ...inventory.lint import templates
from ...models.doctor import Area, Check, CheckStatus, LearnedKey
from ...models.fleet import Host
from ...models.host_keys import Key, Target
from ..interfaces import Files
from .interfaces import Endpoint, KnownHostLine, Ssh

# Local, docker and the like have no host key.
_SSH = frozenset({"ssh", "smart", "paramiko", "paramiko_ssh"})
_SIDE_BY_SIDE = 32
CHECK = "host-key"


@dataclass(frozen=True, kw_only=True)
class Ways:
    """How ssh is called besides the inventory: the operator's `-e` and `-u`, the folder that ssh
    runs in, the workspace's known_hosts, and seconds to wait for a host."""

    ssh: Ssh
    file: Path
    cwd: Path
    user: str = ""
    extra_vars: Sequence[str] = ()
    timeout_s: int = 10


@dataclass(frozen=True)
class Looked:
    """One host: the check, and the keys that may be written for it."""

    host: str
    check: Check
    endpoint: Endpoint | None = None
    new: tuple[Key, ...] = ()


@dataclass(frozen=True)
class Found:
    """What a look at the keys of several hosts found, by host."""

    hosts: Mapping[str, Looked] = field(default_factory=dict)

    def learnable(self) -> tuple[LearnedKey, ...]:
        """The keys that nobody knows yet, by host."""
        return tuple(
            LearnedKey(
                host=one.host,
                entry=one.endpoint.name,
                type=key.type,
                fingerprint=key.fingerprint,
            )
            for one in self.hosts.values()
            if one.endpoint is not None
            for key in one.new
        )


def look(hosts: Iterable[Host], ways: Ways) -> Found:
    """Ask ssh where it would go, the hosts for their keys, and compare. Nothing is written."""
    wanted = {host.name: host for host in hosts}
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        reached = dict(
            zip(wanted, pool.map(lambda host: way(host, ways), wanted.values()), strict=True)
        )
    direct = [one for one in reached.values() if not isinstance(one, str) and not one.jump]
    offered = (
        ways.ssh.scan([(one.address, one.port) for one in direct], timeout_s=ways.timeout_s)
        if direct
        else {}
    )
    files = {path for one in reached.values() if not isinstance(one, str) for path in one.files}
    entries = {path: ways.ssh.read(path) for path in files | {ways.file.resolve()}}
    found = {}
    for name, one in reached.items():
        if isinstance(one, str):
            found[name] = Looked(name, _check(name, CheckStatus.SKIPPED, one))
            continue
        known = [
            entry
            for path in dict.fromkeys((*one.files, ways.file.resolve()))
            for entry in entries[path]
            if entry.fits(one.name)
        ]
        found[name] = compare(name, one, known, offered.get((one.address, one.port), ()), ways)
    return Found(found)


def way(host: Host, ways: Ways) -> Endpoint | str:
    """Where ssh goes for the host, or why that cannot be told."""
    asked = target(host, ways)
    if isinstance(asked, str):
        return asked
    try:
        return ways.ssh.resolve(asked, ways.cwd, ways.file)
    except PatchctlError as error:
        return str(error)


def target(host: Host, ways: Ways) -> Target | str:
    """What the inventory and `-e` say of the connection, or why that cannot be told."""
    variables = {"inventory_hostname": host.name, **host.variables, **_given(ways.extra_vars)}

    def first(*names: str, default: str = "") -> str | None:
        for name in names:
            if name in variables:
                return templates.plain(variables[name], variables)
        return default

    kind = first("ansible_connection", default="ssh")
    if kind is not None and kind.rpartition(".")[2] not in _SSH:
        return f"the connection is {kind}, which has no host key"
    address = first("ansible_host", "ansible_ssh_host", default=host.name)
    port = first("ansible_port", "ansible_ssh_port")
    user = first("ansible_user", "ansible_ssh_user", default=ways.user)
    more = [
        first("ansible_ssh_args"),
        first("ansible_ssh_common_args"),
        first("ansible_ssh_extra_args", default=ways.ssh.option(ways.file)),
    ]
    if kind is None or address is None or port is None or user is None or None in more:
        return "a template or a vaulted value hides the address or ssh's arguments"
    try:
        arguments = [word for text in more for word in shlex.split(text or "")]
    except ValueError as error:
        return f"ssh's arguments have quotes that do not match: {error}"
    return Target(address=address, port=port, user=user, arguments=tuple(arguments))


def _given(texts: Sequence[str]) -> dict[str, Any]:
    """`-e key=value` and `-e '{...}'`. Files may be vaulted and are left to Ansible."""
    found: dict[str, Any] = {}
    for text in (one.strip() for one in texts if not one.startswith("@")):
        try:
            if text.startswith("{"):
                found |= msgspec.yaml.decode(text, type=dict[str, Any])
            else:
                found |= dict(word.split("=", 1) for word in shlex.split(text))
        except (ValueError, msgspec.MsgspecError):
            continue  # Ansible says what is wrong with it
    return found


# --- judging ------------------------------------------------------------------------------------


def compare(
    host: str,
    endpoint: Endpoint,
    known: Sequence[KnownHostLine],
    offered: Sequence[Key],
    ways: Ways,
) -> Looked:
    """Judge one host. `known`: entries that fit its name; `offered`: what it says now."""
    revoked = {entry.key for entry in known if entry.marker == "@revoked"}
    if bad := [key for key in offered if key in revoked]:
        text = f"offers a revoked key, {bad[0].type} {bad[0].fingerprint}"
        hint = "take the host off the network; whoever has this key may pose as it"
        return Looked(host, _check(host, CheckStatus.FAIL, text, hint), endpoint)
    plain = [entry for entry in known if not entry.marker]
    if [entry for entry in known if entry.marker == "@cert-authority"] and not plain:
        text = "a certificate authority of known_hosts vouches for it"
        return Looked(host, _check(host, CheckStatus.OK, text), endpoint)
    if endpoint.jump:
        return Looked(host, _behind(host, endpoint, plain, ways), endpoint)
    if not offered:
        text = "does not answer ssh-keyscan"
        return Looked(host, _check(host, CheckStatus.SKIPPED, text, "see its other checks"))
    if not plain:
        new = tuple(offered) if ways.file.resolve() in endpoint.files else ()
        return Looked(host, _unknown(host, offered[0], endpoint, ways), endpoint, new)
    wrong = [entry for entry in plain if _differs(entry, offered)]
    if wrong or not {entry.key for entry in plain} & set(offered):
        return Looked(host, _changed(host, endpoint, (wrong or plain)[0], offered), endpoint)
    return Looked(host, _check(host, CheckStatus.OK, f"known as {endpoint.name}"), endpoint)


def _differs(entry: KnownHostLine, offered: Sequence[Key]) -> bool:
    alike = [key for key in offered if key.type == entry.key.type]
    return bool(alike) and entry.key not in alike


def _unknown(host: str, key: Key, endpoint: Endpoint, ways: Ways) -> Check:
    if ways.file.resolve() not in endpoint.files:
        return _check(
            host,
            CheckStatus.FAIL,
            f"not known; ssh's options leave out {ways.file.name} of the workspace and name"
            f" {', '.join(str(path) for path in endpoint.files[:2]) or 'no file'}",
            f"drop GlobalKnownHostsFile from the inventory's ssh arguments, or add"
            f" {endpoint.name} to that file yourself",
        )
    return _check(
        host,
        CheckStatus.FAIL,
        f"not known; it offers {key.type} {key.fingerprint}",
        "`patchctl doctor --learn-host-keys`, after comparing it with the host's own",
    )


def _changed(host: str, endpoint: Endpoint, entry: KnownHostLine, offered: Sequence[Key]) -> Check:
    new = next((key for key in offered if key.type == entry.key.type), offered[0])
    return _check(
        host,
        CheckStatus.FAIL,
        f"changed host key: known is {entry.key.type} {entry.key.fingerprint}"
        f" ({entry.file}:{entry.line}), it offers {new.type} {new.fingerprint}",
        "someone may be in between; where the host was really made anew:"
        f" ssh-keygen -R {shlex.quote(endpoint.name)} -f {shlex.quote(str(entry.file))},"
        " then `patchctl doctor --learn-host-keys`",
    )


def _behind(host: str, endpoint: Endpoint, known: Sequence[KnownHostLine], ways: Ways) -> Check:
    if known:
        return _check(host, CheckStatus.OK, f"known as {endpoint.name}")
    port = "" if endpoint.port == 22 else f"-p {endpoint.port} "
    return _check(
        host,
        CheckStatus.FAIL,
        f"not known, and it is behind {endpoint.jump}, where ssh-keyscan does not reach",
        f"on the jump host: ssh-keyscan {port}{endpoint.address}; compare, and append it to"
        f" {ways.file}",
    )


def _check(host: str, status: CheckStatus, text: str, hint: str = "") -> Check:
    return Check(area=Area.HOST, subject=host, name=CHECK, status=status, text=text, hint=hint)


# --- writing ------------------------------------------------------------------------------------


def before(file: Path) -> bytes:
    """What the file holds now; raises InvalidInputError where it cannot be extended."""
    if file.is_symlink():
        raise InvalidInputError(
            "is a symbolic link", where=str(file), hint="replace it by the file itself"
        )
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise InvalidInputError(f"cannot be read: {error.strerror}", where=str(file)) from error


def learn(found: Found, file: Path, seen: bytes, files: Files) -> None:
    """Append the new keys, each line ending with the host's name; lines that stand there stay.

    Whole or not at all. `seen`: the content that the keys were compared with; raises
    ConflictError where it is no longer the same.
    """
    if before(file) != seen:
        raise ConflictError(f"{file}: somebody else wrote it meanwhile", hint="try again")
    lines: dict[str, str] = {}
    for one in found.hosts.values():
        for key in one.new if one.endpoint is not None else ():
            assert one.endpoint is not None
            comment = one.host if one.host.isprintable() else ""
            lines.setdefault(f"{one.endpoint.name} {key.type} {key.blob}", comment)
    end = b"" if not seen or seen.endswith(b"\n") else b"\n"
    text = "".join(f"{line} {comment}".rstrip() + "\n" for line, comment in lines.items())
    files.write_atomic(file, seen + end + text.encode(), mode=0o644)
