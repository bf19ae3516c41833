"""Make the private folders of runs, and remove those that dead controllers left behind.

A folder names its owner, so a later controller can tell an abandoned one from one in use. What
holds a secret lies in a folder of its own, in memory where this machine has a place for that:

    given/  inventory.json  extra-N.yml     until Ansible has read them
    tmp/  artifacts/                        Ansible's and ansible-runner's own, while they run
"""

import contextlib
import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ...models.rollout import ProcessIdentity
from .. import memory, processes
from ..files import check_room, open_regular, private_folder, translated
from . import segments
from .processes import end_all, launched

GIVEN, TMP, ARTIFACTS = "given", "tmp", "artifacts"
# The secret folder of a run, below the run's, on a machine that has no place in memory.
ON_DISK = "secret"
_OWNER = "owner"


class _Owner(msgspec.Struct):
    """`space`: the PID namespace of `pid`; 0: not known. Containers with other namespaces may share
    the folder, and nobody there can tell whether the process runs."""

    pid: int
    pgid: int
    start: int
    boot_id: str
    space: int = 0


def claim(folder: Path) -> Path:
    """Write down that this process owns the folder."""
    own = processes.own()
    owner = _Owner(own.pid, own.pgid, own.start, own.boot_id, _pid_space())
    path = folder / _OWNER
    path.touch(mode=0o600)
    path.write_bytes(msgspec.json.encode(owner))
    return folder


def run_folder(workdir: Path, job: str) -> Path:
    """Make a private folder for one run. Raises AdapterError where there is no room for it."""
    check_room(private_folder(workdir))
    return claim(Path(tempfile.mkdtemp(prefix=f"{job}.", dir=workdir)))


def secret_folder(run: Path | None = None, *, room: int = 0) -> Path:
    """Make a private folder for secrets, of the run whose folder is `run`, or for temporary use.

    Without a place in memory it lies in `run`, or where temporary files do. `room`: the bytes that
    must fit in. Raises AdapterError where they do not.
    """
    parent = memory.find().folder
    if parent is None and run is not None:
        check_room(run, room)
        return private_folder(run / ON_DISK)
    return _new_folder(parent or Path(tempfile.gettempdir()), room)


@contextlib.contextmanager
def passing_folder(*, in_memory: bool = True) -> Iterator[Path]:
    """A private folder that is removed at the end. With `in_memory` False, for what is large and
    lies on a disk already, it is made where temporary files are."""
    folder = secret_folder() if in_memory else _new_folder(Path(tempfile.gettempdir()))
    try:
        yield folder
    finally:
        remove(folder)


def _new_folder(parent: Path, room: int = 0) -> Path:
    check_room(parent, room)
    with translated(parent):
        return claim(Path(tempfile.mkdtemp(prefix=_secret_prefix(), dir=parent)))


def was_read(secret: Path) -> None:
    """Remove the run's inventory and variables: Ansible has read them."""
    remove(secret / GIVEN)


def control_folder() -> Path:
    """A new private folder for ssh's control sockets.

    Their paths must stay under 108 bytes (sockaddr_un) with ssh's own suffix of 17, so it does
    not lie in the state folder.
    """
    return claim(Path(tempfile.mkdtemp(prefix=_control_prefix(), dir=_short_folder())))


def sweep(workdir: Path) -> None:
    """Remove the folders of dead controllers. A playbook that still runs keeps its folder: whoever
    holds its run ends it first (`AnsibleRunner.reap`)."""
    sweep_secrets(workdir)
    for folder in _entries(_short_folder(), _control_prefix()):
        if _is_own(folder) and _abandoned(folder):
            remove_control(folder)


def sweep_secrets(workdir: Path) -> None:
    """The same for folders that may hold a secret: cheap enough for every command. What belongs to
    somebody else is neither followed nor removed, whatever its name; nor is it an error."""
    for folder in _entries(workdir):
        _sweep(folder, folder / ON_DISK)
    for parent in {*memory.folders(), Path(tempfile.gettempdir())}:
        for folder in _entries(parent, _secret_prefix()):
            if _is_own(folder):
                _sweep(folder, folder)
    segments.sweep()


def _sweep(folder: Path, secret: Path) -> None:
    if not _abandoned(folder):
        return
    # Doctor's runs lie in a passing folder, one below.
    started = [process for process in map(launched, (folder, *_entries(folder))) if process]
    if any(map(processes.is_alive, started)):
        # Its first event lies there, unread; so Ansible has loaded the inventory and variables.
        if any((secret / ARTIFACTS).glob("*/job_events/*")):
            was_read(secret)
        return
    for process in started:
        end_all(process)  # workers that outlived ansible-playbook
    remove(folder)


def remove_runs_of(workdir: Path, process: ProcessIdentity) -> None:
    """Remove the folders of a run whose process was ended."""
    for folder in _entries(workdir):
        launched_process = launched(folder)
        if launched_process is not None and (launched_process.pid, launched_process.start) == (
            process.pid,
            process.start,
        ):
            remove(folder)
    sweep_secrets(workdir)


def remove(folder: Path) -> None:
    """Remove a folder with everything in it; another process may be removing it too."""
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
    """End what a dead controller left running and remove its folders. True where it still ran."""
    ran = end_all(process)
    remove_runs_of(workdir, process)
    return ran


def end_runs_of(workdir: Path, job: str) -> bool:
    """End and remove the abandoned runs of a job, whose folders begin with `JOB.`"""
    ran = False
    for folder in _entries(workdir):
        if folder.name.startswith(f"{job}.") and _abandoned(folder):
            process = launched(folder)
            ran = (process is not None and end_all(process)) or ran
            remove(folder)
    sweep_secrets(workdir)
    return ran


def _abandoned(folder: Path) -> bool:
    try:
        with open_regular(folder / _OWNER) as file:
            owner = msgspec.json.decode(file.read(), type=_Owner)
    except (OSError, msgspec.MsgspecError):
        return False
    if owner.space not in (0, _pid_space()):
        return False
    return not processes.is_alive(
        ProcessIdentity(pid=owner.pid, pgid=owner.pgid, start=owner.start, boot_id=owner.boot_id)
    )


def _is_own(folder: Path) -> bool:
    """Is it this user's folder, no link, into which nobody else can put anything?"""
    try:
        state = folder.lstat()
    except OSError:
        return False
    mode = stat.S_ISDIR(state.st_mode) and not state.st_mode & 0o077
    return mode and state.st_uid == os.geteuid()


def _entries(folder: Path, prefix: str = "") -> list[Path]:
    """The folders in it, without links to folders; empty where it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return [
                Path(entry.path)
                for entry in entries
                if entry.name.startswith(prefix) and entry.is_dir(follow_symlinks=False)
            ]
    except OSError:
        return []


def _control_prefix() -> str:
    return f"patchctl-{os.getuid()}-"


def _secret_prefix() -> str:
    return f"patchctl-secrets-{os.geteuid()}-"


def _short_folder() -> Path:
    usual = Path(tempfile.gettempdir())
    return usual if len(str(usual)) <= 40 else Path("/tmp")


def _pid_space() -> int:
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return 0
