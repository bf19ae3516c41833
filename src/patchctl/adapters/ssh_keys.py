"""Read host keys: known_hosts files (sshd(8)), ssh-keyscan, and how ssh resolves a host."""

import base64
import binascii
import fnmatch
import hmac
import shlex
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import AdapterError
from ..models.host_keys import Key, Target

_SYSTEM = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
_SSH_G_TIMEOUT_S = 20
# ssh's own limit of a line, SSH_MAX_PUBKEY_BYTES, is 16384.
_LINE_MAX = 20_000


def option(path: Path) -> str:
    """ssh's arguments, for a shell-like split, that add a workspace's known_hosts.

    It stands beside the system's files, so that the user's own files and any `UserKnownHostsFile`
    of ssh's configuration or the inventory stay in force.
    """
    setting = f'GlobalKnownHostsFile="{path}" {_SYSTEM}'
    return f"-o {shlex.quote(setting)}"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where ssh really connects to.

    `name` is what it looks up in known_hosts; `jump` is the jump host or says that there is a proxy
    command, "" for a direct way. `files`: its known_hosts.
    """

    address: str
    port: int
    name: str
    jump: str
    files: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class KnownHostLine:
    """A line of a known_hosts file. `marker` is "", `@cert-authority` or `@revoked`."""

    marker: str
    patterns: str
    key: Key
    file: Path
    line: int

    def fits(self, name: str) -> bool:
        """Is the line about the host of this name (`host` or `[host]:port`)?"""
        if self.patterns.startswith("|1|"):
            return _hashed(self.patterns, name)
        lowered = name.lower()
        fits = False
        for pattern in self.patterns.lower().split(","):
            if pattern.startswith("!"):
                if _match(lowered, pattern[1:]):
                    return False
            elif _match(lowered, pattern):
                fits = True
        return fits


def _match(name: str, pattern: str) -> bool:
    # OpenSSH knows * and ? but no sets, so the brackets of `[host]:port` are themselves.
    return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))


def _hashed(pattern: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in pattern[3:].split("|"))
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), "sha1").digest(), digest)


def name_of(address: str, port: int) -> str:
    """The name of an address in known_hosts: with the port only where it is not 22."""
    return address.lower() if port == 22 else f"[{address.lower()}]:{port}"


def read(path: Path) -> tuple[KnownHostLine, ...]:
    """Entries of a known_hosts file; none where there is no such file.

    A line that is no entry is skipped, as ssh does. Raises AdapterError where the file exists and
    cannot be read.
    """
    try:
        text = path.read_text("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise AdapterError(f"{path}: {error.strerror}", hint="fix its owner or mode") from error
    entries = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(line) <= _LINE_MAX and len(words) >= 3 and not words[0].startswith("#"):
            key = _key(words[1], words[2])
            if key is not None:
                entries.append(
                    KnownHostLine(marker=marker, patterns=words[0], key=key, file=path, line=number)
                )
    return tuple(entries)


def _key(kind: str, blob: str) -> Key | None:
    try:
        content = base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError):
        return None
    # RFC 4253, 6.6: the blob begins with its type, so a line cannot call it something else.
    length = int.from_bytes(content[:4], "big")
    if content[4 : 4 + length] != kind.encode("utf-8", "replace"):
        return None
    return Key(type=kind, blob=blob)


# --- what ssh makes of it -----------------------------------------------------------------------


def resolve(target: Target, cwd: Path, own: Path) -> Endpoint:
    """Ask `ssh -G`, which applies ssh's configuration files and connects to nothing.

    `own`: the workspace's known_hosts, which may not exist yet. Raises AdapterError where
    ssh does not understand the options.
    """
    command = ["ssh", "-G", *target.arguments]
    command += ["-o", f"Port={target.port}"] if target.port else []
    command += ["-o", f"User={target.user}"] if target.user else []
    done = _run([*command, "--", target.address], "", _SSH_G_TIMEOUT_S, cwd)
    options: dict[str, str] = {}
    for line in done.stdout.splitlines():
        word, _, value = line.partition(" ")
        options.setdefault(word, value)
    if done.returncode != 0 or "hostname" not in options:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no answer"]
        raise AdapterError(f"ssh -G {target.address}: {lines[-1]}")
    address, port = options["hostname"], int(options.get("port", "22"))
    jump, proxy = (options.get(word, "none") for word in ("proxyjump", "proxycommand"))
    return Endpoint(
        address=address,
        port=port,
        name=options.get("hostkeyalias") or name_of(address, port),
        jump=jump if jump != "none" else "a proxy command" if proxy != "none" else "",
        files=tuple(
            path
            for key in ("userknownhostsfile", "globalknownhostsfile")
            for path in _paths(options.get(key, ""), cwd, own)
        ),
    )


def _paths(text: str, cwd: Path, own: Path) -> list[Path]:
    """Split ssh -G's list of paths. It puts blanks between them, whatever blanks are in them, so
    the longest run of words that is a file is taken for one."""
    words, paths, own = text.split(" "), [], own.resolve()
    while words:
        counts = range(len(words), 0, -1)
        joined = (
            (count, (cwd / Path(" ".join(words[:count])).expanduser()).resolve())
            for count in counts
        )
        count, path = next(
            ((count, path) for count, path in joined if path == own or path.is_file()),
            (1, (cwd / Path(words[0]).expanduser()).resolve()),
        )
        paths.append(path)
        del words[:count]
    return paths


# --- what the hosts say -------------------------------------------------------------------------


def scan(
    endpoints: Iterable[tuple[str, int]], *, timeout_s: int
) -> Mapping[tuple[str, int], tuple[Key, ...]]:
    """The keys that each (address, port) offers now; a host that does not answer is missing.

    ssh-keyscan asks all hosts of a port side by side. Its answers are only as trustworthy as the
    network, so a person has to compare the fingerprints. Raises AdapterError.
    """
    by_port: dict[int, set[str]] = {}
    for address, port in endpoints:
        by_port.setdefault(port, set()).add(address)
    offered: dict[tuple[str, int], list[Key]] = {}
    for port, addresses in sorted(by_port.items()):
        # One line a host. The third word of a name list would be taken for a key file.
        text = "".join(f"{address}\n" for address in sorted(addresses) if _one_word(address))
        command = ["ssh-keyscan", "-T", str(timeout_s), "-p", str(port), "-f", "-"]
        limit = 60 + timeout_s * (1 + len(addresses))
        for line in _run(command, text, limit, None).stdout.splitlines():
            words = line.split()
            key = _key(words[1], words[2]) if len(words) == 3 else None
            for address in addresses:
                names = (name_of(address, port), address.lower())
                if key is not None and words[0].lower() in names:
                    offered.setdefault((address, port), []).append(key)
    return {where: tuple(sorted(keys, key=_best_first)) for where, keys in offered.items()}


def _one_word(address: str) -> bool:
    return len(address.split()) == 1 and not address.startswith(("-", "#"))


def _best_first(key: Key) -> tuple[bool, bool, str]:
    return ("ed25519" not in key.type, "ecdsa" not in key.type, key.blob)


def _run(
    command: Sequence[str], text: str, timeout_s: float, cwd: Path | None
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
            cwd=cwd,
        )
    except FileNotFoundError as error:
        raise AdapterError(
            f"{command[0]} is missing", hint="as root: apt-get install openssh-client"
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise AdapterError(f"{command[0]}: {error}") from error
