"""Start, stop and list whole labs."""

import re
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from ..adapters.files import locked, private_folder
from ..errors import ConflictError, PatchctlError, UsageError
from ..models.lab import LabStatus
from . import engine as engines
from . import hosts, images, workspace
from .builder import Say
from .engine import HELPER, LABEL, Engine, EngineError
from .handle import REPOSITORY, Lab, each
from .model import MIXED_HOSTS, PORT, RELEASES, HostSlot, host_slots, known_hosts, nets

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}\Z")
_INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
_INOTIFY_ENOUGH = 8192
# Each host's systemd uses about five inotify instances, and all hosts run as the same user, who has
# a limited number of them.
_INOTIFY_PER_HOST = 5
_REMOVE_ATTEMPTS = 10
_BUILD_TIMEOUT_S = 1800.0


def up(
    name: str,
    count: int,
    image: str,
    root: Path,
    say: Say,
    environment: Mapping[str, str],
    *,
    release: str = RELEASES[0],
) -> Lab:
    """Make a lab of `count` hosts and its workspace in `root`, an absolute path.

    `environment` says which engine to use, and where images come from and are kept. `release` is
    the release of Debian that rpm hosts are made of. If it fails, it leaves nothing behind. Raises
    UsageError, ConflictError where a lab of that name exists, EngineError.
    """
    _check_arguments(name, count, image, release)
    workspace.check(root, name)
    engine = engines.find(environment)
    folder = private_folder(_cache_folder(environment))
    with locked(folder / "lab-images.lock", timeout_s=_BUILD_TIMEOUT_S):
        engine, made = images.ensure(engine, image, release, say)
    _allow_watches(count, say)
    tools = made.tools_for(image)
    with ExitStack() as undo:
        with locked(folder / "lab-addresses.lock", timeout_s=60):
            _refuse_existing(engine, name)
            undo.callback(_undo, engine, name, root, say)
            first = _free_net(engine, count)
            _reserve(engine, tools, name, first, count)
        lab = _populate(engine, made, tools, name, host_slots(count, image, first), root, say)
        undo.pop_all()
    return lab


def _undo(engine: Engine, name: str, root: Path, say: Say) -> None:
    say("cleaning up")
    _remove(engine, name)
    workspace.remove(root, name)


def _populate(
    engine: Engine,
    made: images.Images,
    tools: str,
    name: str,
    wanted: Sequence[HostSlot],
    root: Path,
    say: Say,
) -> Lab:
    root.mkdir(mode=0o755, parents=True, exist_ok=True)
    public = workspace.make_key(root, name)
    volume = hosts.volume_name(name)
    changelogs = images.fill_volume(
        engine, tools, volume, lab=name, key=public, further=f"LAB=/mnt {REPOSITORY} feed"
    )
    begun = time.monotonic()
    keys = each(
        wanted,
        lambda slot: hosts.start(engine, name, slot, made.of(slot.image), str(root)),
        lambda done: say(f"hosts: {done} of {len(wanted)} running"),
    )
    lab = Lab(engine, name)
    by_name = {host.name: host for host in lab.hosts()}
    pairs = [(by_name[slot.name], key) for slot, key in zip(wanted, keys, strict=True)]
    for path in workspace.write(root, name, wanted, known_hosts(pairs)):
        say(f"workspace: your edited {path} is now {path}.bak")
    say(f"hosts: {len(wanted)} ready in {time.monotonic() - begun:.0f} s")
    feed = workspace.write_feed(root, name, changelogs)
    say(f"feed: {feed} names the CVEs that the updates fix")
    return lab


def status(environment: Mapping[str, str], name: str = "") -> LabStatus:
    """Return the hosts of one lab, or of all labs where the name is empty."""
    return LabStatus(hosts=hosts.listed(engines.find(environment), name))


def down(name: str, say: Say, environment: Mapping[str, str], *, with_images: bool = False) -> int:
    """Remove a lab and return how many hosts it had.

    Keys and unedited files of its workspace are removed too. Plans and state stay.
    """
    engine = engines.find(environment)
    before = hosts.listed(engine, name)
    _remove(engine, name)
    for root in sorted({Path(host.workspace) for host in before if host.workspace}):
        if not workspace.remove(root, name):
            say(f"workspace: {root} is kept, it holds plans, state or edited files")
    if with_images:
        say(f"images: {images.forget(engine)} removed")
    return len(before)


