"""Parse listening sockets, from ss(8) or from /proc/net."""

import ipaddress
import re
from collections.abc import Iterable

from ...models.facts import Listener
from ...protocol.sections import Unparsed, fields

_SS = re.compile(r"(tcp|udp)\s+(?:LISTEN|UNCONN)\s+\d+\s+\d+\s+(\S+):(\d{1,5})\s+\S+\s*(.*)")
_PROCESS = re.compile(r'users:\(\("([^"]{1,200})"')
_PROC = re.compile(r"([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})")


def from_ss(lines: Iterable[str], unparsed: Unparsed) -> tuple[Listener, ...]:
    """Return the sockets in the output of `ss -tulpn`, whose first line is a heading."""
    rows = set()
    for line in lines:
        entry = _SS.fullmatch(line.strip())
        if entry is None:
            if not line.startswith("Netid"):
                unparsed.add("sockets", line)
            continue
        protocol, address, port, rest = entry.groups()
        process = _PROCESS.match(rest)
        rows.add((protocol, _address(address), int(port), process[1] if process else ""))
    return _listeners(rows)


def _address(text: str) -> str:
    return text.replace("[", "").replace("]", "")


def from_proc(lines: Iterable[str], unparsed: Unparsed) -> tuple[Listener, ...]:
    """Return the sockets in lines `tcp|tcp6|udp|udp6 ADDRESS:PORT STATE`.

    Numbers are in the kernel's hexadecimal form.
    """
    rows = set()
    for line in lines:
        parts = fields(line, 3)
        entry = _PROC.fullmatch(parts[1]) if parts else None
        if parts is None or entry is None or parts[0] not in ("tcp", "tcp6", "udp", "udp6"):
            unparsed.add("sockets_proc", line)
            continue
        rows.add((parts[0][:3], _kernel_address(entry[1]), int(entry[2], 16), ""))
    return _listeners(rows)


def _kernel_address(text: str) -> str:
    """Return an address in the usual form.

    The kernel writes 32-bit words in the machine's byte order, which is taken to be little-endian.
    """
    words = [bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8)]
    return str(ipaddress.ip_address(b"".join(words)))


def _listeners(rows: Iterable[tuple[str, str, int, str]]) -> tuple[Listener, ...]:
    return tuple(
        Listener(protocol=protocol, address=address, port=port, process=process)
        for protocol, address, port, process in sorted(rows)
        if port <= 65535
    )
