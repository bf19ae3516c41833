"""Which command carries a run on in the background, and when none can."""

import sys
import time
from pathlib import Path
from typing import Any

import pytest

from patchctl.adapters import processes
from patchctl.errors import AdapterError
from patchctl.models.rollout import ProcessIdentity
from patchctl.wiring.caller import Caller
from patchctl.wiring.carry_on import cannot_carry_on, carry_on, command
from patchctl.wiring.workspace import Access, Workspace, open_workspace

begin_apart = processes.begin_apart
RUN = "r-20261128-113059-1eb4"


def workspace(root: Path, access: Access | None = None, *, trusted: bool = False) -> Workspace:
    (root / "patchctl.yml").write_text("inventory: [hosts]\nrings: [{name: staging}]\n")
    (root / "hosts").write_text("[staging]\n")
    caller = Caller(actor="op@here", folder=root, environment={"PATH": "/usr/bin:/bin"})
    return open_workspace(root, caller, access, trusted=trusted)


class TestTheCommand:
    def test_resumes_the_run_in_the_same_workspace(self, tmp_path: Path) -> None:
        words = command(workspace(tmp_path), RUN, wait=True)
        assert words[:6] == [sys.executable, "-m", "patchctl", "-C", str(tmp_path), "rollout"]
        assert words[6:8] == ["resume", RUN]
        assert "--no-wait" not in words and "--trust-workspace" not in words

    def test_has_the_same_access_to_hosts(self, tmp_path: Path) -> None:
        access = Access(
            sources=("a.yml", "b.yml"),
            user="ops",
            private_key="~/key",
            vault_ids=("prod@file",),
            extra_vars=("@vars.yml",),
            forks=7,
        )
        words = command(workspace(tmp_path, access, trusted=True), RUN, wait=False)
        assert words[words.index("-i") :] == [
            *("-i", "a.yml", "-i", "b.yml", "-u", "ops", "--private-key", "~/key"),
            *("--vault-id", "prod@file", "-e", "@vars.yml", "-f", "7"),
        ]
        assert "--no-wait" in words and "--trust-workspace" in words

    @pytest.mark.parametrize(
        "access",
        [
            Access(ssh_password="s"),
            Access(become_password=""),
            Access(vault_password="s"),
            Access(vault_passwords=(("a", "s"),)),
            Access(extra_vars=("ansible_password=s",)),
        ],
    )
    def test_is_not_given_what_may_be_secret(self, tmp_path: Path, access: Access) -> None:
        assert cannot_carry_on(workspace(tmp_path, access))

    def test_needs_no_secret_otherwise(self, tmp_path: Path) -> None:
        access = Access(extra_vars=("@vars.yml",), vault_password_file="pass")
        assert cannot_carry_on(workspace(tmp_path, access)) == ""


class Rollouts:
    """Runs whose controller is the process that was begun, if it takes the run."""

    def __init__(self, *, takes: bool) -> None:
        self.database = self
        self.leases = self
        self._takes = takes
        self.begun: list[Any] = []

    def controller(self, run: str) -> tuple[ProcessIdentity, str] | None:
        if not self._takes or not self.begun:
            return None
        return ProcessIdentity(pid=self.begun[0].pid, pgid=1, start=1, boot_id="b"), "op"


def carried(
    root: Path, monkeypatch: pytest.MonkeyPatch, program: str, *, takes: bool
) -> tuple[Path, Rollouts]:
    rollouts = Rollouts(takes=takes)

    def begin(words: list[str], *more: Any) -> Any:
        rollouts.begun.append(begin_apart([sys.executable, "-c", program], *more))
        return rollouts.begun[0]

    monkeypatch.setattr("patchctl.adapters.processes.begin_apart", begin)
    return carry_on(workspace(root), rollouts, RUN, wait=True), rollouts  # type: ignore[arg-type]


def test_it_waits_until_the_process_has_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = "import os; print(os.getsid(0) == os.getpid(), flush=True)"
    log, rollouts = carried(tmp_path, monkeypatch, program, takes=True)
    rollouts.begun[0].wait(20)
    assert log.read_text() == "True\n"
    assert log.stat().st_mode & 0o777 == 0o600
    assert log.parent.stat().st_mode & 0o777 == 0o700


def test_a_process_that_takes_nothing_is_told_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic()
    with pytest.raises(AdapterError) as caught:
        carried(tmp_path, monkeypatch, "print('no inventory'); raise SystemExit(2)", takes=False)
    assert time.monotonic() - began < 30
    assert str(caught.value) == (
        f"no process carries run {RUN} on: no inventory; go on with `patchctl rollout resume {RUN}`"
    )
