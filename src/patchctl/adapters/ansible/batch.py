"""Ask hosts for many jobs by one ansible-playbook (`patch_together`), which reads a pipe.

To start Ansible costs the controller half a second of CPU; to ask a host over an open connection
costs a hundredth of that. So a worker stays as long as any job asks its hosts, and a host that only
waits needs no process of Ansible's but this one.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty

from ...errors import AdapterError
from ...models.connection import Connection
from ...models.rollout import Carrier
from ...protocol.jobs import Answer, Answers, AnswerStatus, Ended, Job, hosts_of
from ..files import translated
from . import folder, run_folders
from .playbook_run import PlaybookRun
from .results import Collector

_LOG = logging.getLogger(__name__)

# Each is an ansible-playbook with the variables of its hosts in memory.
SESSIONS_MAX = 3
# How long an idle worker stays: a hook or a push may come between.
IDLE_S = 15.0
_LOOK_S = 0.1


@dataclass(frozen=True)
class Declined:
    """A job whose hosts must all be asked apart; no process carries it. Implements jobs.Running."""

    job: Job
    carrier: None = None

    def cancel(self) -> None:
        """Nothing is under way."""


class Asked:
    """A job that a session has taken. Implements jobs.Running."""

    def __init__(
        self, session: "Session", job: Job, into: Answers, answers_folder: Path, limit_s: float
    ) -> None:
        self.job = job
        self.into = into
        self.answers_folder = answers_folder
        self.collector = Collector(job, answers_folder, session.connection)
        self.ends_at = time.monotonic() + limit_s
        self._session = session

    @property
    def carrier(self) -> Carrier:
        return self._session.carrier

    def cancel(self) -> None:
        """End the whole session: whoever cancels one job gives up all of them."""
        self._session.cancel()

    def over(self, rc: int, reason: str = "") -> None:
        """Put the job's end into its queue, and remove the folder of its request."""
        run_folders.remove(self.answers_folder)
        _LOG.info("stage %s: all asked (exit %d)", self.job.stage, rc)
        self.into.put(Ended(job=self.job.id, rc=rc, reason=reason))


