"""Playbooks run by ansible_runner in threads of this process; answers stream host by host."""

import errno
import logging
import math
import shlex
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Self, cast

import ansible_runner
import msgspec

from ...errors import AdapterError
from ...models import grammar
from ...models.connection import Connection
from ...models.reach import ReasonCode
from ...models.rollout import Carrier, ProcessIdentity
from ...protocol.jobs import Answer, Answers, AnswerStatus, Ended, Job, hosts_of
from ..files import is_full, translated
from . import folder, leftovers
from .answers import Collector
from .environment import clean_environment, program
from .folder import Folders
from .playbooks import Playbook, shipped
from .processes import LAUNCHER, end_all, launched

__all__ = [
    "AnsibleRunner",
    "Answer",
    "AnswerStatus",
    "Connection",
    "Ended",
    "Job",
    "Running",
]

_LOG = logging.getLogger(__name__)

_START_S = 30.0
# How long a command waits at its end for playbooks whose hosts have all answered, and for the
# threads around one that was ended.
_END_S = 10.0
# How soon a host's answer is seen that comes without an event.
_LOOK_S = 0.05
# What ansible-runner adds to the environment and its display callback needs.
_RUNNER_VARIABLES = (
    "ANSIBLE_CALLBACK_PLUGINS",
    "ANSIBLE_STDOUT_CALLBACK",
    "ANSIBLE_RETRY_FILES_ENABLED",
    "AWX_ISOLATED_DATA_DIR",
    "RUNNER_OMIT_EVENTS",
    "RUNNER_ONLY_FAILED_EVENTS",
)


class Running:
    """One run under way.

    `process` names ansible-playbook, for the journal and for `AnsibleRunner.reap`. `answers`
    yields each host's Answer as it ends, `lost` for hosts without one, then exactly one Ended.
    """

    def __init__(
        self, job: Job, connection: Connection, folders: Folders, answers: Answers
    ) -> None:
        self.job = job
        self._connection = connection
        self.answers = answers
        self._folders = folders
        self._events: SimpleQueue[Mapping[str, Any] | None] = SimpleQueue()
        self._process: ProcessIdentity | None = None
        self._cancelled = threading.Event()
        self._over = threading.Event()
        self._full = False

    @property
    def process(self) -> ProcessIdentity:
        if self._process is None:
            raise RuntimeError("the process is not started")
        return self._process

    @property
    def carrier(self) -> Carrier:
        return cast(Carrier, msgspec.to_builtins(self.process))

    def cancel(self) -> None:
        """End the run with all its processes now; hosts without an answer become `lost`."""
        self._cancelled.set()
        end_all(self.process)

    def wait(self, seconds: float) -> bool:
        """Until its private folders are gone, which have what the hosts' variables say."""
        return self._over.wait(seconds)

    def abandon(self) -> None:
        """End it where nobody can wait for its end any more, or where it has hardly begun."""
        self._cancelled.set()
        if process := launched(self._folders.run):
            end_all(process)
        # Without its folders a launcher that has not come so far starts nothing. Twice, for the
        # thread around it may be writing a last file.
        for _ in range(2):
            self._remove()

    def begin(self, config: ansible_runner.RunnerConfig) -> None:
        """Start the threads; returns when the process has a name."""
        carrier = threading.Thread(
            target=self._carry, args=(config,), name=f"run-{self.job.id}", daemon=True
        )
        carrier.start()
        threading.Thread(
            target=self._collect, args=(carrier,), name=f"answers-{self.job.id}", daemon=True
        ).start()
        deadline = time.monotonic() + _START_S
        while (process := launched(self._folders.run)) is None:
            if not carrier.is_alive() or time.monotonic() > deadline:
                raise AdapterError("ansible-playbook did not start")
            time.sleep(0.005)
        self._process = process

    def _carry(self, config: ansible_runner.RunnerConfig) -> None:
        runner = ansible_runner.Runner(
            config, event_handler=self._on_event, status_handler=self._on_status
        )
        try:
            runner.run()
            end = {"event": "patchctl-end", "rc": runner.rc, "timed_out": runner.timed_out}
        except Exception as error:  # it is reported as data, whatever the library raises
            end = {"event": "patchctl-end", "rc": 255, "error": f"{type(error).__name__}: {error}"}
            self._full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
        self._events.put(end)
        self._events.put(None)

    def _on_event(self, event: Mapping[str, Any]) -> bool:
        # Called inside pexpect's loop: a slow handler looks like a silent process to it.
        if event.get("event") == "playbook_on_start":
            # By then Ansible has loaded the inventory, the variables and the playbook.
            leftovers.was_read(self._folders.secret)
        self._events.put(event)
        return False

    def _on_status(self, status: Mapping[str, Any], **_: Any) -> None:
        # ansible-runner dumps the whole environment, which may hold secrets, into this file.
        if status.get("status") == "running":
            for path in (self._folders.secret / leftovers.ARTIFACTS).glob("*/command"):
                path.unlink(missing_ok=True)

    def _collect(self, carrier: threading.Thread) -> None:
        collector = Collector(self.job, self._folders.run / "output", self._connection)
        started = time.monotonic()
        name, hosts = self.job.stage, len(hosts_of(self.job.inventory))
        _LOG.debug("stage %s (%s) begins on %d hosts", name, self.job.id, hosts)
        for event in self._some_events():
            for answer in map(self._doubted, (*collector.told(), *collector.take(event))):
                took = time.monotonic() - started
                _LOG.debug("stage %s: %s %s, %.1f s", name, answer.host, answer.status, took)
                self.answers.put(answer)
        carrier.join()
        rest, ended = collector.end(
            cancelled=self._cancelled.is_set(), trouble=self._no_room(full=self._full)
        )
        if process := launched(self._folders.run):
            end_all(process)  # clients that a task's timeout left behind
        self._remove()
        self._over.set()
        for answer in rest:
            self.answers.put(answer)
        took = time.monotonic() - started
        _LOG.info("stage %s on %d hosts took %.1f s (exit %d)", name, hosts, took, ended.rc)
        self.answers.put(ended)

    def _doubted(self, answer: Answer) -> Answer:
        """What Ansible says of a full disk may be said of this machine."""
        if answer.code is not ReasonCode.NO_SPACE or not (trouble := self._no_room()):
            return answer
        return replace(
            answer,
            status=AnswerStatus.LOST,
            reason=trouble,
            code=ReasonCode.UNKNOWN,
            trouble=trouble,
        )

    def _no_room(self, *, full: bool = False) -> str:
        secret = self._folders.secret
        return f"{secret.parent} is full" if full or is_full(secret) else ""

    def _remove(self) -> None:
        leftovers.remove(self._folders.secret)
        leftovers.remove(self._folders.run)

    def _some_events(self) -> Iterator[Mapping[str, Any]]:
        """Every event, and an empty one now and then while none comes: hosts that are asked
        together have none of their own."""
        while True:
            try:
                event = self._events.get(timeout=_LOOK_S)
            except Empty:
                event = {}
            if event is None:
                return
            yield event


