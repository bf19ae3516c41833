"""Pid, start time and boot id identify a process for ever."""

import os
import subprocess
import sys
import time
from collections.abc import Callable

import msgspec

from patchctl.adapters import processes


def test_this_process_is_alive() -> None:
    me = processes.own()
    assert me.pid == os.getpid()
    assert me.pgid == os.getpgid(0)
    assert processes.is_alive(me)


def test_a_later_process_with_the_same_pid_is_another_one() -> None:
    me = processes.own()
    assert not processes.is_alive(msgspec.structs.replace(me, start=me.start - 1))


def test_a_process_of_another_boot_is_over() -> None:
    assert not processes.is_alive(msgspec.structs.replace(processes.own(), boot_id="other"))


def test_a_child_is_alive_until_it_ends_and_a_zombie_has_ended() -> None:
    # Its name holds what separates fields in /proc/PID/stat.
    code = "open('/proc/self/comm', 'w').write('a) R (b'); print(flush=True); input()"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdout.readline()
    identity = processes.identity(child.pid)
    assert identity is not None
    assert identity.pgid == child.pid
    assert processes.is_alive(identity)
    child.stdin.close()
    _wait_for(lambda: not processes.is_alive(identity))
    assert (child.poll(), processes.identity(child.pid)) == (1, None)
    child.stdout.close()


def test_no_such_process() -> None:
    assert processes.identity(2**22 + 1) is None


def _wait_for(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)
