"""Run playbooks by ansible_runner in threads of this process; answers stream host by host."""

import logging
import math
import shlex
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Self

import ansible_runner
import msgspec

from ...errors import AdapterError
from ...models import grammar
from ...models.connection import Connection
from ...models.rollout import Carrier, ProcessIdentity
from ...protocol.jobs import Answer, Answers, AnswerStatus, Ended, Job, hosts_of
from ..files import translated
from . import folder, run_folders
from .batch import Asked, Declined, Sessions
from .environment import clean_environment, program
from .folder import Folders
from .playbook_run import PlaybookRun
from .playbooks import TOGETHER, Playbook, shipped
from .processes import LAUNCHER

__all__ = [
    "AnsibleRunner",
    "Answer",
    "AnswerStatus",
    "Connection",
    "Ended",
    "Job",
    "PlaybookRun",
]

_LOG = logging.getLogger(__name__)

_START_S = 30.0
# A worker that asks together ends when nobody asks any more; this is its last line of defence.
_SESSION_S = 7 * 86_400
# How long a command waits at its end for playbooks whose hosts have all answered, and for the
# threads around one that was ended.
_END_S = 10.0
# What ansible-runner adds to the environment and its display callback needs.
_RUNNER_VARIABLES = (
    "ANSIBLE_CALLBACK_PLUGINS",
    "ANSIBLE_STDOUT_CALLBACK",
    "ANSIBLE_RETRY_FILES_ENABLED",
    "AWX_ISOLATED_DATA_DIR",
    "RUNNER_OMIT_EVENTS",
    "RUNNER_ONLY_FAILED_EVENTS",
)


class _Open:
    """What must be gone when the command ends: the folders of its runs and its ssh connections."""

    def __init__(self) -> None:
        self.control = run_folders.control_folder()
        self._running: list[PlaybookRun] = []
        self.sessions: Sessions | None = None

    def add(self, running: PlaybookRun) -> None:
        """Note that this run is under way."""
        self._running = [*self._unfinished(), running]

    def end(self) -> None:
        """Wait for runs that are about to end, end the others, and remove their folders."""
        try:
            if self.sessions is not None:
                self.sessions.close()
            deadline = time.monotonic() + _END_S
            for running in self._unfinished():
                running.wait(deadline - time.monotonic())
            for running in (left := self._unfinished()):
                running.cancel()
            deadline = time.monotonic() + _END_S
            for running in left:
                running.wait(deadline - time.monotonic())
        except KeyboardInterrupt:
            _LOG.debug("interrupted again: not waiting for playbooks")
        finally:
            for running in self._unfinished():
                running.abandon()
            run_folders.remove_control(self.control)

    def _unfinished(self) -> list[PlaybookRun]:
        return [running for running in self._running if not running.wait(0)]


class AnsibleRunner:
    """A `HostRunner`. Close it at the end: its ssh connections stay open between runs.

    Ansible gets `environment` without what would change its behaviour. `playbooks` maps a stage to
    its playbook, or raises KeyError.
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
        run_folders.sweep(workdir)
        self._open = _Open()
        self._open.sessions = Sessions(self._serve, connection)
        # Where nobody closes it: end at the end of the process, before its threads are stopped.
        self._finalizer = weakref.finalize(self, self._open.end)

    @property
    def forks(self) -> int:
        """How many hosts a job works on at once, unless it says otherwise."""
        return self._connection.forks

    def start(self, job: Job, into: Answers | None = None) -> PlaybookRun:
        """Start the job and return at once. `into`: a queue that several runs may share.

        Raises AdapterError where ansible-playbook cannot be started.
        """
        if not grammar.fits("job", job.id):
            raise ValueError(f"not a job id: {job.id!r}")
        playbook = self._playbooks(job.stage)
        secrets = folder.secret_files(job, self._connection)
        with translated(self._workdir):
            private = run_folders.run_folder(self._workdir, job.id)
        try:
            with translated(private):
                room = sum(map(len, secrets.values()))
                folders = Folders(
                    private, run_folders.secret_folder(private, room=room), self._open.control
                )
        except BaseException:
            run_folders.remove(private)
            raise
        answers: Answers = SimpleQueue() if into is None else into
        running = PlaybookRun(job, self._connection, folders, answers)
        self._open.add(running)
        try:
            with translated(folders.secret):
                running.begin(self._config(job, playbook, folders, secrets))
        except BaseException:
            running.abandon()
            raise
        return running

    def ask(self, job: Job, into: Answers) -> Asked | Declined:
        """Ask the job's hosts through one worker, which further jobs for them share.

        Raises AdapterError where the worker cannot be started.
        """
        assert self._open.sessions is not None
        return self._open.sessions.start(job, into, self._limit_s(job))

    def _serve(self, job: Job) -> PlaybookRun:
        """Start the worker of a session, for the hosts of its first job."""
        return self.start(
            Job(
                id=job.id,
                stage=TOGETHER,
                inventory=job.inventory,
                manager=job.manager,
                limit_s=_SESSION_S,
            )
        )

    def run(self, job: Job, meanwhile: Callable[[], object] = lambda: None) -> Iterator[Answer]:
        """Yield answers host by host until the run has ended; left early, it cancels the run.

        `meanwhile` is called while Ansible starts, half a second in which no host is asked. Raises
        AdapterError where this machine failed, not the host.
        """
        running = self.start(job)
        ended = False
        try:
            meanwhile()
            while not ended:
                answer = running.answers.get()
                if isinstance(answer, Ended):
                    ended = True
                elif answer.trouble:
                    raise AdapterError(answer.trouble, hint="free space there and try again")
                else:
                    yield answer
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
                f"what carries this work is not a process of Ansible: {error}"
            ) from None
        return run_folders.end_and_remove(self._workdir, process)

    def reap_job(self, job: str) -> bool:
        """End every run of a dead controller whose job id is `job` or `job.SUFFIX`.

        True where one still ran. For a controller that died before it knew the process.
        """
        return run_folders.end_runs_of(self._workdir, job)

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
            artifact_dir=str(folders.secret / run_folders.ARTIFACTS),
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
        run_folder_paths = (str(folders.run), str(folders.secret))
        config.command = [
            "/bin/sh",
            "-c",
            LAUNCHER,
            "sh",
            *run_folder_paths,
            ansible_playbook,
            *arguments,
        ]
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
