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
more; `unreachable`; `apart`: not asked, it needs a worker of its own), `msg`, `trouble` (this
machine could not take the answer), `ms`, and `unstarted` (the script never began, so that standard
error is that of ssh and sudo).

With `requests` it goes on asking whatever it is told to, until nobody can tell it any more:

      requests: a pipe; each line is the name of a folder beside it in `asked`, which has `request`,
        JSON: `stage`, `hosts` (their names) and `limit`, and `payload/`, named as answers are. The
        answers and `ended` are left in that folder.
      scripts: for each stage the script, as above
      carried: for each stage that starts a script on the host what patch_script calls so

A question may stay open as long as `limit` says: it holds no worker, and `at_once` counts only
hosts that have not begun. The pipe's end is the controller's: then all here is ended at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from ansible import constants
from ansible.playbook.play_context import PlayContext
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import become_loader, connection_loader
from ansible.template import Templar


def _beside(name: str) -> ModuleType:
    """A module of this folder: Ansible puts no folder of plugins where Python finds modules."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = sys.modules.setdefault(name, importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


talks = _beside("patch_talks")
Call, Ended, Talk, Talks, Way = talks.Call, talks.Ended, talks.Talk, talks.Talks, talks.Way

# With one of these the host is not asked as Ansible asks a host with a plain sh.
OTHER_SHELL = {"ansible_shell_type", "ansible_shell_executable"}
SSH_FAILED = 255
# How often a connection that ended just when it should be shared is tried again.
SHARED_TRIES = 3
# A dead host is noticed in 45 s, and no firewall forgets a connection on which nothing is said.
KEEP_ALIVE = (b"-o", b"ServerAliveInterval=15", b"-o", b"ServerAliveCountMax=3")


class ActionModule(ActionBase):
    """See the module's text."""

    BYPASS_HOST_LOOP = True
    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset(
        {"script", "arguments", "output", "at_once", "limit", "requests", "scripts", "carried"}
    )

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        result.update(changed=False, left=list(variables["ansible_play_hosts"]))
        if self._task.check_mode:
            result.update(skipped=True, msg="not run in check mode")
            return result
        # A password of the command line, or of the first host, for which this task stands.
        self._passwords = bool(self._play_context.password or self._play_context.become_pass)
        self._context = PlayContext()
        self._keys = self._task.dump_attrs()
        del self._keys["retries"]
        try:
            if self._task.args.get("requests"):
                self._serve(variables["hostvars"])
            elif not self._passwords:
                result["left"] = self._ask_all(result["left"], variables["hostvars"])
        except OSError as error:
            where = self._task.args.get("output") or self._task.args["requests"]
            text = f"{where}: answers cannot be kept: {error.strerror}"
            result.update(failed=True, msg=text, patch_trouble=text)
        return result

    def _ask_all(self, hosts: list[str], hostvars: Any) -> list[str]:
        """Ask all hosts the one thing. Returns those that are left for a worker of their own."""
        args = self._task.args
        output, limit = Path(args["output"]), float(args["limit"])
        one = self._one(self._connection, self._play_context, self._templar)
        given = one.compose(args.get("script") or "", args.get("arguments") or [])
        left: list[str] = []

        def prepare(host: str) -> Call | None:
            way = self._reach(host, hostvars, given.command)
            return way and Call(way, given.content, output, limit)

        def end(host: str, talk: Talk) -> None:
            told = _judge(one, host, talk, given.nonce, output)
            if told is None:
                left.append(host)
            else:
                ended.write(host=host, **told)

        with contextlib.closing(Ended(output)) as ended:
            asking = Talks(at_once=int(args["at_once"]), end=end, leave=left.append)
            with contextlib.closing(asking):
                for host in hosts:
                    asking.call(host, lambda host=host: prepare(host))
                asking.hold()
        return left

    def _serve(self, hostvars: Any) -> None:
        """Ask what is told by the pipe, until its end."""
        args = self._task.args
        one = self._one(self._connection, self._play_context, self._templar)
        scripts = {stage: one.joined(files) for stage, files in args["scripts"].items()}
        carried = {stage: one.joined(files) for stage, files in args["carried"].items()}
        ways: dict[str, Way | None] = {}

        def way_of(host: str, command: str) -> Way | None:
            if self._passwords:
                return None
            if host not in ways:
                way = self._reach(host, hostvars, command)
                ways[host] = way and _kept_alive(way)
            return ways[host]

        def compose(stage: str, payload: Path) -> Any:
            text = payload.read_text(encoding="utf-8")
            return one.composed(scripts[stage], text, carried.get(stage, ""))

        with contextlib.closing(Served(one, way_of, compose)) as served:
            served.until_the_end(Path(args["requests"]), int(args["at_once"]), len(hostvars))

    def _reach(self, host: str, hostvars: Any, command: str) -> Way | None:
        try:
            return self._way(host, hostvars, command)
        except Exception:  # whatever is wrong with a host, its own worker says it
            return None

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
    told: dict[str, Any] = {"status": "answered", **_NOTHING, "ms": talk.elapsed_ms()}
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


