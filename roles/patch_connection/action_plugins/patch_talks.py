"""Many ssh processes and one listener: who is written to when, what is kept of what comes back.

Nothing of Ansible is in here, and nothing of what is said. `patch_together` gives the commands and
judges the answers.
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
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple

RECEIVED_MAX = 64 * 1024 * 1024
IN_MEMORY = 1024 * 1024
ERROR_MAX = 16 * 1024
WINDOW = 4096
CHUNK = 256 * 1024
# Three pipes and one handle for each process, and what Ansible has open.
HANDLES_EACH, HANDLES_ELSE = 4, 64


class Way(NamedTuple):
    """How a host is reached: ssh's arguments, and what the host prints as root (b"": nothing)."""

    argv: list[bytes]
    success: bytes


class Call(NamedTuple):
    """What is started for a host: `content` is sent to it, `limit` is in seconds from then on.

    `begin`: what the host prints when it has begun; from there on it only works, and others may be
    called. b"": it counts among those that are called at once until its end. What is too long to
    be held in memory lies in a file without a name in `folder`.
    """

    way: Way
    content: bytes
    folder: Path
    limit: float
    begin: bytes = b""


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
    `trouble`: why this machine cannot keep what the host says; `begun`: the host has begun."""

    def __init__(self, call: Call) -> None:
        """Raises OSError where it cannot be started."""
        self.refused = self.trouble = ""
        self.begun = False
        self._success, self._begin = call.way.success, call.begin
        self._rest = memoryview(call.content)
        self._seen = self._errors = b""
        self._size, self._limit = 0, call.limit
        self._kept = Kept(call.folder)
        self._began = time.monotonic()
        self._process = subprocess.Popen(
            call.way.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
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
            self._rest = memoryview(b"")  # an open question does not hold what it has sent
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
        if self._success or self._begin:
            self._look_for_signs(chunk)
        try:
            self._kept.write(chunk)
        except OSError as error:
            self._give_up(error)

    def _look_for_signs(self, chunk: bytes) -> None:
        self._seen += chunk
        if self._success in self._seen:
            self._success = b""
        if self._begin and self._begin in self._seen:
            self._begin, self.begun = b"", True
        self._seen = self._seen[-WINDOW:]

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


Key = Any  # hashable; names one call
Prepare = Callable[[], "Call | None"]


class Talks:
    """As many at once as are allowed, each in its turn.

    `end` is told of every talk that has ended, `leave` of a key to which no ssh could be started:
    whose `prepare` gave None, or for whom this machine has no process or handle left.
    """

    def __init__(
        self,
        *,
        at_once: int,
        end: Callable[[Key, Talk], None],
        leave: Callable[[Key], None],
        in_all: int = 0,
    ) -> None:
        """`at_once`: how many may be called at the same time; `in_all`: how many may be open, with
        those that have begun (0: as many)."""
        self._end, self._leave = end, leave
        self._in_all = room(max(at_once, in_all))
        self._at_once = min(at_once, self._in_all)
        self._waiting: deque[tuple[Key, Prepare]] = deque()
        self._running: dict[Key, Talk] = {}
        self._begun = 0
        self._selector = selectors.DefaultSelector()

    def call(self, key: Key, prepare: Prepare) -> None:
        """Talk with a host when its turn comes. A key that has no open call."""
        self._waiting.append((key, prepare))

    def watch(self, handle: int, tell: Callable[[], None]) -> None:
        """Call `tell` whenever this handle may be read, between what hosts say."""
        self._selector.register(handle, selectors.EVENT_READ, tell)

    def hold(self) -> None:
        """Until all have ended. Raises what `end` and `leave` raise."""
        while self._waiting or self._running:
            self.step()

    def step(self) -> None:
        """Call one more, and wait for the next that happens. Raises what these raise."""
        calling = len(self._running) - self._begun
        free = calling < self._at_once and len(self._running) < self._in_all
        free = free and bool(self._waiting)
        if free:
            self._start(*self._waiting.popleft())
        self._listen(0.0 if free else self._patience())

    def close(self) -> None:
        """End what still runs."""
        for talk in self._running.values():
            talk.close()
        self._running.clear()
        self._selector.close()

    def _start(self, key: Key, prepare: Prepare) -> None:
        call = prepare()
        talk = None
        with contextlib.suppress(OSError):  # no more processes or handles
            talk = Talk(call) if call is not None else None
        if talk is None:
            self._leave(key)
            return
        self._running[key] = talk
        _, out, err = talk.pipes()
        for handle, what in ((talk.handle, "end"), (out, "output"), (err, "errors")):
            self._selector.register(handle, selectors.EVENT_READ, (key, what))
        self._send(key, talk)

    def _send(self, key: Key, talk: Talk) -> None:
        given, _, _ = talk.pipes()
        known = not given.closed and given in self._selector.get_map()
        if talk.send():
            if not known:
                self._selector.register(given, selectors.EVENT_WRITE, (key, "input"))
        elif known:
            self._selector.unregister(given)

    def _patience(self) -> float | None:
        """Seconds until the first has had its time; None where nobody is waited for."""
        left = [talk.left_s() for talk in self._running.values() if not talk.refused]
        if not left:
            return 1.0 if self._running else None
        return max(0.0, min(left))

    def _listen(self, patience: float | None) -> None:
        for key, _ in self._selector.select(patience):
            if callable(key.data):
                key.data()
                continue
            ident, what = key.data
            talk = self._running.get(ident)
            if talk is None:
                continue
            if what == "end":
                self._finish(ident, talk)
            elif what == "input":
                self._send(ident, talk)
            else:
                self._take(ident, talk, key.fd, errors=what == "errors")
        for talk in self._running.values():
            if not talk.refused and talk.left_s() <= 0:
                talk.time_is_up()

    def _take(self, key: Key, talk: Talk, pipe: int, *, errors: bool) -> None:
        begun = talk.begun
        if not talk.listen(pipe, errors=errors):
            self._selector.unregister(pipe)
        self._begun += talk.begun - begun
        self._send(key, talk)

    def _finish(self, key: Key, talk: Talk) -> None:
        del self._running[key]
        self._begun -= talk.begun
        for handle in (talk.handle, *(pipe for pipe in talk.pipes() if not pipe.closed)):
            if handle in self._selector.get_map():
                self._selector.unregister(handle)
        try:
            self._end(key, talk)
        finally:
            talk.close()


def room(at_once: int) -> int:
    """How many hosts may be asked at once with the handles that this process may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = HANDLES_ELSE + at_once * HANDLES_EACH
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return max(1, min(at_once, (soft - HANDLES_ELSE) // HANDLES_EACH))
    return at_once