class Session:
    """One worker and the hosts that it can ask. It calls `apart` with each host that it cannot."""

    def __init__(
        self, running: PlaybookRun, connection: Connection, apart: Callable[[str], None]
    ) -> None:
        self.connection = connection
        self._running = running
        self._apart = apart
        self._hosts = running.job.inventory["all"]["hosts"]
        # Open for reading as well, so that opening does not block; the worker sees the end of file
        # all the same when this process is gone.
        self._pipe = os.open(folder.requests(running.folder), os.O_RDWR | os.O_NONBLOCK)
        self._lock = threading.Lock()
        self._asked: list[Asked] = []
        self._lost: dict[str, Answer] = {}
        self._number = 0
        self._closed = self._cancelled = False
        self._quiet_since = time.monotonic()
        threading.Thread(
            target=self._collect, name=f"together-{running.job.id}", daemon=True
        ).start()

    @property
    def carrier(self) -> Carrier:
        return self._running.carrier

    @property
    def is_closed(self) -> bool:
        """Nothing more can be asked. A worker that was cancelled may take a moment to end."""
        return self._closed or self._cancelled

    @property
    def is_idle(self) -> bool:
        return not self._asked

    def covers(self, job: Job) -> bool:
        """Are the job's hosts among those of this worker, with the same variables?"""
        hosts = job.inventory["all"]["hosts"]
        return (
            not self.is_closed
            and job.manager is self._running.job.manager
            and set(hosts_of(job.inventory)) == set(hosts)
            and all(host in self._hosts and self._hosts[host] == hosts[host] for host in hosts)
        )

    def ask(self, job: Job, into: Answers, limit_s: float) -> Asked | None:
        """Ask a job's hosts; None where the worker is about to end.

        Raises AdapterError where the question cannot be laid down.
        """
        with self._lock:
            if self.is_closed:
                return None
            self._number += 1
            name = str(self._number)
            with translated(self._running.folder):
                asked = Asked(self, job, into, folder.ask(self._running.folder, name, job), limit_s)
                os.write(self._pipe, f"{name}\n".encode())
            self._asked.append(asked)
            return asked

    def cancel(self) -> None:
        """End the worker with all its processes now."""
        with self._lock:
            self._cancelled = True
        self._running.cancel()

    def close(self) -> None:
        """Let the worker end; jobs that are still asked are given up."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            os.close(self._pipe)

    def _collect(self) -> None:
        while not isinstance(answer := self._next_answer(), Ended):
            if answer is not None:
                self._lost[answer.host] = answer
            self._step()
        with self._lock:
            self._close()
            unfinished, self._asked = self._asked, []
        for asked in unfinished:
            self._pass_on(asked)
            for host in asked.collector.missing:
                asked.into.put(self._lost_answer(asked, host, answer))
            asked.over(answer.rc or 255, answer.reason or "the worker ended")

    def _next_answer(self) -> Answer | Ended | None:
        """The next answer of the worker's own run: each one there reports a host that is lost."""
        with contextlib.suppress(Empty):
            return self._running.answers.get(timeout=_LOOK_S)
        return None

    def _step(self) -> None:
        for asked in tuple(self._asked):
            self._pass_on(asked)
            if not asked.collector.missing:
                with self._lock:
                    self._asked.remove(asked)
                    self._quiet_since = time.monotonic()
                asked.over(0)
            elif time.monotonic() > asked.ends_at:
                _LOG.warning("stage %s: the worker does not end its work", asked.job.stage)
                self.cancel()
        with self._lock:
            if not self._asked and time.monotonic() - self._quiet_since > IDLE_S:
                self._close()

    def _pass_on(self, asked: Asked) -> None:
        for answer in map(self._running.doubted, asked.collector.batch_answers()):
            _LOG.debug("stage %s: %s %s", asked.job.stage, answer.host, answer.status)
            if answer.status is AnswerStatus.APART:
                self._apart(answer.host)
            asked.into.put(answer)

    def _lost_answer(self, asked: Asked, host: str, ended: Ended) -> Answer:
        known = self._lost.get(host)
        if known is not None and known.status is AnswerStatus.LOST:
            return replace(known, job=asked.job.id)
        reason = ended.reason or "the worker ended without an answer"
        return Answer(job=asked.job.id, host=host, status=AnswerStatus.LOST, reason=reason)


class Sessions:
    """The sessions of one command. `begin` starts the worker for a job's hosts."""

    def __init__(self, begin: Callable[[Job], PlaybookRun], connection: Connection) -> None:
        self._begin = begin
        self._connection = connection
        self._sessions: list[Session] = []
        self._apart: set[str] = set()
        # With passwords patch_together asks no host: it would have to pass them to ssh or sudo.
        self._passwords = not (connection.ssh_password is connection.become_password is None)

    def start(self, job: Job, into: Answers, limit_s: float) -> Asked | Declined:
        """Ask the job's hosts by a worker that has them, or by a new one.

        Where there are too many workers, or no host can be asked so, all are to be asked apart.
        Raises AdapterError where the worker cannot be started.
        """
        if not self._passwords and set(hosts_of(job.inventory)) - self._apart:
            for session in self._alive():
                if session.covers(job) and (asked := session.ask(job, into, limit_s)):
                    return asked
            if self._has_room():
                session = Session(self._begin(job), self._connection, self._apart.add)
                self._sessions.append(session)
                if asked := session.ask(job, into, limit_s):
                    return asked
                raise AdapterError("ansible-playbook ended before it could be asked anything")
        for host in hosts_of(job.inventory):
            into.put(Answer(job=job.id, host=host, status=AnswerStatus.APART))
        into.put(Ended(job=job.id, rc=0))
        return Declined(job)

    def close(self) -> None:
        """Let all workers end."""
        for session in self._alive():
            session.close()

    def _alive(self) -> list[Session]:
        self._sessions = [session for session in self._sessions if not session.is_closed]
        return list(self._sessions)

    def _has_room(self) -> bool:
        alive = self._alive()
        if len(alive) < SESSIONS_MAX:
            return True
        for session in alive:
            if session.is_idle:
                session.close()
                return True
        return False