def _kept_alive(way: Way) -> Way:
    """With ssh's own look after a silent host, where the site's arguments ask for none."""
    if any(b"serveraliveinterval" in word.lower() for word in way.argv):
        return way
    return Way([way.argv[0], *KEEP_ALIVE, *way.argv[1:]], way.success)


class Request:
    """One request of the controller: hosts that are asked one question each, and their answers."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError or ValueError where it cannot be read."""
        told = json.loads((folder / "request").read_bytes())
        self.folder, self.stage, self.limit = folder, str(told["stage"]), float(told["limit"])
        self.hosts = [str(host) for host in told["hosts"]]
        self._waiting = len(self.hosts)
        self._ended = Ended(folder)

    def payload(self, host: str) -> Path:
        """The file with what the host is told."""
        return self.folder / "payload" / hashlib.sha256(host.encode()).hexdigest()[:32]

    @property
    def is_open(self) -> bool:
        """Somebody has not answered."""
        return self._waiting > 0

    def answered(self, host: str, told: dict[str, Any]) -> None:
        """Raises OSError where it cannot be written."""
        self._ended.write(host=host, **told)
        self._waiting -= 1
        if not self.is_open:
            self._ended.close()

    def close(self) -> None:
        """Nobody answers any more."""
        if self.is_open:
            self._waiting = 0
            self._ended.close()


class Served:
    """Requests that come by a pipe, and the talks that they are.

    `way_of` gives a host's way for a command, None where it needs a worker of its own; `compose`
    what is sent for a stage with a payload.
    """

    def __init__(
        self,
        one: Any,
        way_of: Callable[[str, str], Way | None],
        compose: Callable[[str, Path], Any],
    ) -> None:
        self._one, self._way_of, self._compose = one, way_of, compose
        self._open: set[Request] = set()
        self._nonces: dict[Any, str] = {}
        self._tries: dict[Any, int] = {}
        self._more = True
        self._text = b""

    def until_the_end(self, requests: Path, at_once: int, in_all: int) -> None:
        """Raises OSError where an answer cannot be kept."""
        pipe = os.open(requests, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        self._asked = requests.parent / "asked"
        self._talks = Talks(at_once=at_once, in_all=in_all, end=self._end, leave=self._apart)
        try:
            self._talks.watch(pipe, lambda: self._listen(pipe))
            while self._more:
                self._talks.step()
        finally:
            self._talks.close()
            os.close(pipe)

    def close(self) -> None:
        """Whoever has not answered will not."""
        for request in self._open:
            request.close()

    def _listen(self, pipe: int) -> None:
        try:
            chunk = os.read(pipe, 4096)
        except BlockingIOError:
            return
        self._more = bool(chunk)
        *names, self._text = (self._text + chunk).split(b"\n")
        for name in names:
            self._take(Request(self._asked / name.decode()))

    def _take(self, request: Request) -> None:
        self._open.add(request)
        for host in request.hosts:
            self._call((request, host))

    def _call(self, key: tuple[Request, str]) -> None:
        self._talks.call(key, lambda: self._prepared(key))

    def _prepared(self, key: tuple[Request, str]) -> Call | None:
        request, host = key
        sent = self._compose(request.stage, request.payload(host))
        way = self._way_of(host, sent.command)
        self._nonces[key] = sent.nonce
        begin = f"@@{sent.nonce} begin ".encode()
        return way and Call(way, sent.content, request.folder, request.limit, begin)

    def _end(self, key: tuple[Request, str], talk: Talk) -> None:
        request, host = key
        told = _judge(self._one, host, talk, self._nonces.pop(key), request.folder)
        if told is not None:
            self._tell(key, told)
            return
        self._tries[key] = self._tries.get(key, 0) + 1
        if self._tries[key] < SHARED_TRIES:
            self._call(key)
        else:
            text = "the shared connection ended again and again"
            self._tell(key, {"status": "unreachable", **_NOTHING, "msg": text})

    def _apart(self, key: tuple[Request, str]) -> None:
        self._nonces.pop(key, None)
        self._tell(key, {"status": "apart", **_NOTHING})

    def _tell(self, key: tuple[Request, str], told: dict[str, Any]) -> None:
        request, host = key
        self._tries.pop(key, None)
        request.answered(host, told)
        if not request.is_open:
            self._open.discard(request)


_NOTHING = {"ms": 0, "msg": "", "trouble": "", "unstarted": False}
