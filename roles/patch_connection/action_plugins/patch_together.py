"""Run one shell script on all hosts of a play from one worker: what patch_script does for each.

    patch_together:
      script, arguments, output: as for patch_script; the answers are left in `output` as there
      at_once: how many hosts are asked at the same time
      limit: seconds that a host may take, from connecting on

Ansible forks a worker for each host, which costs the controller more than ssh does. Here Ansible's
own plugins make each host's connection and command as they would in its worker; what differs is
who starts ssh and listens to it. That is done for hosts that ssh reaches without a question: the
connection `ssh`, no passwords, and sudo -n or no privilege escalation. All others are in the
result's `left`, for a play that asks them one by one.

`OUTPUT/ended` gets a line of JSON as each host ends: `host`, `status` (`answered`: its files say
more; `unreachable`), `msg`, `trouble` (this machine could not take the answer), `ms`, and
`unstarted` (the script never began, so that standard error is that of ssh and sudo).
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import selectors
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple

from ansible import constants
from ansible.playbook.play_context import PlayContext
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import become_loader, connection_loader
from ansible.template import Templar

RECEIVED_MAX = 64 * 1024 * 1024
IN_MEMORY = 1024 * 1024
ERROR_MAX = 16 * 1024
WINDOW = 4096
CHUNK = 256 * 1024
# Three pipes and one handle for each process, and what Ansible has open.
HANDLES_EACH, HANDLES_ELSE = 4, 64
# With one of these the host is not asked as Ansible asks a host with a plain sh.
OTHER_SHELL = {"ansible_shell_type", "ansible_shell_executable"}
SSH_FAILED = 255


class Way(NamedTuple):
    """How a host is reached: ssh's arguments, and what the host prints as root (b"": nothing)."""

    argv: list[bytes]
    success: bytes


class ActionModule(ActionBase):
    """See the module's text."""

    BYPASS_HOST_LOOP = True
    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset({"script", "arguments", "output", "at_once", "limit"})

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        result.update(changed=False, left=list(variables["ansible_play_hosts"]))
        if self._task.check_mode:
            result.update(skipped=True, msg="not run in check mode")
            return result
        # A password of the command line, or of the first host, for which this task stands.
        if self._play_context.password or self._play_context.become_pass:
            return result
        args = self._task.args
        output = Path(args["output"])
        at_once, limit = int(args["at_once"]), float(args["limit"])
        one = self._one(self._connection, self._play_context, self._templar)
        given = one.compose(args.get("script") or "", args.get("arguments") or [])
        self._context = PlayContext()
        self._keys = self._task.dump_attrs()
        del self._keys["retries"]

        def reach(host: str) -> Way | None:
            try:
                return self._way(host, variables["hostvars"], given.command)
            except Exception:  # whatever is wrong with a host, its own worker says it
                return None

        def end(host: str, talk: Talk) -> None:
            told = _judge(one, host, talk, given.nonce, output)
            if told is None:
                talks.left.append(host)
            else:
                ended.write(host=host, **told)

        ended = Ended(output)
        talks = Talks(given.content, output, at_once=at_once, limit=limit, end=end)
        try:
            talks.hold(result["left"], reach)
            result["left"] = talks.left
        except OSError as error:
            text = f"{output}: answers cannot be kept: {error.strerror}"
            result.update(failed=True, msg=text, patch_trouble=text)
        finally:
            talks.close()
            ended.close()
        return result

    def _one(self, connection: Any, play_context: Any, templar: Any) -> Any:
        """The action for one host."""
        return self._shared_loader_obj.action_loader.get(
            "patch_script",
            task=self._task,
            connection=connection,
            play_context=play_context,
            loader=self._loader,
            templar=templar,
            shared_loader_obj=self._shared_loader_obj,
        )

    def _way(self, host: str, hostvars: Any, command: str) -> Way | None:
        """What Ansible would start for the host; None where ssh alone is not enough."""
        variables = {**hostvars.raw_get(host), "hostvars": hostvars}
        templar = Templar(loader=self._loader, variables=variables)

        def told(name: str, otherwise: Any) -> Any:
            value = variables.get(name)
            return otherwise if value is None else templar.template(value)

        if told("ansible_connection", self._task.connection) not in {"ssh", "ansible.builtin.ssh"}:
            return None
        if OTHER_SHELL & set(variables):
            return None
        connection = connection_loader.get(
            "ansible.builtin.ssh",
            self._context,
            new_stdin=None,
            task_uuid=self._task._uuid,
            ansible_playbook_pid=str(os.getppid()),
        )
        if _true(told("ansible_become", self._task.become)):
            method = told("ansible_become_method", self._task.become_method or "sudo")
            if method not in {"sudo", "ansible.builtin.sudo"}:
                return None
            connection.set_become_plugin(become_loader.get("ansible.builtin.sudo"))
        # The option `timeout` is that of connecting; the key would be the task's own limit.
        keys = {**self._keys, "timeout": told("ansible_timeout", self._context.timeout)}
        for kind, plugin in (
            ("connection", connection),
            ("shell", connection._shell),
            ("become", connection.become),
        ):
            if plugin is not None:
                names = constants.config.get_plugin_vars(kind, plugin._load_name)
                options = {name: told(name, None) for name in names if name in variables}
                plugin.set_options(task_keys=keys, var_options=options)
        if not _asks_nothing(connection):
            return None
        return self._captured(connection, templar, command)

    def _captured(self, connection: Any, templar: Any, command: str) -> Way | None:
        """The arguments with which the connection plugin would start ssh."""
        started: list[list[bytes]] = []

        def capture(argv: list[bytes], *_: Any, **__: Any) -> tuple[int, bytes, bytes]:
            started.append(argv)
            return 0, b"", b""

        connection._run = capture
        one = self._one(connection, self._context, templar)
        one._low_level_execute_command(command, in_data=b"-")
        if len(started) != 1:
            return None
        success = connection.become.success if connection.become else ""
        # A user who is root already becomes nobody: the command then has no such word.
        asked = success and success.encode() in started[0][-1]
        return Way(started[0], success.encode() if asked else b"")


