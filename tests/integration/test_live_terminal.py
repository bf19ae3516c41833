"""The live screen on a real terminal, over a run on real hosts."""

import os
import time
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pytest
from managed import over, upgrades
from test_rollout import command, make_plan, patchctl, states

from patchctl.lab.handle import Lab

pytestmark = pytest.mark.lab

WIDTH, HEIGHT = 80, 24
KEYS = "q leave"


class Terminal:
    """A command on a terminal, as a person sees it."""

    def __init__(self, workspace: Path, *arguments: str) -> None:
        words = command(workspace, *arguments)
        self.screen = pyte.Screen(WIDTH, HEIGHT)
        self._stream = pyte.Stream(self.screen)
        self.child: Any = pexpect.spawn(
            words[0], words[1:], encoding="utf-8", timeout=60, dimensions=(HEIGHT, WIDTH),
            env={**os.environ, "TERM": "xterm", "PYTHONUTF8": "1"},
        )  # fmt: skip

    @property
    def text(self) -> str:
        return "\n".join(row.rstrip() for row in self.screen.display)

    def feed(self) -> bool:
        try:
            self._stream.feed(self.child.read_nonblocking(65_536, timeout=0.5))
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        return True

    def until(self, *wanted: str, seconds: float = 180) -> None:
        end = time.monotonic() + seconds
        while not all(part in self.text for part in wanted):
            assert time.monotonic() < end, f"{wanted} is not on the screen:\n{self.text}"
            if not self.feed():
                break
        assert all(part in self.text for part in wanted), self.text

    def end(self) -> int:
        while self.feed():
            pass
        self.child.close()
        return int(self.child.exitstatus)


@over("debian")
def test_a_run_that_is_left_goes_on_and_is_watched(fresh_lab: Lab, workspace: Path) -> None:
    fresh_lab.publish("slow")
    plan = make_plan(workspace, "patchlab-slow", limit="staging")
    carries = Terminal(workspace, "rollout", plan, "--yes")
    carries.until("staging-1", "apply", KEYS)
    carries.child.send("q")
    carries.until("any other key: no")
    carries.child.send("y")
    assert carries.end() == 5
    assert "next: the run goes on" in carries.text

    watches = Terminal(workspace, "rollout", "watch")
    watches.until("staging-1", KEYS)
    watches.child.send("l")
    watches.until("log of which host?")
    watches.child.send("\r")
    watches.until("preflight: ok")
    watches.child.send("q")
    assert watches.end() == 0
    assert "summary: 2 succeeded, 0 failed, 0 skipped" in watches.text

    status = patchctl(workspace, "rollout", "status")
    assert status["state"] == "done"
    assert set(states(status).values()) == {"succeeded"}
    for host in ("staging-1", "staging-2"):
        assert len(upgrades(fresh_lab, host, "patchlab-slow")) == 1  # once, whoever asked
    logs = list((workspace / ".patchctl" / "background").iterdir())
    assert [log.stat().st_mode & 0o777 for log in logs] == [0o600]
