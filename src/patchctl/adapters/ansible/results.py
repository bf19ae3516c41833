"""Turn ansible-runner's events, and the lines that `patch_together` writes, into Answers."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from ...errors import AdapterError
from ...models.connection import Connection
from ...models.reach import REFUSED_PASSWORD, Reason, ReasonCode
from ...models.unsafe import opened
from ...protocol import envelope
from ...protocol.cleaning import sentence
from ...protocol.jobs import Answer, AnswerStatus, Ended, Job, hosts_of
from ..clock import now_ms
from . import task_failures
from .reasons import Become, explain, script_reason

_TAIL = 20


def answer_file(folder: Path, host: str) -> Path:
    """Where the `patch_script` action leaves the answer of that inventory host."""
    return folder / hashlib.sha256(host.encode()).hexdigest()[:32]


class _BatchLine(msgspec.Struct):
    """A line of the file `ended`; the action plugin `patch_together` documents its fields."""

    host: str
    status: str
    msg: str
    trouble: str
    ms: int
    unstarted: bool = False


class Collector:
    """Collects the answers of a run's hosts from its events, which must come in order."""

    def __init__(self, job: Job, output: Path, connection: Connection | None = None) -> None:
        self._job = job
        self._output = output
        self._connection = connection or Connection()
        self._passwords = offered(job, self._connection)
        self._missing = dict.fromkeys(hosts_of(job.inventory))
        self._known = frozenset((*self._missing, *hosts_of(job.beside), "localhost"))
        self._rounds = task_failures.Rounds()
        self._failures: dict[str, Answer] = {}
        self._stats: Mapping[str, Any] | None = None
        self._display_lines: list[str] = []
        self._read = 0
        self._batch_failure: Reason | None = None
        self._end: Mapping[str, Any] = {"rc": 255}

    @property
    def missing(self) -> tuple[str, ...]:
        """The hosts that have not answered."""
        return tuple(self._missing)

    def batch_answers(self) -> Iterator[Answer]:
        """New answers of hosts that are asked together; they cause no event of Ansible's."""
        for line in self._lines():
            try:
                host_line = msgspec.json.decode(line, type=_BatchLine)
            except msgspec.MsgspecError:
                continue  # its host is one without an answer
            if host_line.host in self._missing:
                del self._missing[host_line.host]
                yield self._batch_answer(host_line)

    def take(self, event: Mapping[str, Any]) -> Iterator[Answer]:
        """The answers that this event completes."""
        kind = event.get("event")
        data = event.get("event_data") or {}
        host = data.get("host")
        if kind == "patchctl-end":
            self._end = event
        elif kind == "playbook_on_stats":
            self._stats = data
        elif kind in ("verbose", "error", "deprecated", "warning"):
            self._keep_display(event)
        elif kind == "runner_item_on_failed":
            self._rounds.see(event)
        elif kind == "runner_on_failed" and data.get("task_action") == _TOGETHER:
            # Ansible reports it for one host, but it holds for all that have not answered.
            result = data.get("res") or {}
            self._batch_failure = explain(task_failures.message(result))
            if trouble := result.get("patch_trouble"):
                yield from self._all_lost(str(trouble))
        elif host in self._missing and kind in _RESULTS:
            answer = self._judge(event, host, data)
            if answer is not None:
                del self._missing[host]
                yield answer

    def end(self, *, cancelled: bool, trouble: str = "") -> tuple[list[Answer], Ended]:
        """The answers for the hosts that are left, and the run's end.

        `trouble`: why this machine may have lost what those hosts answered.
        """
        reason, rc = self._end_reason(cancelled), self._end.get("rc")
        answers = [self._final_answer(host, reason) for host in self._missing]
        if trouble and not cancelled:
            answers = [
                self._lost(answer.host, trouble) if answer.status is AnswerStatus.LOST else answer
                for answer in answers
            ]
        return answers, Ended(
            job=self._job.id, rc=255 if rc is None else int(rc), reason=reason.text
        )

    def _judge(self, event: Mapping[str, Any], host: str, data: Mapping[str, Any]) -> Answer | None:
        kind, result = event.get("event"), data.get("res")
        result = result if isinstance(result, dict) else {}
        elapsed = int(float(data.get("duration") or 0) * 1000)
        if trouble := result.get("patch_trouble"):
            return self._lost(host, str(trouble))
        if result.get("patch_answer") is True:
            return self._answer(host, result, elapsed)
        if kind == "runner_on_unreachable":
            reason = self._task_reason(event, host)
            failure = self._failure(host, AnswerStatus.UNREACHABLE, reason, elapsed)
        elif kind == "runner_on_failed" and not data.get("ignore_errors"):
            reason = self._task_reason(event, host)
            failure = self._failure(host, AnswerStatus.FAILED, reason, elapsed)
        else:
            return None
        if not self._job.rescues:
            return failure
        self._failures[host] = failure
        return None

    def _task_reason(self, event: Mapping[str, Any], host: str) -> Reason:
        event = self._rounds.of(event)
        reason = self._explain(host, task_failures.message(task_failures.result_of(event)))
        other = task_failures.elsewhere(event, host, self._known)
        if not other or reason.code is ReasonCode.UNSEEN:
            return reason
        # A key or password that another host refuses says nothing about those of this one.
        refused = reason.code in REFUSED_PASSWORD or reason.code is ReasonCode.REFUSED_KEY
        code = ReasonCode.UNKNOWN if refused else reason.code
        return Reason(code=code, text=f"on {other}: {reason.text}")

    def _lines(self) -> list[bytes]:
        """The complete lines that were added to the file `ended` since the last call."""
        try:
            with (self._output / "ended").open("rb") as file:
                file.seek(self._read)
                new = file.read()
        except FileNotFoundError:
            return []
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        return whole.splitlines()

    def _batch_answer(self, line: _BatchLine) -> Answer:
        if line.trouble:
            return self._lost(line.host, line.trouble)
        if line.status == "apart":
            return Answer(job=self._job.id, host=line.host, status=AnswerStatus.APART)
        if line.status == "unreachable":
            reason = self._explain(line.host, line.msg)
            return self._failure(line.host, AnswerStatus.UNREACHABLE, reason, line.ms)
        result = {"msg": line.msg, "patch_unstarted": line.unstarted}
        return self._answer(line.host, result, line.ms)

    def _all_lost(self, trouble: str) -> Iterator[Answer]:
        missing, self._missing = self._missing, {}
        for host in missing:
            yield self._lost(host, trouble)

    def _lost(self, host: str, trouble: str) -> Answer:
        reason = sentence(trouble)
        return Answer(
            job=self._job.id,
            at_ms=now_ms(),
            host=host,
            status=AnswerStatus.LOST,
            reason=reason,
            trouble=reason,
        )

    def _explain(self, host: str, message: str) -> Reason:
        become = become_of(host, self._job, self._connection)
        return explain(message, password=host in self._passwords, become=become)

    def _failure(self, host: str, status: AnswerStatus, reason: Reason, elapsed: int) -> Answer:
        return Answer(
            job=self._job.id,
            at_ms=now_ms(),
            host=host,
            status=status,
            reason=reason.text,
            code=reason.code,
            elapsed_ms=elapsed,
        )

    def _answer(self, host: str, result: Mapping[str, Any], elapsed: int) -> Answer:
        path = answer_file(self._output, host)
        errors = _read(path.with_suffix(".err")).decode("utf-8", "replace")
        content = _read(path)
        if not content:
            reason = self._no_answer(host, result, errors)
            return self._failure(host, AnswerStatus.FAILED, reason, elapsed)
        try:
            rc, output = envelope.decode(content)
        except AdapterError as error:
            reason = self._explain(host, str(error))
            return self._failure(host, AnswerStatus.FAILED, reason, elapsed)
        return Answer(
            job=self._job.id,
            at_ms=now_ms(),
            host=host,
            status=AnswerStatus.OK if rc == 0 else AnswerStatus.FAILED,
            reason="" if rc == 0 else script_reason(rc, errors),
            rc=rc,
            output=output,
            elapsed_ms=elapsed,
        )

    def _no_answer(self, host: str, result: Mapping[str, Any], errors: str) -> Reason:
        """Why there is none. Where the script never began, stderr is that of ssh and sudo."""
        reason = explain(errors, otherwise="", become=become_of(host, self._job, self._connection))
        if reason.text and result.get("patch_unstarted") is True:
            return reason
        return self._explain(host, task_failures.message(result))

    def _final_answer(self, host: str, reason: Reason) -> Answer:
        if self._stats is None:
            failure = self._failures.get(host)
        else:
            # Ansible does not count a failure that was rescued or ignored.
            failure = self._failures.get(host) if host in _failed_hosts(self._stats) else None
            processed = self._stats.get("processed") or {}
            if failure is None and host in processed and self._batch_failure is None:
                return Answer(job=self._job.id, host=host, status=AnswerStatus.OK, rc=0)
        if failure is not None:
            return failure
        return Answer(
            job=self._job.id,
            at_ms=now_ms(),
            host=host,
            status=AnswerStatus.LOST,
            reason=reason.text or "no answer",
            code=reason.code,
        )

    def _keep_display(self, event: Mapping[str, Any]) -> None:
        self._display_lines = [*self._display_lines, str(event.get("stdout") or "")][-_TAIL:]

    def _end_reason(self, cancelled: bool) -> Reason:
        """Why hosts have no answer; empty text where the run itself did not fail."""
        if self._batch_failure is not None and not (cancelled or self._broken_off()):
            return self._batch_failure
        return Reason(code=ReasonCode.UNKNOWN, text=self._end_text(cancelled))

    def _broken_off(self) -> bool:
        return bool(self._end.get("timed_out") or self._end.get("error"))

    def _end_text(self, cancelled: bool) -> str:
        if cancelled:
            return "the run was cancelled"
        if self._end.get("timed_out"):
            return "the run took longer than its limit"
        if error := self._end.get("error"):
            return sentence(f"ansible-runner failed: {error}")
        if self._stats is not None:
            return ""
        error_line = next((line for line in self._display_lines if "ERROR" in line), "")
        words = f": {explain(error_line).text}" if error_line else ""
        return sentence(f"ansible-playbook ended with exit code {self._end.get('rc')}{words}")


