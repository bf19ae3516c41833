"""Host keys, and the address at which ssh reaches a host."""

import base64
import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Target:
    """How ssh reaches a host: the inventory's address, port, user and ssh arguments."""

    address: str
    port: str = ""
    user: str = ""
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Key:
    """A public host key. `type` as in known_hosts, `blob` in base64."""

    type: str
    blob: str

    @property
    def fingerprint(self) -> str:
        """The fingerprint, `SHA256:…`, as `ssh-keygen -l` shows it."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")
