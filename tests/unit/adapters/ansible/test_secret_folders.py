"""Folders for files with secrets: where they are, and that they are removed.

Ansible is real here, and the hosts are this machine; whole commands are in tests/integration.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from adapters.ansible.test_ansible_runner import Desk, inventory

from patchctl.adapters import memory, mounts, processes
from patchctl.adapters.ansible import run_folders, segments
from patchctl.adapters.ansible.processes import MARKER, end_all, marked
from patchctl.adapters.ansible.runner import Answer, AnswerStatus
from patchctl.errors import AdapterError
from patchctl.models.rollout import ProcessIdentity
from patchctl.protocol.jobs import Ended

SECRET = f"planted-{secrets.token_hex(8)}"
KEPT = {"password": SECRET, "prompt": "assword"}
NO_SUCH_PROCESS = {"pid": 2**22 + 1, "pgid": 1, "start": 1}


@pytest.fixture
def in_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of this user only, in memory, as XDG_RUNTIME_DIR is."""
    shared = Path("/dev/shm")
    if mounts.kind(shared) != "tmpfs":
        pytest.skip("this machine has no tmpfs at /dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="patchctl-test-", dir=shared))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without a folder in memory; its temporary files are here."""
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(memory, "_SHARED", tmp_path / "no-shm")
    monkeypatch.setattr(memory, "folders", list)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    (tmp_path / "desk").mkdir()
    return Desk(tmp_path / "desk")


def holding(*folders: Path, what: str = SECRET) -> list[Path]:
    """Return the files below these folders that contain the secret."""
    paths = []
    for folder in folders:
        for top, _, names in os.walk(folder):
            for path in (Path(top) / name for name in names):
                try:
                    if path.is_file() and what.encode() in path.read_bytes():
                        paths.append(path)
                except OSError:
                    continue
    return paths


def wait(condition: Any, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


class TestThePlace:
    def test_is_the_users_own_folder_in_memory(self, in_memory: Path) -> None:
        chosen = memory.find()
        assert (chosen.folder, chosen.kind, chosen.passed_over) == (in_memory, "tmpfs", ())

    def test_without_one_it_is_the_shared_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
        assert memory.find().folder == Path("/dev/shm")

    @pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
    def test_one_that_others_can_look_into_is_passed_over(self, in_memory: Path, mode: int) -> None:
        in_memory.chmod(mode)
        chosen = memory.find()
        assert chosen.folder == Path("/dev/shm")
        assert chosen.passed_over == (f"XDG_RUNTIME_DIR ({in_memory}) is not this user's alone",)

    def test_one_of_another_user_is_passed_over(
        self, in_memory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As root finds it after sudo."""
        monkeypatch.setattr(os, "geteuid", lambda: in_memory.stat().st_uid + 1)
        assert [line for line in memory.find().passed_over if "not this user's alone" in line]

    @pytest.mark.parametrize(
        ("value", "why"),
        [
            ("somewhere", "is not an absolute path"),
            ("/no/such/place", "cannot be used: No such file"),
        ],
    )
    def test_one_that_is_none_is_passed_over(
        self, value: str, why: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_RUNTIME_DIR", value)
        chosen = memory.find()
        assert chosen.folder == Path("/dev/shm")
        assert chosen.passed_over[0].startswith(f"XDG_RUNTIME_DIR ({value}) {why}")

    def test_a_file_system_on_a_disk_is_passed_over(
        self, in_memory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(mounts, "kind", lambda path: "ext4")
        chosen = memory.find()
        assert chosen.folder is None
        assert chosen.passed_over == (
            f"XDG_RUNTIME_DIR ({in_memory}) lies on ext4, not in memory",
            "/dev/shm lies on ext4, not in memory",
        )

    def test_a_shared_one_without_the_sticky_bit_is_passed_over(
        self, in_memory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(memory, "_SHARED", in_memory)
        monkeypatch.delenv("XDG_RUNTIME_DIR")
        in_memory.chmod(0o777)
        assert memory.find().folder is None
        in_memory.chmod(0o1777)
        assert memory.find().folder == in_memory

    def test_without_room_it_is_one_line_and_nothing_begins(
        self, in_memory: Path, desk: Desk
    ) -> None:
        job = desk.job(":", inventory("a", text="x" * 1000))
        with pytest.raises(AdapterError, match=f"{in_memory}: less than") as raised:
            run_folders.secret_folder(desk.root, room=1 << 60)
        assert len(raised.value.lines()) == 1
        assert list(in_memory.iterdir()) == []
        assert desk.run(job)["a"].status is AnswerStatus.OK


class TestARun:
    def test_its_secrets_are_gone_once_ansible_has_read_them(
        self, in_memory: Path, desk: Desk
    ) -> None:
        job = desk.job('echo "$PATCHCTL_INPUT"; sleep 1000', inventory("a", word=SECRET))
        with desk.runner() as runner:
            running = runner.start(job)
            wait(lambda: _sleeps(running.process))
            (folder,) = in_memory.iterdir()
            assert folder.stat().st_mode & 0o777 == 0o700
            # While the task sleeps: another thread removes it once Ansible has said that it began.
            wait(lambda: not (folder / run_folders.GIVEN).exists())
            wait(lambda: holding(in_memory, desk.runs) == [])
            running.cancel()
            assert isinstance(running.answers.get(timeout=20), Answer)
            assert isinstance(running.answers.get(timeout=20), Ended)
            assert list(in_memory.iterdir()) == list(desk.runs.iterdir()) == []

    def test_before_that_they_lie_in_memory_alone(
        self, in_memory: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[Path] = []

        def look(secret: Path) -> None:
            seen.extend(holding(in_memory, desk.runs, desk.root))

        monkeypatch.setattr(run_folders, "was_read", look)
        assert desk.run(desk.job(":", inventory("a", word=SECRET)))["a"].status is AnswerStatus.OK
        assert [path.relative_to(path.parents[1]) for path in seen] == [
            Path("given/inventory.json")
        ]
        assert seen[0].is_relative_to(in_memory)
        assert holding(in_memory, desk.runs) == []  # at the latest with the run

    def test_the_environment_is_in_no_file(
        self, in_memory: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SITE_TOKEN", SECRET)
        with desk.runner() as runner:
            running = runner.start(desk.job("sleep 1000", inventory("a")))
            wait(lambda: _sleeps(running.process))
            wait(lambda: holding(in_memory, desk.runs) == [])
            running.cancel()

    def test_without_a_place_in_memory_they_lie_in_the_state_folder_for_that_moment(
        self, nowhere: Path, desk: Desk
    ) -> None:
        with desk.runner() as runner:
            running = runner.start(desk.job("sleep 1000", inventory("a", word=SECRET)))
            wait(lambda: _sleeps(running.process))
            (folder,) = desk.runs.iterdir()
            assert (folder / run_folders.ON_DISK / run_folders.TMP).is_dir()
            wait(lambda: holding(desk.runs, nowhere) == [])
            running.cancel()
            assert running.wait(20)
        assert list(desk.runs.iterdir()) == list(nowhere.iterdir()) == []

    def test_a_second_look_at_the_inventory_is_a_plain_failure(
        self, in_memory: Path, desk: Desk
    ) -> None:
        job = desk.job(":", inventory("a"), rescues=True)
        (desk.root / "work.yml").write_text(
            "- hosts: all\n  gather_facts: false\n  tasks: [{meta: refresh_inventory}]\n"
        )
        answer = desk.run(job)["a"]
        assert answer.status is AnswerStatus.LOST
        assert "refresh_inventory found nothing to read: take it out" in answer.reason

    def test_a_module_on_this_machine_leaves_no_file_with_its_arguments(
        self, in_memory: Path, desk: Desk, tmp_path: Path
    ) -> None:
        """A hook's call of a load balancer, say: what it is given would lie in ~/.ansible/tmp."""
        home = tmp_path / "home"
        home.mkdir()
        job = desk.job(":", inventory("a", word=SECRET, ansible_remote_tmp=str(home)), rescues=True)
        job.inventory["all"]["vars"]["ansible_python_interpreter"] = sys.executable
        seen = tmp_path / "seen"
        (desk.root / "work.yml").write_text(
            "- hosts: all\n  gather_facts: false\n  tasks:\n"
            "    - ansible.builtin.command:\n"
            f"        argv: [/bin/sh, -c, 'grep -rl \"$1\" {home} >{seen} || :', sh,"
            " '{{ word }}']\n"
        )
        assert desk.run(job)["a"].status is AnswerStatus.OK
        assert seen.read_text() == ""


COMMAND = """
import os, sys, time
from pathlib import Path
from patchctl.adapters.ansible.playbooks import Playbook
from patchctl.adapters.ansible.runner import AnsibleRunner, Connection, Job
root = Path(sys.argv[1])
hosts = {"all": {"hosts": {"a": {"ansible_connection": "local", "ansible_become": False,
                                 "word": sys.argv[2]}}}}
runner = AnsibleRunner(
    root / "runs", root, Connection(), os.environ, lambda _: Playbook(root / "work.yml"))
running = runner.start(Job(id="job-1", stage="work", inventory=hosts))
print(running.process.pid, running.process.start, flush=True)
if "wait" in sys.argv:
    time.sleep(1000)
if "answers" in sys.argv:
    running.answers.get()
"""


class Command:
    """Another process that runs a playbook of one task."""

    def __init__(self, desk: Desk, *words: str) -> None:
        arguments = [sys.executable, "-c", COMMAND, str(desk.root), SECRET, *words]
        self.popen = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert self.popen.stdout is not None
        pid, start = map(int, self.popen.stdout.readline().split())
        self.process = ProcessIdentity(pid=pid, pgid=pid, start=start, boot_id=processes.boot_id())

    def end(self) -> None:
        self.popen.kill()
        self.popen.wait()
        end_all(self.process)


class TestAtTheEndOfACommand:
    @pytest.mark.parametrize("script", ["echo done", "sleep 1000"])
    def test_nothing_is_left_where_nobody_waited(
        self, script: str, in_memory: Path, desk: Desk
    ) -> None:
        """A run whose hosts have all answered is at its end in a moment; another is ended."""
        desk.job(script, inventory("a"))
        words = ("answers",) if script == "echo done" else ()
        command = Command(desk, *words)
        assert command.popen.wait(60) == 0
        assert list(in_memory.iterdir()) == list(desk.runs.iterdir()) == []
        assert not list(marked(command.process))


class TestAfterAKill:
    @pytest.fixture
    def killed(self, in_memory: Path, desk: Desk) -> Iterator[Command]:
        desk.job("sleep 1000", inventory("a"))
        command = Command(desk, "wait")
        wait(lambda: _sleeps(command.process))
        command.popen.send_signal(signal.SIGKILL)
        command.popen.wait()
        yield command
        command.end()

    def test_the_next_command_removes_it(
        self, killed: Command, in_memory: Path, desk: Desk
    ) -> None:
        end_all(killed.process)
        run_folders.sweep_secrets(desk.runs)
        assert list(in_memory.iterdir()) == list(desk.runs.iterdir()) == []

    def test_also_one_in_another_workspace(
        self, killed: Command, in_memory: Path, tmp_path: Path
    ) -> None:
        end_all(killed.process)
        run_folders.sweep_secrets(tmp_path / "elsewhere")
        assert list(in_memory.iterdir()) == []

    def test_a_playbook_that_still_runs_keeps_its_folder_without_what_it_has_read(
        self, killed: Command, in_memory: Path, desk: Desk
    ) -> None:
        (folder,) = in_memory.iterdir()
        inputs = folder / run_folders.GIVEN
        inputs.mkdir()
        (inputs / "inventory.json").write_text(SECRET)
        run_folders.sweep_secrets(desk.runs)
        assert inputs.exists()  # nothing says yet that it was read
        (folder / run_folders.ARTIFACTS / "run" / "job_events" / "1-partial.json").touch()
        run_folders.sweep_secrets(desk.runs)
        assert not inputs.exists()
        assert folder.exists() and len(list(desk.runs.iterdir())) == 1
        assert processes.is_alive(killed.process)


class TestTheSweep:
    def folder(self, parent: Path, **owner: Any) -> Path:
        """Make a folder that a process of this user left, or one of `owner`."""
        path = Path(tempfile.mkdtemp(prefix=f"patchctl-secrets-{os.geteuid()}-", dir=parent))
        fields = {**NO_SUCH_PROCESS, "boot_id": processes.boot_id(), **owner}
        (path / "owner").write_text(json.dumps(fields))
        (path / "given").mkdir()
        (path / "given" / "inventory.json").write_text(SECRET)
        return path

    def test_takes_what_the_dead_left(self, in_memory: Path, tmp_path: Path) -> None:
        self.folder(in_memory)
        self.folder(in_memory, boot_id="another")
        run_folders.sweep_secrets(tmp_path / "runs")
        assert list(in_memory.iterdir()) == []

    def test_leaves_the_living_alone(self, in_memory: Path, tmp_path: Path) -> None:
        own = msgspec.to_builtins(processes.own())
        left = [
            self.folder(in_memory, **own),
            # Nobody here can tell whether a process of another container runs.
            self.folder(in_memory, space=4_000_000_000),
        ]
        run_folders.sweep_secrets(tmp_path / "runs")
        assert set(holding(in_memory)) == {path / "given" / "inventory.json" for path in left}

    def test_follows_and_removes_nothing_of_others(self, in_memory: Path, tmp_path: Path) -> None:
        victim = tmp_path / "victim"
        victim.mkdir()
        untouched = self.folder(victim)
        name = f"patchctl-secrets-{os.geteuid()}-"
        (in_memory / f"{name}link").symlink_to(untouched)
        os.mkfifo(in_memory / f"{name}fifo")
        (in_memory / f"{name}file").write_text("x")
        (in_memory / f"{name}strange").mkdir(mode=0o700)
        os.mkfifo(in_memory / f"{name}strange" / "owner")
        open_to_all = self.folder(in_memory)
        open_to_all.chmod(0o777)
        inside = self.folder(in_memory)
        (inside / "tmp").symlink_to(untouched)
        before = {path for path in in_memory.iterdir() if path != inside}
        run_folders.sweep_secrets(tmp_path / "runs")
        assert set(in_memory.iterdir()) == before
        assert (untouched / "given" / "inventory.json").read_text() == SECRET

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
    def test_leaves_a_folder_of_another_user_alone(self, in_memory: Path, tmp_path: Path) -> None:
        folder = self.folder(in_memory)
        os.chown(folder, 12345, 12345)
        run_folders.sweep_secrets(tmp_path / "runs")
        assert folder.exists()


class TestPasswordsForSsh:
    """The shared memory in which Ansible gives ssh a password."""

    @pytest.fixture
    def segment(self) -> Iterator[Path]:
        path = Path("/dev/shm") / f"psm_{secrets.token_hex(4)}"
        self.write(path, KEPT, age_s=0)  # tests beside this one sweep, too
        yield path
        path.unlink(missing_ok=True)

    def write(self, path: Path, content: Any, *, age_s: int) -> None:
        path.write_bytes(json.dumps(content).encode().ljust(16384, b"\0"))
        path.chmod(0o600)
        then = time.time() - age_s
        os.utime(path, (then, then))

    def test_goes_with_the_processes_that_were_to_use_it(self, segment: Path) -> None:
        own = processes.own()
        environment = {
            **os.environ,
            MARKER: f"{own.pid}-{own.start}",
            "_ANSIBLE_SSH_ASKPASS_SHM": f"/{segment.name}",
        }
        with subprocess.Popen(["sleep", "100"], env=environment, start_new_session=True) as ssh:
            wait(lambda: segments.named_by(ssh.pid) == {segment.name})
            self.write(segment, KEPT, age_s=60)
            segments.sweep()
            assert segment.exists()  # it is in use
            assert end_all(own)
            assert not segment.exists()

    def test_is_removed_where_nothing_can_use_it(self, segment: Path) -> None:
        self.write(segment, KEPT, age_s=60)
        segments.sweep()
        assert not segment.exists()

    def test_stays_where_it_was_made_this_moment(self, segment: Path) -> None:
        segments.sweep()
        assert segment.exists()

    @pytest.mark.parametrize("content", ["text", [], {"password": "x"}, {"prompt": "x", "a": 1}])
    def test_another_shared_memory_stays(self, segment: Path, content: Any) -> None:
        self.write(segment, content, age_s=60)
        segments.sweep()
        segments.remove([segment.name])
        assert segment.exists()

    @pytest.mark.parametrize("name", ["../etc/passwd", "psm_", "psm_xyz", "", "psm_00/../x"])
    def test_a_strange_name_is_no_path(self, name: str, segment: Path) -> None:
        segments.remove([name])
        assert segment.exists()

    def test_a_link_is_not_followed(self, segment: Path) -> None:
        link = segment.with_name(f"psm_{secrets.token_hex(4)}")
        link.symlink_to(segment)
        try:
            segments.remove([link.name])
            assert segment.exists() and link.is_symlink()
        finally:
            link.unlink()


def _sleeps(process: ProcessIdentity) -> bool:
    return any(b"sleep\x001000" in _arguments(pid) for pid in list(marked(process)))


def _arguments(pid: int) -> bytes:
    """Return the arguments; "" where the process has just ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