_SSH_PASSWORDS = ("ansible_password", "ansible_ssh_pass", "ansible_ssh_password")


def offered(job: Job, connection: Connection) -> frozenset[str]:
    """The hosts to which ssh can offer a password. One in a file of `-e @FILE` is not noticed."""
    extra_vars = " ".join(connection.extra_vars)
    if connection.ssh_password is not None or any(name in extra_vars for name in _SSH_PASSWORDS):
        return frozenset(hosts_of(job.inventory))
    hosts = (job.inventory.get("all") or {}).get("hosts") or {}
    return frozenset(
        host
        for host, variables in hosts.items()
        if not set(_SSH_PASSWORDS).isdisjoint(variables or ())
    )


_BECOME_PASSWORDS = ("ansible_become_password", "ansible_become_pass")
_METHOD = re.compile(r"\bansible_become_method[\"']?\s*[=:]\s*[\"']?([A-Za-z0-9_.]+)")


def become_of(host: str, job: Job, connection: Connection) -> Become:
    """How the host's variables say to become root. A file of `-e @FILE` is not looked into."""
    extra_vars = " ".join(connection.extra_vars)
    variables = ((job.inventory.get("all") or {}).get("hosts") or {}).get(host) or {}
    methods = _METHOD.findall(extra_vars)
    method = methods[-1] if methods else opened(variables.get("ansible_become_method"))
    password = connection.become_password is not None or any(
        name in extra_vars or name in variables for name in _BECOME_PASSWORDS
    )
    known = isinstance(method, str) and re.fullmatch(r"[\w.]+", method)
    return Become(method=method.rpartition(".")[2] if known else "sudo", password=password)


_TOGETHER = "patch_together"
_RESULTS = frozenset(
    {"runner_on_ok", "runner_on_failed", "runner_on_unreachable", "runner_on_skipped"}
)


def _failed_hosts(stats: Mapping[str, Any]) -> set[str]:
    return {host for key in ("failures", "dark") for host, n in (stats.get(key) or {}).items() if n}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
