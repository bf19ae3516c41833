"""Read which process holds a lock of a host's package manager: lines `PID FILE PROCESS`.

PID is `-` or -1 where it is unknown. FILE is `-` for a service that installs packages, even if it
holds no lock at this moment.
"""

import re

from ..models.facts import HeldLock
from .cleaning import cleaned

_LOCK = re.compile(r"(-|-?[0-9]{1,10})\s(-|/[!-~]{1,255})\s(.{1,255})")


def read(text: str) -> HeldLock | None:
    """Return the lock of a line, or None where the line has another form."""
    match = _LOCK.fullmatch(text)
    if match is None:
        return None
    pid, file = match[1], match[2]
    return HeldLock(
        pid=int(pid) if pid.isdigit() else 0,
        file="" if file == "-" else file,
        process=cleaned(match[3], 64) or "a process",
    )