def _true(value: Any) -> bool:
    return str(value).lower() in {"true", "yes", "on", "1", "y", "t"}


def _asks_nothing(connection: Any) -> bool:
    """True where neither ssh nor sudo needs anything but its arguments."""
    secret = any(
        connection.get_option(name) for name in ("password", "pkcs11_provider", "private_key")
    )
    if secret or connection.get_option("reconnection_retries"):
        return False
    become = connection.become
    if become is None:
        return True
    flags = str(become.get_option("become_flags") or "").split()
    quiet = any(
        flag == "--non-interactive" or (flag[0] == "-" and flag[:2] != "--" and "n" in flag)
        for flag in flags
    )
    return quiet and not become.get_option("become_pass")


def _judge(one: Any, host: str, talk: Talk, nonce: str, output: Path) -> dict[str, Any] | None:
    """What `ended` says of a host whose ssh has ended, with its answer left in `output`; None
    where its own worker should try again."""
    code, text, errors = talk.end()
    told: dict[str, Any] = {"status": "answered", "ms": talk.elapsed_ms()}
    told.update(msg="", trouble="", unstarted=False)
    if talk.trouble:
        told.update(trouble=f"{output}: the answer cannot be kept: {talk.trouble}")
        return told
    if code < 0 and not talk.refused:
        told.update(msg=f"ssh was ended by signal {-code}")
        return told
    if code == SSH_FAILED and not talk.refused:
        if "mux_client" in errors:
            return None  # the connection that it wanted to share ended at that moment
        told.update(status="unreachable", msg=f"Failed to connect to the host via ssh: {errors}")
        return told
    answer = one.extract(text, errors, code, nonce)
    if talk.refused:
        answer.update(rc=SSH_FAILED, frame="", failed=True, msg=talk.refused)
    result = one.deliver(answer, str(output), host)
    told.update(msg=result.get("msg", ""), trouble=result.get("patch_trouble", ""))
    told["unstarted"] = result.get("patch_unstarted", False)
    return told


