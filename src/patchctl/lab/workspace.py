"""Write the workspace of a lab, whose inventory reaches the lab's hosts.

Paths in it are relative to the inventory, so the folder can be moved.
"""

import base64
import contextlib
import hashlib
import io
import re
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from ..adapters.files import private_folder, write_atomic
from ..errors import AdapterError, InvalidInputError
from ..models.base import Model
from ..models.lab import LabHost
from .model import PORT, RINGS, HostSlot, known_hosts

_KEY = "lab/id_ed25519"
_MARKER = "lab/lab.json"
_KNOWN_HOSTS = "known_hosts"
FEED = "lab/feed"
"""Changelogs of the packages in the lab's repository, for `patchctl feeds import`."""
_FEED_FILE = re.compile(r"(?:\./)?([a-z0-9][a-z0-9+.-]*\.changelog\.gz)")
_SSH_OPTIONS = "-o GlobalKnownHostsFile=/dev/null -o IdentitiesOnly=yes"
# A new lab may use a folder that has these: they are the operator's, or those of an earlier lab.
_OPERATORS = frozenset({".patchctl", "plans", "lab", ".git"})

_SETTINGS = """\
# Workspace of a lab: its hosts are thrown away, so it is bolder than a real one would be.
rings:
  - {name: staging, budget: 0, max_concurrent: "100%", soak: 2s, promote: auto}
  - {name: canary, budget: 0, max_concurrent: "100%", soak: 2s, promote: auto}
  - {name: production, budget: "5%", max_concurrent: "50%", soak: 0s, promote: auto}

policy:
  # Every update may be undone, new upstream versions too; real sites name packages here.
  undo_safe: ["*"]

probes:
  - name: web
    kind: http
    target: http://127.0.0.1:8080/
    expect: patchlab-web
    within: 10s
    packages: [patchlab-web]

feeds:
  # lab/feed is as old as the packages that it speaks of, which are frozen.
  max_age: 3650d
"""

_IGNORE = """\
.patchctl/
lab/
"""


class Marker(Model):
    """`lab/lab.json`: the lab that the workspace belongs to, and the files that it wrote (path ->
    SHA-256).
    """

    name: str
    files: dict[str, str] = {}


def check(root: Path, name: str) -> None:
    """Raise InvalidInputError where lab `name` may not write its workspace into `root`."""
    if not root.exists():
        return
    if not root.is_dir():
        raise InvalidInputError("is not a folder", where=str(root))
    marker = _marker(root)
    if marker is not None and marker.name != name:
        raise InvalidInputError(
            f"is the workspace of lab {marker.name}",
            where=str(root),
            hint=f"name another folder, or remove that one: patchctl lab down --name {marker.name}",
        )
    if marker is None and not {item.name for item in root.iterdir()} <= _OPERATORS:
        raise InvalidInputError(
            "holds other files and is not the workspace of a lab",
            where=str(root),
            hint="name a new or empty folder with --workspace DIR",
        )


def make_key(root: Path, name: str) -> str:
    """Make a new key pair for the lab's hosts. Returns the line of the public key.

    Also marks the folder as the lab's.
    """
    private_folder(root / "lab")
    key = root / _KEY
    for path in (key, key.with_suffix(".pub")):
        path.unlink(missing_ok=True)
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"patchctl-{name}"]
    try:
        subprocess.run(
            [*command, "-f", str(key)], stdin=subprocess.DEVNULL, capture_output=True, check=True
        )
    except FileNotFoundError as error:
        raise AdapterError(
            "ssh-keygen is missing", hint="as root: apt-get install openssh-client"
        ) from error
    except subprocess.CalledProcessError as error:
        raise AdapterError(
            f"ssh-keygen: {error.stderr.decode(errors='replace').strip()}"
        ) from error
    before = _marker(root) or Marker(name=name)
    write_atomic(root / _MARKER, msgspec.json.encode(before))
    return key.with_suffix(".pub").read_text()


def write(root: Path, name: str, host_slots: Sequence[HostSlot], keys: str) -> list[str]:
    """Write settings, inventory and known_hosts. Returns the names of edited files that were
    renamed to NAME.bak.
    """
    before = _marker(root) or Marker(name=name)
    files = {
        "patchctl.yml": _SETTINGS,
        "inventory/hosts.yml": inventory(host_slots),
        ".gitignore": _IGNORE,
    }
    aside = [path for path in files if _edited(root, path, before)]
    for path in aside:
        (root / path).replace(root / f"{path}.bak")
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_atomic(target, text.encode(), mode=0o644)
    write_known_hosts(root, keys)
    marker = Marker(name=name, files={path: _digest(text.encode()) for path, text in files.items()})
    write_atomic(root / _MARKER, msgspec.json.encode(marker))
    return aside


