"""Compare the keys that hosts offer with the known ones, and write down new ones."""

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

# Other connections, such as local or docker, have no host key.
_SSH = frozenset({"ssh", "smart", "paramiko", "paramiko_ssh"})
_THREADS = 32
CHECK = "host-key"


@dataclass(frozen=True, kw_only=True)
class SshContext:
    """How to call ssh, besides what the inventory has: the operator's `-e` and `-u`, the folder
    where ssh runs, the workspace's known_hosts, and the seconds to wait for a host."""

    ssh: Ssh
    file: Path
    cwd: Path
    user: str = ""
    extra_vars: Sequence[str] = ()
    timeout_s: int = 10


@dataclass(frozen=True)
class HostKeys:
    """The check of one host's keys, and the new keys that may be written for it."""

    host: str
    check: Check
    endpoint: Endpoint | None = None
    new: tuple[Key, ...] = ()


@dataclass(frozen=True)
class KeyComparison:
    """The compared keys of several hosts, by host."""

    hosts: Mapping[str, HostKeys] = field(default_factory=dict)

    def learnable(self) -> tuple[LearnedKey, ...]:
        """Return the keys that are not known yet, host by host."""
        return tuple(
            LearnedKey(
                host=keys.host,
                entry=keys.endpoint.name,
                type=key.type,
                fingerprint=key.fingerprint,
            )
            for keys in self.hosts.values()
            if keys.endpoint is not None
            for key in keys.new
        )


def look(hosts: Iterable[Host], context: SshContext) -> KeyComparison:
    """Ask ssh for its endpoints and the hosts for their keys, and compare. Writes nothing."""
    hosts_by_name = {host.name: host for host in hosts}
    with ThreadPoolExecutor(_THREADS) as pool:
        endpoints = dict(
            zip(
                hosts_by_name,
                pool.map(lambda host: endpoint_of(host, context), hosts_by_name.values()),
                strict=True,
            )
        )
    direct = [
        endpoint
        for endpoint in endpoints.values()
        if not isinstance(endpoint, str) and not endpoint.jump
    ]
    offered = (
        context.ssh.scan(
            [(endpoint.address, endpoint.port) for endpoint in direct], timeout_s=context.timeout_s
        )
        if direct
        else {}
    )
    files = {
        path
        for endpoint in endpoints.values()
        if not isinstance(endpoint, str)
        for path in endpoint.files
    }
    entries = {path: context.ssh.read(path) for path in files | {context.file.resolve()}}
    compared = {}
    for name, endpoint in endpoints.items():
        if isinstance(endpoint, str):
            compared[name] = HostKeys(name, _check(name, CheckStatus.SKIPPED, endpoint))
            continue
        known = [
            entry
            for path in dict.fromkeys((*endpoint.files, context.file.resolve()))
            for entry in entries[path]
            if entry.fits(endpoint.name)
        ]
        compared[name] = compare(
            name, endpoint, known, offered.get((endpoint.address, endpoint.port), ()), context
        )
    return KeyComparison(compared)


def endpoint_of(host: Host, context: SshContext) -> Endpoint | str:
    """Return where ssh connects for the host, or why that is not known."""
    ssh_target = target(host, context)
    if isinstance(ssh_target, str):
        return ssh_target
    try:
        return context.ssh.resolve(ssh_target, context.cwd, context.file)
    except PatchctlError as error:
        return str(error)


def target(host: Host, context: SshContext) -> Target | str:
    """Return the connection as the inventory and `-e` have it, or why it is not known."""
    variables = {
        "inventory_hostname": host.name,
        **host.variables,
        **_extra_variables(context.extra_vars),
    }

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
    user = first("ansible_user", "ansible_ssh_user", default=context.user)
    argument_texts = [
        first("ansible_ssh_args"),
        first("ansible_ssh_common_args"),
        first("ansible_ssh_extra_args", default=context.ssh.option(context.file)),
    ]
    if kind is None or address is None or port is None or user is None or None in argument_texts:
        return "a template or a vaulted value hides the address or ssh's arguments"
    try:
        arguments = [word for text in argument_texts for word in shlex.split(text or "")]
    except ValueError as error:
        return f"ssh's arguments have quotes that do not match: {error}"
    return Target(address=address, port=port, user=user, arguments=tuple(arguments))