def _check_arguments(name: str, count: int, image: str, release: str) -> None:
    if not _NAME.match(name):
        raise UsageError(
            f"{name!r} is not a valid name for a lab", hint="use lower case letters, digits and -"
        )
    if not 1 <= count <= 500:
        raise UsageError(f"a lab has 1 to 500 hosts, not {count}")
    if image == "mixed" and count < MIXED_HOSTS:
        raise UsageError(
            f"a mixed lab has at least {MIXED_HOSTS} hosts, not {count}",
            hint="so that each kind is in staging and in production",
        )
    if release not in RELEASES:
        raise UsageError(f"no lab is made of {release}", hint=f"there are: {', '.join(RELEASES)}")
    if image == "debian" and release != RELEASES[0]:
        raise UsageError(
            f"Debian hosts are made of {RELEASES[0]}, only rpm hosts of {release}",
            hint="with --image rpm or mixed",
        )


def _cache_folder(environment: Mapping[str, str]) -> Path:
    home = Path(environment.get("HOME") or Path("~").expanduser())
    return Path(environment.get("XDG_CACHE_HOME") or home / ".cache") / "patchctl"


def _refuse_existing(engine: Engine, name: str) -> None:
    for kind in ("container", "network", "volume"):
        if engine.listed(kind, f"{LABEL}={name}"):
            raise ConflictError(
                f"lab {name} exists already",
                hint=f"patchctl lab down --name {name} removes it; --name makes another one",
            )


def _free_net(engine: Engine, count: int) -> int:
    """Return the first X for which 127.0.X.N belongs to no lab and nothing listens there."""
    needed = nets(count)
    taken = set()
    for network in engine.inspect("network", engine.listed("network", LABEL)):
        labels = network.get("labels") or network.get("Labels") or {}
        first = int(labels.get(f"{LABEL}.net", "0"))
        taken |= set(range(first, first + int(labels.get(f"{LABEL}.nets", "1"))))
    for first in range(1, 255 - needed):
        wanted = range(first, first + needed)
        if not taken & set(wanted) and all(_is_free(net, count) for net in wanted):
            return first
    raise EngineError("no loopback addresses are free for a lab", hint="patchctl lab down")


def _is_free(net: int, count: int) -> bool:
    for number in range(1, min(count, 250) + 1):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((f"127.0.{net}.{number}", PORT))
            except OSError:
                return False
    return True


def _reserve(engine: Engine, tools: str, name: str, first: int, count: int) -> None:
    """Make the network and the volume before the first host: their labels reserve the lab's
    addresses.
    """
    own = ["--label", f"{LABEL}={name}"]
    engine.run(
        "network",
        "create",
        *own,
        *["--label", f"{LABEL}.net={first}", "--label", f"{LABEL}.nets={nets(count)}"],
        hosts.network_name(name),
    )
    engine.run(
        "volume",
        "create",
        *own,
        *["--label", f"{LABEL}.tools={tools}"],
        *["--label", f"{LABEL}.runtime={engine.runtime}"],
        hosts.volume_name(name),
    )


def _remove(engine: Engine, name: str) -> None:
    """Remove everything that has the lab's label.

    Looks more than once: what an interrupted command started may appear after the first look.
    """
    for _ in range(_REMOVE_ATTEMPTS):
        containers = [
            *engine.listed("container", f"{LABEL}={name}"),
            *engine.listed("container", f"{HELPER}={name}"),
        ]
        if containers:
            engine.run("rm", "-f", *engine.at_once(), *containers, check=False)
        left = bool(containers)
        for kind in ("network", "volume"):
            names = engine.listed(kind, f"{LABEL}={name}")
            if names:
                engine.run(kind, "rm", *names, check=False)
            left = left or bool(names)
        if not left:
            return
        time.sleep(0.1)
    raise EngineError(
        f"lab {name} could not be removed whole", hint=f"again: patchctl lab down --name {name}"
    )


def _allow_watches(count: int, say: Say) -> None:
    """Raise the limit of inotify instances. Without enough of them systemd starts, but sshd does
    not.
    """
    if not _INOTIFY.exists():
        return
    now = int(_INOTIFY.read_text())
    if now >= min(_INOTIFY_ENOUGH, 28 + count * _INOTIFY_PER_HOST):
        return
    try:
        _INOTIFY.write_text(str(_INOTIFY_ENOUGH))
    except OSError as error:
        raise PatchctlError(
            f"{count} hosts need more inotify instances than {now}",
            hint=f"as root: sysctl fs.inotify.max_user_instances={_INOTIFY_ENOUGH}",
        ) from error
    say(f"kernel: fs.inotify.max_user_instances raised from {now} to {_INOTIFY_ENOUGH}")
