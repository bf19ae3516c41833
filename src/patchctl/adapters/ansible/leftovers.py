"""Private folders, and what controllers that died without a goodbye left in them.

A folder names its owner, so a later controller can tell a leftover from one in use.
"""

import contextlib
import os
import shutil
import signal
import tempfile
from pathlib import Path

import msgspec

from ...models.rollout import ProcessIdentity
from .. import processes
from ..files import check_room, private_folder
from .processes import end_all, launched

_OWNER = "owner"


def claim(folder: Path) -> Path:
    """Write down that this process owns the folder."""
    path = folder / _OWNER
    path.touch(mode=0o600)
    path.write_bytes(msgspec.json.encode(processes.own()))
    return folder


def run_folder(workdir: Path, job: str) -> Path:
    """A new private folder for one run. Raises AdapterError where there is no room for it."""
    check_room(private_folder(workdir))
    return claim(Path(tempfile.mkdtemp(prefix=f"{job}.", dir=workdir)))


def control_folder() -> Path:
    """A new private folder for ssh's control sockets.

    Their paths must stay under 108 bytes (sockaddr_un) with ssh's own suffix of 17, so it does
    not lie in the state folder.
    """
    return claim(Path(tempfile.mkdtemp(prefix=_control_prefix(), dir=_short_folder())))


def sweep(workdir: Path) -> None:
    """Remove the folders of controllers that run no more. A playbook that still runs keeps its
    folder: who holds its run ends it first (`AnsibleRunner.reap`)."""
    for folder in workdir.iterdir() if workdir.is_dir() else ():
        if _abandoned(folder):
            process = launched(folder)
            if process is not None and processes.is_alive(process):
                continue
            if process is not None:
                end_all(process)  # workers that outlived ansible-playbook
            remove(folder)
    for folder in _short_folder().glob(f"{_control_prefix()}*"):
        if folder.stat().st_uid == os.getuid() and _abandoned(folder):
            remove_control(folder)


def remove_runs_of(workdir: Path, process: ProcessIdentity) -> None:
    """Remove the folder of a run whose process was ended."""
    for folder in workdir.iterdir() if workdir.is_dir() else ():
        found = launched(folder)
        if found is not None and (found.pid, found.start) == (process.pid, process.start):
            remove(folder)


def remove(folder: Path) -> None:
    """Remove a folder with everything in it; somebody else may be at it too."""
    shutil.rmtree(folder, ignore_errors=True)


def remove_control(folder: Path) -> None:
    """End the ssh masters of the folder and remove it.

    ssh writes `ssh: SOCKET [mux]` over its arguments and its environment, so a master is known by
    its title and not by a marker.
    """
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if entry.read_bytes().startswith(f"ssh: {folder}/".encode()):
                os.kill(int(entry.parent.name), signal.SIGTERM)
    remove(folder)


def end_and_remove(workdir: Path, process: ProcessIdentity) -> bool:
    """End what a dead controller left running and remove its folder. True where it still ran."""
    ran = end_all(process)
    remove_runs_of(workdir, process)
    return ran


def end_runs_of(workdir: Path, job: str) -> bool:
    """End and remove the abandoned runs of a job, whose folders begin with `JOB.`"""
    ran = False
    for folder in workdir.iterdir() if workdir.is_dir() else ():
        if folder.name.startswith(f"{job}.") and _abandoned(folder):
            process = launched(folder)
            ran = (process is not None and end_all(process)) or ran
            remove(folder)
    return ran


def _abandoned(folder: Path) -> bool:
    try:
        owner = msgspec.json.decode((folder / _OWNER).read_bytes(), type=ProcessIdentity)
    except (OSError, msgspec.MsgspecError):
        return False
    return not processes.is_alive(owner)


def _control_prefix() -> str:
    return f"patchctl-{os.getuid()}-"


def _short_folder() -> Path:
    usual = Path(tempfile.gettempdir())
    return usual if len(str(usual)) <= 40 else Path("/tmp")
