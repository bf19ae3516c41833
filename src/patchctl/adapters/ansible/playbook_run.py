"""One run of ansible-playbook; threads of this process read its events."""

import errno
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, cast

import ansible_runner
import msgspec

from ...errors import AdapterError
from ...models.connection import Connection
from ...models.reach import ReasonCode
from ...models.rollout import Carrier, ProcessIdentity
from ...protocol.jobs import Answer, Answers, AnswerStatus, Job, hosts_of
from ..files import is_full
from . import run_folders
from .folder import Folders
from .processes import end_all, has_begun, launched
from .results import Collector

_LOG = logging.getLogger(__name__)

_START_S = 30.0
# How soon an answer that comes without an event is seen.
_LOOK_S = 0.05


class PlaybookRun:
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
    def folder(self) -> Path:
        """Its private folder, without what holds a secret."""
        return self._folders.run

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
        """True once its private folders are gone; they hold what the hosts' variables say."""
        return self._over.wait(seconds)

    def abandon(self) -> None:
        """End the run where nobody can wait for it any more, or where it has hardly begun."""
        self._cancelled.set()
        if process := launched(self._folders.run):
            end_all(process)
        # Without its folders a launcher that is still at its beginning starts nothing. Twice,
        # because the run's thread may be writing a last file.
        for _ in range(2):
            self._remove()

    def begin(self, config: ansible_runner.RunnerConfig) -> None:
        """Start the threads; return when the process has a name."""
        carrier = threading.Thread(
            target=self._carry, args=(config,), name=f"run-{self.job.id}", daemon=True
        )
        carrier.start()
        threading.Thread(
            target=self._collect, args=(carrier,), name=f"answers-{self.job.id}", daemon=True
        ).start()
        deadline = time.monotonic() + _START_S
        while (process := launched(self._folders.run)) is None or not has_begun(process):
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
            run_folders.was_read(self._folders.secret)
        self._events.put(event)
        return False

    def _on_status(self, status: Mapping[str, Any], **_: Any) -> None:
        # ansible-runner dumps the whole environment, which may hold secrets, into this file.
        if status.get("status") == "running":
            for path in (self._folders.secret / run_folders.ARTIFACTS).glob("*/command"):
                path.unlink(missing_ok=True)

    def _collect(self, carrier: threading.Thread) -> None:
        collector = Collector(self.job, self._folders.run / "output", self._connection)
        started = time.monotonic()
        name, hosts = self.job.stage, len(hosts_of(self.job.inventory))
        _LOG.debug("stage %s (%s) begins on %d hosts", name, self.job.id, hosts)
        for event in self._events_or_idle():
            for answer in map(self.doubted, (*collector.batch_answers(), *collector.take(event))):
                took = time.monotonic() - started
                _LOG.debug("stage %s: %s %s, %.1f s", name, answer.host, answer.status, took)
                self.answers.put(answer)
        carrier.join()
        last_answers, ended = collector.end(
            cancelled=self._cancelled.is_set(), trouble=self._no_room(full=self._full)
        )
        if process := launched(self._folders.run):
            end_all(process)  # clients that a task's timeout left behind
        self._remove()
        self._over.set()
        for answer in last_answers:
            self.answers.put(answer)
        took = time.monotonic() - started
        _LOG.info("stage %s on %d hosts took %.1f s (exit %d)", name, hosts, took, ended.rc)
        self.answers.put(ended)

    def doubted(self, answer: Answer) -> Answer:
        """The answer, or `lost` where its "disk full" may mean this machine's disk."""
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
        run_folders.remove(self._folders.secret)
        run_folders.remove(self._folders.run)

    def _events_or_idle(self) -> Iterator[Mapping[str, Any]]:
        """Every event, and an empty one now and then while none comes: hosts that are asked
        together cause no events."""
        while True:
            try:
                event = self._events.get(timeout=_LOOK_S)
            except Empty:
                event = {}
            if event is None:
                return
            yield event
