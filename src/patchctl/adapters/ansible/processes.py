"""Find and end every process of a run, whoever its parent and session are.

Ansible's workers leave the session and process group of ansible-playbook, so ending its group ends
none of them. They cannot leave the environment that they were started with: the launcher puts the
identity of ansible-playbook there.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from ...models.rollout import ProcessIdentity
from .. import processes
from ..files import open_regular
from . import segments

MARKER = "PATCHCTL_PROCESS"

# Field 22 of /proc/PID/stat is the start time; the shell's name in field 2 has no space. `exec`
# keeps pid and start time, so the shell can tell its successor's identity beforehand.
# It stands in both folders of the run, so that each tells whether its playbook still runs.
LAUNCHER = f"""\
start=0
if [ -r /proc/$$/stat ]; then read -r line </proc/$$/stat; set -f; start=${{line##*) }}
  start=$(set -- $start; shift 19; echo "$1"); set +f; fi
{MARKER}=$$-$start; export {MARKER}
(umask 077; for folder in "$1" "$2"; do
  echo "$$ $start" >"$folder/pid.part" && mv "$folder/pid.part" "$folder/pid" || exit 125
done) || exit 125
shift 2
exec "$@"
"""


def end_all(process: ProcessIdentity, *, patience_s: float = 10.0) -> bool:
    """Kill the process and everything that it started. True where something still ran.

    Shared memory that it handed to ssh is removed too. Nothing of another boot or of a later
    process with the same pid is touched.
    """
    if process.boot_id != processes.boot_id():
        return False
    any_ran = False
    shared: set[str] = set()
    deadline = time.monotonic() + patience_s
    while True:
        # The parent first, so that it starts no more; then again until nobody is left.
        running = sorted(marked(process), key=lambda pid: pid != process.pid)
        if not running or time.monotonic() > deadline:
            segments.remove(shared)
            return any_ran
        any_ran = True
        for pid in running:
            shared |= segments.named_by(pid)
            _kill(pid, process)
        time.sleep(0.02)


def marked(process: ProcessIdentity) -> Iterator[int]:
    """The pids that run with the marker of that process."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and _is_marked(int(folder.name), process):
            yield int(folder.name)


def launched(folder: Path) -> ProcessIdentity | None:
    """The process that the launcher wrote down; None where it has not done so yet."""
    try:
        with open_regular(folder / "pid") as file:
            pid, start = file.read().split()
    except (OSError, ValueError):
        return None
    # ansible-runner's pseudo-terminal makes the process the leader of its own group.
    return ProcessIdentity(
        pid=int(pid), pgid=int(pid), start=int(start), boot_id=processes.boot_id()
    )


def has_begun(process: ProcessIdentity) -> bool:
    """Whether the launcher has become its program, or has ended. Until then nothing bears the
    marker, and `end_all` would find nobody to end."""
    return _is_marked(process.pid, process) or not processes.is_alive(process)


def _is_marked(pid: int, process: ProcessIdentity) -> bool:
    try:
        environment = (Path("/proc") / str(pid) / "environ").read_bytes()
    except OSError:
        return False
    return f"{MARKER}={process.pid}-{process.start}".encode() in environment.split(b"\0")


def _kill(pid: int, process: ProcessIdentity) -> None:
    # A pid may be somebody else's by now; a pidfd names one process for ever (pidfd_open(2)).
    with contextlib.suppress(OSError):
        handle = os.pidfd_open(pid)
        try:
            if _is_marked(pid, process):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)
