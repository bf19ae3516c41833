"""Work with a running lab: for tests, the demo and `lab publish`."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from msgspec.structs import replace

from ..errors import NotFoundError, UsageError
from ..models.lab import LabHost
from . import engine as engines
from . import hosts, packages, workspace
from .engine import HELPER, LABEL, Engine, EngineError, Result
from .model import HostSlot

REPOSITORY = "/srv/tools/bin/repository"
"""Path of the script that changes a lab's repository, in a container of its tools image."""

_Item = TypeVar("_Item")
_SIDE_BY_SIDE = 4


class Lab:
    """A running lab. Hosts have their inventory names. `fleet.up` and `find` return one."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine = engine
        self.name = name

    @property
    def workspace(self) -> Path:
        """Return the folder of the workspace that `lab up` wrote."""
        return Path(self.hosts()[0].workspace)

    def hosts(self) -> tuple[LabHost, ...]:
        """Return all hosts in their present state, in the order of their addresses."""
        return hosts.listed(self.engine, self.name)

    def host(self, name: str) -> LabHost:
        """Return one host. Raises NotFoundError."""
        for host in self.hosts():
            if host.name == name:
                return host
        raise NotFoundError(f"lab {self.name} has no host {name}")

    def container(self, host: str) -> str:
        """Return the name of a host's container."""
        return hosts.container_name(self.name, host)

    def exec(
        self, host: str, script: str, *, stdin: bytes | None = None, timeout_s: float = 120
    ) -> Result:
        """Run a shell script as root in a host, without ssh. Does not raise on its exit code."""
        return self.engine.exec(self.container(host), script, stdin=stdin, timeout_s=timeout_s)

    def check(
        self, host: str, script: str, *, stdin: bytes | None = None, timeout_s: float = 120
    ) -> str:
        """Run a shell script like `exec` and return its stdout. Raises EngineError on an exit code
        other than 0.
        """
        result = self.exec(host, script, stdin=stdin, timeout_s=timeout_s)
        if result.rc != 0:
            raise EngineError(f"{host}: exit code {result.rc}: {result.err.strip()[-300:]}")
        return result.out

    # --- the repository ---------------------------------------------------------------------
    # Every change of the repository also writes the feed in the workspace anew.

    def publish(self, *channels: str) -> None:
        """Add prepared updates to the repository. Hosts see them after `apt-get update`."""
        self._repository("add", channels)

    def withdraw(self, *channels: str) -> None:
        """Remove updates from the repository again, as mirrors do with old versions."""
        self._repository("drop", channels)

    def reset_repository(self) -> None:
        """Return the repository to its first state."""
        self._repository("reset", ())

    def _repository(self, command: str, channels: Sequence[str]) -> None:
        self._check(channels)
        labels = self._labels()
        label = f"--label={HELPER}={self.name}"
        mount = [label, "-v", f"{hosts.volume_name(self.name)}:/srv/lab", "--network=none"]
        both = f'{REPOSITORY} "$@" >&2 && {REPOSITORY} feed'
        order = ["sh", "-c", both, "-", command, *channels]
        done = self._starter(labels).once(labels[f"{LABEL}.tools"], mount, order)
        workspace.write_feed(self.workspace, self.name, done.out)

    def _check(self, wanted: Sequence[str]) -> None:
        """Raise UsageError for a channel that does not exist or that none of the lab's hosts can
        have.
        """
        known = {channel.name: channel for channel in packages.CHANNELS}
        images = {host.image for host in self.hosts()}
        for name in wanted:
            if name not in known:
                raise UsageError(f"no updates named {name}", hint=f"there are: {', '.join(known)}")
            only = known[name].image
            if only and only not in images:
                raise UsageError(
                    f"updates {name} are for {only} hosts, and lab {self.name} has none",
                    hint=f"make a lab with some: patchctl lab up --image {only}",
                )

    def in_tools(self, script: str, *, stdin: bytes) -> str:
        """Run a shell script in a container that has gpg and the signing key. Returns stdout."""
        labels = self._labels()
        options = ["-i", f"--label={HELPER}={self.name}", "--network=none"]
        tools = labels[f"{LABEL}.tools"]
        return self._starter(labels).once(tools, options, ["sh", "-c", script], stdin=stdin).out

    # --- single hosts -----------------------------------------------------------------------

    def stop(self, host: str) -> None:
        """Switch a host off at once. It keeps its files."""
        self.engine.run("stop", "-t", "0", self.container(host))

    def start(self, host: str) -> None:
        """Switch on a host that was stopped, and wait until it can be reached."""
        self.engine.run("start", self.container(host))
        hosts.wait_ready(self.engine, self.container(host))

    def restart(self, *names: str) -> int:
        """Switch hosts off and on (all without names) and wait until they can be reached. Returns
        how many. Raises NotFoundError for an unknown host.
        """
        wanted = [self.host(name).name for name in names] or [host.name for host in self.hosts()]

        def again(name: str) -> str:
            self.stop(name)
            self.start(name)
            return name

        return len(each(wanted, again))

    def reset(self, *names: str, tmpfs: Mapping[str, int] | None = None) -> None:
        """Make hosts anew from their image (all without names) and write their new keys to
        known_hosts.

        `tmpfs` is folder -> MiB: it mounts a file system of that size over the folder and copies
        the folder's files into it.
        """
        before = [host for host in self.hosts() if not names or host.name in names]
        starter = self._starter(self._labels())
        described = self.engine.inspect("container", [host.container for host in before])
        labels = [item["Config"]["Labels"] for item in described]
        options = [f"--tmpfs={path}:size={size}m" for path, size in (tmpfs or {}).items()]

        def again(item: tuple[LabHost, dict[str, str]]) -> str:
            host, own = item
            self.engine.run("rm", "-f", *starter.at_once(), host.container)
            return hosts.start(
                starter,
                self.name,
                _slot(host, own),
                own[f"{LABEL}.reference"],
                host.workspace,
                options,
            )

        keys = each(list(zip(before, labels, strict=True)), again)
        replaced = {host.address: (host, key) for host, key in zip(before, keys, strict=True)}
        workspace.replace_known_hosts(self.workspace, replaced)

    # --- inside -----------------------------------------------------------------------------

    def _labels(self) -> dict[str, str]:
        volumes = self.engine.inspect("volume", [hosts.volume_name(self.name)])
        if not volumes:
            raise NotFoundError(f"no lab {self.name} is up")
        return dict(volumes[0].get("Labels") or {})

    def _starter(self, labels: Mapping[str, str]) -> Engine:
        """Return the engine with the runtime that the lab was made with."""
        return replace(self.engine, runtime=labels.get(f"{LABEL}.runtime", ""))


def find(name: str, environment: Mapping[str, str]) -> Lab:
    """Return the lab of that name. Raises NotFoundError."""
    engine = engines.find(environment)
    if not engine.listed("container", f"{LABEL}={name}"):
        raise NotFoundError(f"no lab {name} is up", hint="start one: patchctl lab up --hosts 6")
    return Lab(engine, name)


def each(
    items: Sequence[_Item],
    work: Callable[[_Item], str],
    progress: Callable[[int], None] = lambda _: None,
) -> list[str]:
    """Call `work` for each item, for several items at the same time. Results have the order of the
    items. `progress` gets how many are done.
    """
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        running = [pool.submit(work, item) for item in items]
        try:
            results = []
            for done, future in enumerate(running, start=1):
                results.append(future.result())
                progress(done)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return results


def _slot(host: LabHost, labels: Mapping[str, str]) -> HostSlot:
    return HostSlot(
        name=host.name,
        ring=host.ring,
        image=host.image,
        address=host.address,
        groups=tuple(labels.get(f"{LABEL}.groups", "").split(",")),
        changed=labels.get(f"{LABEL}.changed", "") == "yes",
    )