class Ended:
    """The file `ended`: whoever reads it along sees whole lines, or the beginning of the last."""

    def __init__(self, output: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW
        self._handle = os.open(output / "ended", flags, 0o600)

    def close(self) -> None:
        """Nobody writes into it any more."""
        os.close(self._handle)

    def write(self, **told: Any) -> None:
        """Raises OSError where the line does not fit on the disk."""
        line = json.dumps(told).encode() + b"\n"
        if os.write(self._handle, line) != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class Kept:
    """What a host says: the first of it in memory, from there on in a file without a name."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._memory = bytearray()
        self._file = -1

    def write(self, chunk: bytes) -> None:
        """Raises OSError where the disk is full."""
        self._memory += chunk
        if len(self._memory) > IN_MEMORY:
            if self._file < 0:
                self._file, name = tempfile.mkstemp(dir=self._folder)
                Path(name).unlink()
            while self._memory:
                del self._memory[: os.write(self._file, self._memory)]

    def read(self) -> bytes:
        """All of it."""
        if self._file < 0:
            return bytes(self._memory)
        with open(self._file, "rb", closefd=False) as file:
            file.seek(0)
            return file.read() + self._memory

    def close(self) -> None:
        """Forget it."""
        if self._file >= 0:
            os.close(self._file)


class Talk:
    """One ssh process: what goes to it and what came of it. `refused`: why it was ended here;
    `trouble`: why this machine cannot keep what the host says."""

    def __init__(self, way: Way, content: bytes, folder: Path, limit: float) -> None:
        """Raises OSError where it cannot be started."""
        self.refused = self.trouble = ""
        self._success, self._rest = way.success, memoryview(content)
        self._seen = self._errors = b""
        self._size, self._limit = 0, limit
        self._kept = Kept(folder)
        self._began = time.monotonic()
        self._process = subprocess.Popen(
            way.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.handle = os.pidfd_open(self._process.pid)
        for pipe in self.pipes():
            os.set_blocking(pipe.fileno(), False)

    def pipes(self) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
        """Its standard input, output and errors."""
        process = self._process
        assert process.stdin and process.stdout and process.stderr
        return process.stdin, process.stdout, process.stderr

    def left_s(self) -> float:
        """Seconds that it still has."""
        return self._began + self._limit - time.monotonic()

    def elapsed_ms(self) -> int:
        """Since ssh was started."""
        return int((time.monotonic() - self._began) * 1000)

    def send(self) -> bool:
        """As much as the pipe takes; False where nothing is left, or nothing may be sent yet.

        As Ansible does it: not before sudo has given root.
        """
        given, _, _ = self.pipes()
        if self._success or given.closed:
            return False
        try:
            self._rest = self._rest[os.write(given.fileno(), self._rest) :]
        except BlockingIOError:
            return True
        except OSError:  # it has hung up, and says by its end why
            self._rest = self._rest[:0]
        if len(self._rest) == 0:
            given.close()
        return not given.closed

    def listen(self, pipe: int, *, errors: bool) -> bool:
        """Take what is there; False where no more is."""
        try:
            chunk = os.read(pipe, CHUNK)
        except BlockingIOError:
            return False
        self._size += len(chunk)
        if self._size > RECEIVED_MAX:
            self.refuse("the host sent more than 64 MiB")
        elif errors:
            self._errors = (self._errors + chunk)[-ERROR_MAX:]
        elif not self.trouble:
            self._keep(chunk)
        return bool(chunk)

    def _keep(self, chunk: bytes) -> None:
        if self._success:
            self._seen += chunk
            if self._success in self._seen:
                self._success = b""
            self._seen = self._seen[-WINDOW:]
        try:
            self._kept.write(chunk)
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.trouble = error.strerror or str(error)
        self._process.kill()

    def refuse(self, why: str) -> None:
        """End it."""
        self.refused = self.refused or why
        self._process.kill()

    def time_is_up(self) -> None:
        """End it."""
        self.refuse(f"Timed out after {self._limit:.0f} second(s).")

    def end(self) -> tuple[int, str, str]:
        """(ssh's exit code, output, errors) of a process that has ended."""
        _, out, err = self.pipes()
        for pipe, errors in ((out, False), (err, True)):
            # A shared connection may hold the pipes open, but what was said is in them by now.
            while not self.refused and self.listen(pipe.fileno(), errors=errors):
                pass
        text = ""
        try:
            text = self._kept.read().decode("utf-8", "surrogateescape")
        except OSError as error:
            self._give_up(error)
        return self._process.wait(), text, self._errors.decode("utf-8", "replace")

    def close(self) -> None:
        """Also where it still runs."""
        self._process.kill()
        self._process.wait()
        os.close(self.handle)
        for pipe in self.pipes():
            # Not closed by its object, which would write what it could not write before.
            with contextlib.suppress(OSError):
                pipe.close()
        self._kept.close()


class Talks:
    """As many at once as are allowed. `left`: hosts to which no ssh could be started."""

    def __init__(
        self,
        content: bytes,
        folder: Path,
        *,
        at_once: int,
        limit: float,
        end: Callable[[str, Talk], None],
    ) -> None:
        self.left: list[str] = []
        self._content, self._folder, self._limit, self._end = content, folder, limit, end
        self._at_once = _room(at_once)
        self._running: dict[str, Talk] = {}
        self._selector = selectors.DefaultSelector()

    def hold(self, hosts: list[str], reach: Callable[[str], Way | None]) -> None:
        """Talk with all hosts. Raises what `end` raises."""
        waiting = hosts[::-1]
        while waiting or self._running:
            free = bool(waiting) and len(self._running) < self._at_once
            if free:
                self._begin(waiting.pop(), reach)
            self._listen(0.0 if free else self._patience())

    def close(self) -> None:
        """End what still runs."""
        for talk in self._running.values():
            talk.close()
        self._running.clear()
        self._selector.close()

    def _begin(self, host: str, reach: Callable[[str], Way | None]) -> None:
        way = reach(host)
        if way is None:
            self.left.append(host)
            return
        try:
            talk = Talk(way, self._content, self._folder, self._limit)
        except OSError:  # no more processes or handles: Ansible's workers come one by one
            self.left.append(host)
            return
        self._running[host] = talk
        _, out, err = talk.pipes()
        for handle, what in ((talk.handle, "end"), (out, "output"), (err, "errors")):
            self._selector.register(handle, selectors.EVENT_READ, (host, what))
        self._send(host, talk)

    def _send(self, host: str, talk: Talk) -> None:
        given, _, _ = talk.pipes()
        known = not given.closed and given in self._selector.get_map()
        if talk.send():
            if not known:
                self._selector.register(given, selectors.EVENT_WRITE, (host, "input"))
        elif known:
            self._selector.unregister(given)

    def _patience(self) -> float:
        """Seconds until the one that began first has had its time."""
        waiting = (talk.left_s() for talk in self._running.values() if not talk.refused)
        return max(0.0, next(waiting, 1.0))

    def _listen(self, patience: float) -> None:
        for key, _ in self._selector.select(patience):
            host, what = key.data
            talk = self._running.get(host)
            if talk is None:
                continue
            if what == "end":
                self._finish(host, talk)
            elif what == "input":
                self._send(host, talk)
            else:
                if not talk.listen(key.fd, errors=what == "errors"):
                    self._selector.unregister(key.fd)
                self._send(host, talk)
        # All have the same limit, and the first one began first.
        for talk in self._running.values():
            if not talk.refused:
                if talk.left_s() > 0:
                    break
                talk.time_is_up()

    def _finish(self, host: str, talk: Talk) -> None:
        del self._running[host]
        for handle in (talk.handle, *(pipe for pipe in talk.pipes() if not pipe.closed)):
            if handle in self._selector.get_map():
                self._selector.unregister(handle)
        try:
            self._end(host, talk)
        finally:
            talk.close()


def _room(at_once: int) -> int:
    """How many hosts may be asked at once with the handles that this process may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = HANDLES_ELSE + at_once * HANDLES_EACH
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return max(1, min(at_once, (soft - HANDLES_ELSE) // HANDLES_EACH))
    return at_once
