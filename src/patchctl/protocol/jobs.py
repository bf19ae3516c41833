"""Jobs for hosts and their answers, without any knowledge of Ansible or another runner."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from queue import SimpleQueue
from typing import Any, Protocol

from ..models.facts import PackageManager
from ..models.reach import ReasonCode
from ..models.rollout import Carrier


@dataclass(frozen=True, kw_only=True)
class CarriedFile:
    """A file that a job takes along: its content, or the relative path that a link points to."""

    content: bytes = field(default=b"", repr=False)
    executable: bool = False
    link: str = ""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One stage for some hosts.

    `stage`: a name that the runner knows; the runner decides how to do it. `id`: letters, digits,
    dots, dashes and underscores.

    `inventory`: generated, and its hosts are the job's. Builtins; vaulted values are
    `{"__ansible_vault": …}`, text that is never templated is `{"__ansible_unsafe": …}`. `beside`:
    an inventory of other hosts, which the tasks may know and reach; the variable `patch_hosts` then
    names the group of the job's own hosts. `variables` reach every host and override all others;
    they must contain nothing that a host sent.

    `payloads`: text for single hosts; each is sent as a private file whose path is the host's
    variable `patch_payload_file`. `pushes`: the list of files for `patch_push`, sent the same way
    as `patch_push_file`. `files`: path in the run's private folder -> file to put there. `places`:
    name of a variable -> such a path, which becomes its value.

    `timeout_s`: for each task on each host, from the connection on (`patch_timeout`). `limit_s`:
    for the whole run; 0 for a generous limit that the runner computes. `manager`: the package
    manager of the hosts, None where it does not matter. `rescues`: the stage may rescue or ignore
    failures (an operator's hook does), so the result of a host is known only at the end of the run.
    """

    id: str
    stage: str
    inventory: Mapping[str, Any]
    beside: Mapping[str, Any] = field(default_factory=dict, repr=False)
    variables: Mapping[str, Any] = field(default_factory=dict)
    payloads: Mapping[str, str] = field(default_factory=dict)
    pushes: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, CarriedFile] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    timeout_s: int = 60
    limit_s: int = 0
    forks: int = 0
    manager: PackageManager | None = None
    rescues: bool = False


class AnswerStatus(StrEnum):
    """How a stage ended on a host. `lost`: the run ended without an answer of the host. `apart`:
    the host was not asked, because it can only be asked alone.
    """

    OK = "ok"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    LOST = "lost"
    APART = "apart"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The result of a job on one host.

    `reason` is one line in plain words where the status is not ok, and `code` the same for
    programs. `output` is the text that the host's script printed, at most 64 MiB, hostile; it may
    be there although the status is failed. `rc` is the script's exit code, 255 without one.
    `elapsed_ms` is the task's time on this host. `trouble` says why this machine could not read the
    answer; the status is `lost` then, as nothing is known of the host. `at_ms` is when the answer
    arrived, in epoch milliseconds UTC.
    """

    job: str
    host: str
    status: AnswerStatus
    reason: str = ""
    code: ReasonCode = ReasonCode.UNKNOWN
    rc: int = 255
    output: str = field(default="", repr=False)
    elapsed_ms: int = 0
    trouble: str = ""
    at_ms: int = field(default=0, compare=False)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The run is over, and no further answer of this job comes. `rc` is the exit code of its
    process.
    """

    job: str
    rc: int
    reason: str = ""


def hosts_of(inventory: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of all hosts of a generated inventory, sorted."""
    names: set[str] = set()
    waiting = [group for group in inventory.values() if isinstance(group, Mapping)]
    while waiting:
        group = waiting.pop()
        names.update(group.get("hosts") or {})
        waiting += [child for child in (group.get("children") or {}).values() if child]
    return tuple(sorted(names))


Answers = SimpleQueue[Answer | Ended]


class StartedJob(Protocol):
    """One running job. `carrier` names the process that runs it, for the journal and for `reap`;
    several jobs may share one. None where no process does, because its hosts cannot be asked
    together.
    """

    @property
    def job(self) -> Job: ...

    @property
    def carrier(self) -> Carrier | None: ...

    def cancel(self) -> None:
        """End the job and its processes now. Hosts without an answer become `lost`."""


class Runner(Protocol):
    """Runs one job from start to end. This is all that most workflows need."""

    def run(self, job: Job, meanwhile: Callable[[], object] = ...) -> Iterator[Answer]:
        """Run the job and return each host's answer as it comes. Leaving the loop early cancels the
        job.

        `meanwhile` is called before any host is asked. Raises AdapterError where this machine
        failed, not the host.
        """


class HostRunner(Runner, Protocol):
    """Runs jobs on hosts, several at a time. All work on hosts goes through one of these."""

    @property
    def forks(self) -> int:
        """How many hosts a job works on at the same time, unless the job says otherwise."""

    def start(self, job: Job, into: Answers | None = None) -> StartedJob:
        """Start the job and return at once. Puts one Answer for each host into the queue `into`, as
        soon as the host is done (`lost` for hosts without an answer), then exactly one Ended.

        Raises AdapterError where the job cannot be started.
        """

    def ask(self, job: Job, into: Answers) -> StartedJob:
        """Start the job like `start`, in a process that later jobs for these hosts share. A host
        that has begun to answer does not block others. Hosts get nothing but their `payloads`. A
        host that cannot be asked this way answers `apart`.

        Raises AdapterError where the job cannot be started.
        """

    def reap(self, carrier: Carrier) -> bool:
        """End a process that a dead controller left running. Returns True where it still ran.

        Raises AdapterError where the carrier does not belong to this kind of runner.
        """

    def reap_job(self, job: str) -> bool:
        """End every run that a dead controller left and whose job id is `job` or `job.SUFFIX`.

        Returns True where one still ran. For a controller that died before it recorded the carrier.
        """