def _extra_variables(arguments: Sequence[str]) -> dict[str, Any]:
    """Return the variables of `-e key=value` and `-e '{...}'`. Ignores files, which may be vaulted
    and are left to Ansible."""
    variables: dict[str, Any] = {}
    for text in (argument.strip() for argument in arguments if not argument.startswith("@")):
        try:
            if text.startswith("{"):
                variables |= msgspec.yaml.decode(text, type=dict[str, Any])
            else:
                variables |= dict(word.split("=", 1) for word in shlex.split(text))
        except (ValueError, msgspec.MsgspecError):
            continue  # Ansible reports what is wrong with it
    return variables


# --- judging ------------------------------------------------------------------------------------


def compare(
    host: str,
    endpoint: Endpoint,
    known: Sequence[KnownHostLine],
    offered: Sequence[Key],
    context: SshContext,
) -> HostKeys:
    """Judge one host. `known`: entries that fit its name; `offered`: the keys that it has now."""
    revoked = {entry.key for entry in known if entry.marker == "@revoked"}
    if bad := [key for key in offered if key in revoked]:
        text = f"offers a revoked key, {bad[0].type} {bad[0].fingerprint}"
        hint = "take the host off the network; whoever has this key may pose as it"
        return HostKeys(host, _check(host, CheckStatus.FAIL, text, hint), endpoint)
    plain = [entry for entry in known if not entry.marker]
    if [entry for entry in known if entry.marker == "@cert-authority"] and not plain:
        text = "a certificate authority of known_hosts vouches for it"
        return HostKeys(host, _check(host, CheckStatus.OK, text), endpoint)
    if endpoint.jump:
        return HostKeys(host, _behind_jump(host, endpoint, plain, context), endpoint)
    if not offered:
        text = "does not answer ssh-keyscan"
        return HostKeys(host, _check(host, CheckStatus.SKIPPED, text, "see its other checks"))
    if not plain:
        new = tuple(offered) if context.file.resolve() in endpoint.files else ()
        return HostKeys(host, _unknown(host, offered[0], endpoint, context), endpoint, new)
    wrong = [entry for entry in plain if _differs(entry, offered)]
    if wrong or not {entry.key for entry in plain} & set(offered):
        return HostKeys(host, _changed(host, endpoint, (wrong or plain)[0], offered), endpoint)
    return HostKeys(host, _check(host, CheckStatus.OK, f"known as {endpoint.name}"), endpoint)


def _differs(entry: KnownHostLine, offered: Sequence[Key]) -> bool:
    alike = [key for key in offered if key.type == entry.key.type]
    return bool(alike) and entry.key not in alike


def _unknown(host: str, key: Key, endpoint: Endpoint, context: SshContext) -> Check:
    if context.file.resolve() not in endpoint.files:
        return _check(
            host,
            CheckStatus.FAIL,
            f"not known; ssh's options leave out {context.file.name} of the workspace and name"
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


def _behind_jump(
    host: str, endpoint: Endpoint, known: Sequence[KnownHostLine], context: SshContext
) -> Check:
    if known:
        return _check(host, CheckStatus.OK, f"known as {endpoint.name}")
    port = "" if endpoint.port == 22 else f"-p {endpoint.port} "
    return _check(
        host,
        CheckStatus.FAIL,
        f"not known, and it is behind {endpoint.jump}, where ssh-keyscan does not reach",
        f"on the jump host: ssh-keyscan {port}{endpoint.address}; compare, and append it to"
        f" {context.file}",
    )


def _check(host: str, status: CheckStatus, text: str, hint: str = "") -> Check:
    return Check(area=Area.HOST, subject=host, name=CHECK, status=status, text=text, hint=hint)


# --- writing ------------------------------------------------------------------------------------


def before(file: Path) -> bytes:
    """Return the file's content. Raises InvalidInputError where it cannot be extended."""
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


def learn(compared: KeyComparison, file: Path, content: bytes, files: Files) -> None:
    """Append the new keys, all or none, each line with the host's name at its end; old lines stay.

    `seen` is the content that the keys were compared with. Raises ConflictError where the file has
    changed since then.
    """
    if before(file) != content:
        raise ConflictError(f"{file}: somebody else wrote it meanwhile", hint="try again")
    lines: dict[str, str] = {}
    for host_keys in compared.hosts.values():
        for key in host_keys.new if host_keys.endpoint is not None else ():
            assert host_keys.endpoint is not None
            comment = host_keys.host if host_keys.host.isprintable() else ""
            lines.setdefault(f"{host_keys.endpoint.name} {key.type} {key.blob}", comment)
    end = b"" if not content or content.endswith(b"\n") else b"\n"
    text = "".join(f"{line} {comment}".rstrip() + "\n" for line, comment in lines.items())
    files.write_atomic(file, content + end + text.encode(), mode=0o644)