class _Open:
    """What must be gone when the command ends: the folders of its runs, and its ssh connections."""

    def __init__(self) -> None:
        self.control = leftovers.control_folder()
        self._running: list[Running] = []

    def add(self, running: Running) -> None:
        """It is there from now on."""
        self._running = [*self._left(), running]

    def end(self) -> None:
        """Wait for runs that are at their end, end the others, remove what they have."""
        try:
            deadline = time.monotonic() + _END_S
            for running in self._left():
                running.wait(deadline - time.monotonic())
            for running in (left := self._left()):
                running.cancel()
            deadline = time.monotonic() + _END_S
            for running in left:
                running.wait(deadline - time.monotonic())
        except KeyboardInterrupt:
            _LOG.debug("interrupted again: not waiting for playbooks")
        finally:
            for running in self._left():
                running.abandon()
            leftovers.remove_control(self.control)

    def _left(self) -> list[Running]:
        return [running for running in self._running if not running.wait(0)]


class AnsibleRunner:
    """A `HostRunner`. Close it at the end: its ssh connections stay open between runs.

    Ansible gets `environment` without what would change its behaviour. `playbooks` gives a stage's
    playbook, or raises KeyError.
    """

    def __init__(
        self,
        workdir: Path,
        cwd: Path,
        connection: Connection,
        environment: Mapping[str, str],
        playbooks: Callable[[str], Playbook] = shipped,
    ) -> None:
        self._workdir = workdir
        self._playbooks = playbooks
        self._cwd = cwd
        self._connection = connection
        self._environment = clean_environment(environment)
        leftovers.sweep(workdir)
        self._open = _Open()
        # Also where nobody closes it: at the end of the process, before its threads are stopped.
        self._finalizer = weakref.finalize(self, self._open.end)

    @property
    def forks(self) -> int:
        """How many hosts a job works on at once, unless it says otherwise."""
        return self._connection.forks

    def start(self, job: Job, into: Answers | None = None) -> Running:
        """Start the job and return at once. `into`: a queue that several runs may share.

        Raises AdapterError where ansible-playbook cannot be started.
        """
        if not grammar.fits("job", job.id):
            raise ValueError(f"not a job id: {job.id!r}")
        playbook = self._playbooks(job.stage)
        secrets = folder.given(job, self._connection)
        with translated(self._workdir):
            private = leftovers.run_folder(self._workdir, job.id)
        try:
            with translated(private):
                room = sum(map(len, secrets.values()))
                folders = Folders(
                    private, leftovers.secret_folder(private, room=room), self._open.control
                )
        except BaseException:
            leftovers.remove(private)
            raise
        answers: Answers = SimpleQueue() if into is None else into
        running = Running(job, self._connection, folders, answers)
        self._open.add(running)
        try:
            with translated(folders.secret):
                running.begin(self._config(job, playbook, folders, secrets))
        except BaseException:
            running.abandon()
            raise
        return running

    def run(self, job: Job, meanwhile: Callable[[], object] = lambda: None) -> Iterator[Answer]:
        """Answers host by host until the run has ended; left early, the run is cancelled.

        `meanwhile` is called while Ansible starts, half a second in which no host is asked. Raises
        AdapterError where this machine failed, not the host.
        """
        running = self.start(job)
        ended = False
        try:
            meanwhile()
            while not ended:
                found = running.answers.get()
                if isinstance(found, Ended):
                    ended = True
                elif found.trouble:
                    raise AdapterError(found.trouble, hint="free space there and try again")
                else:
                    yield found
        finally:
            if not ended:
                running.cancel()
                running.wait(_START_S)

    def reap(self, carrier: Carrier) -> bool:
        """End what a dead controller left running. True where it still ran."""
        try:
            process = msgspec.convert(carrier, ProcessIdentity)
        except msgspec.ValidationError as error:
            raise AdapterError(
                f"what carries this work is no process of Ansible: {error}"
            ) from None
        return leftovers.end_and_remove(self._workdir, process)

    def reap_job(self, job: str) -> bool:
        """End every run of a dead controller whose job id is `job` or `job.SUFFIX`.

        True where one still ran. For a controller that died before it knew the process.
        """
        return leftovers.end_runs_of(self._workdir, job)

    def close(self) -> None:
        """End the runs that go on, and the ssh connections that were kept open."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _config(
        self, job: Job, playbook: Playbook, folders: Folders, secrets: Mapping[str, str]
    ) -> ansible_runner.RunnerConfig:
        arguments = folder.write(folders, job, playbook, self._connection, secrets)
        config = ansible_runner.RunnerConfig(
            private_data_dir=str(folders.run),
            project_dir=str(self._cwd),
            artifact_dir=str(folders.secret / leftovers.ARTIFACTS),
            ident="run",
            playbook=str(playbook.path),
            cmdline=shlex.join(arguments),
            passwords=dict(folder.passwords(self._connection)),
            fact_cache_type="memory",
            timeout=job.limit_s or self._limit_s(job),
            quiet=True,
        )
        config.prepare()
        ansible_playbook = str(program("ansible-playbook"))
        places = (str(folders.run), str(folders.secret))
        config.command = ["/bin/sh", "-c", LAUNCHER, "sh", *places, ansible_playbook, *arguments]
        environment = {
            **self._environment,
            **{name: config.env[name] for name in _RUNNER_VARIABLES},
            "ANSIBLE_CONFIG": str(folders.run / "ansible.cfg"),
            "ANSIBLE_HOST_KEY_CHECKING": "True",  # ansible-runner switches it off by default
        }
        config.env = environment
        config.suppress_output_file = True
        config.pexpect_timeout = 1
        return config

    def _limit_s(self, job: Job) -> int:
        """A last line of defence; single tasks have their own limit."""
        rounds = math.ceil(len(hosts_of(job.inventory)) / (job.forks or self._connection.forks))
        return 120 + 10 * max(1, rounds) * (job.timeout_s + self._connection.connect_timeout_s)