def write_known_hosts(root: Path, text: str) -> None:
    """Replace known_hosts."""
    write_atomic(root / _KNOWN_HOSTS, text.encode(), mode=0o644)


def replace_known_hosts(root: Path, replaced: Mapping[str, tuple[LabHost, str]]) -> None:
    """Replace the keys of these addresses."""
    path = root / _KNOWN_HOSTS
    before = path.read_text() if path.exists() else ""
    others = [line for line in before.splitlines() if line[1:].partition("]")[0] not in replaced]
    write_known_hosts(root, "".join(f"{li}\n" for li in others) + known_hosts([*replaced.values()]))


def write_feed(root: Path, name: str, packed: str) -> Path | None:
    """Replace the feed by the repository's changelogs: `packed` is base64 of a tar. Returns its
    folder, or None where the workspace is not the lab's any more (it was moved or removed). Raises
    AdapterError where `packed` cannot be read.
    """
    marker = _marker(root)
    if marker is None or marker.name != name:
        return None
    folder = root / FEED
    try:
        with tarfile.open(fileobj=io.BytesIO(base64.b64decode(packed, validate=True))) as tar:
            files = {
                match[1]: file.read()
                for item in tar
                if (match := _FEED_FILE.fullmatch(item.name)) and (file := tar.extractfile(item))
            }
    except (ValueError, tarfile.TarError) as error:
        raise AdapterError(f"the lab's repository told no changelogs: {error}") from error
    private_folder(folder)
    for path in folder.iterdir():
        if path.name not in files:
            path.unlink()
    for file_name, data in files.items():
        write_atomic(folder / file_name, data)
    return folder


def remove(root: Path, name: str) -> bool:
    """Remove the files that the lab wrote, except edited ones. Returns True where nothing is left.

    Plans and the state folder belong to the operator and stay. If an edited file stays, the marker
    stays too, so that the next lab may use the folder.
    """
    marker = _marker(root)
    if marker is None or marker.name != name:
        return not root.exists()
    edited = [path for path in marker.files if _edited(root, path, marker)]
    for path in marker.files:
        if path not in edited:
            (root / path).unlink(missing_ok=True)
    (root / _KNOWN_HOSTS).unlink(missing_ok=True)
    for key in (root / _KEY, (root / _KEY).with_suffix(".pub")):
        key.unlink(missing_ok=True)
    shutil.rmtree(root / FEED, ignore_errors=True)
    if not edited:
        shutil.rmtree(root / "lab", ignore_errors=True)
    for folder in (root / "inventory", root):
        with contextlib.suppress(OSError):
            folder.rmdir()
    return not root.exists()


def inventory(host_slots: Sequence[HostSlot]) -> str:
    """Return the text of inventory/hosts.yml."""
    groups: dict[str, dict[str, Any]] = {}
    for ring in RINGS:
        hosts = {slot.name: _host(slot) for slot in host_slots if slot.ring == ring}
        if hosts:
            groups[ring] = {"hosts": hosts}
    for group in sorted({group for slot in host_slots for group in slot.groups}):
        groups[group] = {"hosts": {p.name: {} for p in host_slots if group in p.groups}}
    content = {"all": {"vars": _variables(), "children": groups}}
    return "# Hosts of a lab; every address is this machine's own.\n" + yaml.safe_dump(
        content, sort_keys=False, width=120
    )


def _variables() -> Mapping[str, Any]:
    # For a path with spaces ssh needs quotes of its own inside the quotes of the argument list.
    known = "-o 'UserKnownHostsFile=\"{{ inventory_dir }}/../known_hosts\"'"
    return {
        "ansible_user": "ops",
        "ansible_port": PORT,
        "ansible_become": True,
        "ansible_ssh_private_key_file": "{{ inventory_dir }}/../" + _KEY,
        "ansible_ssh_common_args": f"{known} {_SSH_OPTIONS}",
    }


def _host(slot: HostSlot) -> dict[str, Any]:
    return {"ansible_host": slot.address}


def _marker(root: Path) -> Marker | None:
    try:
        return msgspec.json.decode((root / _MARKER).read_bytes(), type=Marker)
    except (OSError, msgspec.DecodeError):
        return None


def _edited(root: Path, path: str, marker: Marker) -> bool:
    try:
        now = (root / path).read_bytes()
    except OSError:
        return False
    return _digest(now) != marker.files.get(path)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
