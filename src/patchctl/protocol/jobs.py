"""Jobs for hosts and their answers, independent of what carries them."""

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
    """A file that a run brings along: its content, or the relative path that a link leads to."""

    content: bytes = field(default=b"", repr=False)
    executable: bool = False
    link: str = ""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One stage for some hosts.

    `stage`: what is done there, by a name that the runner knows; how is the runner's own matter.
    `id`: letters, digits, dots, dashes and underscores. `inventory`: generated; builtins with
    vaulted values as `{"__ansible_vault": …}` and what is never templated as
    `{"__ansible_unsafe": …}`; its hosts are the job's. `variables` reach every
    host and win over all others; nothing that a host said may be in them. `payloads`: text for
    single hosts; each travels as a private file whose path is the host's `patch_payload_file`.
    `beside`: another such inventory, of hosts that the tasks may know of and reach without being
    the job's; the group of the job's own hosts is named by the variable `patch_hosts` then.
    `pushes`: the list of files for `patch_push`, as `patch_push_file`.
    `files`: laid into the run's private folder, by their path there; `places` are variables whose
    value is where one of these paths lies.
    `timeout_s`: for each task on each host, from connecting on (`patch_timeout`).
    `limit_s`: for the whole run, 0 for a generous one that is computed.
    `manager`: the hosts' package manager; None where that is all the same.
    `rescues`: the stage may rescue or ignore failures (an operator's hook does), so that a
    host's outcome is known only at the end of the run.
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
    """How a stage ended on a host. `lost`: the run ended without a word about it. `apart`: it was
    not asked, since nobody else can be asked with it."""

    OK = "ok"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    LOST = "lost"
    APART = "apart"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One host's end of a job.

    `reason` is one line in plain words where the status is not ok, `code` what it means to
    programs. `output` is what the host's
    script printed ("" if none), at most 64 MiB, and hostile; it may be there with status failed.
    `rc` is the script's exit code (255 without one). `elapsed_ms` is what the task took on this
    host. `trouble` says what kept this machine from taking the answer: nothing is known of the
    host then, and the status is `lost`. `at_ms`: when the answer came in, epoch milliseconds UTC.
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
    """The run is over; no answer of this job comes after it. `rc` is its process's."""

    job: str
    rc: int
    reason: str = ""


def hosts_of(inventory: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of all hosts of a generated inventory, sorted."""
    names: set[str] = set()
    waiting = [group for group in inventory.values() if isinstance(group, Mapping)]
    while waiting:
        group = waiting.pop()
        names.update(group.get("hosts") or {})
        waiting += [child for child in (group.get("children") or {}).values() if child]
    return tuple(sorted(names))


Answers = SimpleQueue[Answer | Ended]


class StartedJob(Protocol):
    """One job under way. `carrier` names what carries it, for the journal and for `reap`; several
    jobs may have the same. None where nothing does: no host of it can be asked together."""

    @property
    def job(self) -> Job: ...

    @property
    def carrier(self) -> Carrier | None: ...

    def cancel(self) -> None:
        """End the job with all that belongs to it now; hosts without an answer become `lost`."""


class Runner(Protocol):
    """Carries one job from its beginning to its end: all that most use cases need."""

    def run(self, job: Job, meanwhile: Callable[[], object] = ...) -> Iterator[Answer]:
        """Answers host by host until the job has ended; left early, the job is cancelled.

        `meanwhile` is called before any host is asked. Raises AdapterError where this machine
        failed, not the host.
        """


class HostRunner(Runner, Protocol):
    """Brings jobs to hosts, side by side. Whatever is done on hosts goes through one of these."""

    @property
    def forks(self) -> int:
        """How many hosts a job works on at once, unless it says otherwise."""

    def start(self, job: Job, into: Answers | None = None) -> StartedJob:
        """Start the job and return at once. Each host's Answer goes `into` the queue as it ends,
        `lost` for hosts without one, then exactly one Ended.

        Raises AdapterError where the job cannot be started.
        """

    def ask(self, job: Job, into: Answers) -> StartedJob:
        """The same by one worker, which further jobs for these hosts share; a host that has begun
        with its answer holds nothing that another one waits for. `payloads` are all that hosts are
        told. One that cannot be asked so answers `apart`.

        Raises AdapterError where the job cannot be started.
        """

    def reap(self, carrier: Carrier) -> bool:
        """End what a dead controller left running. True where it still ran.

        Raises AdapterError where the carrier is not one of this runner.
        """

    def reap_job(self, job: str) -> bool:
        """End every run of a dead controller whose job id is `job` or `job.SUFFIX`.

        True where one still ran. For a controller that died before it knew the carrier.
        """
