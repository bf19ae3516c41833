"""Scripts and files over real ssh: size limits, pushes, and what a killed controller leaves."""

import hashlib
import os
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

from patchctl.adapters.ansible.playbooks import Playbook
from patchctl.adapters.ansible.processes import marked
from patchctl.adapters.ansible.run_folders import remove_control
from patchctl.adapters.ansible.runner import AnsibleRunner, Answer, AnswerStatus, Connection, Job
from patchctl.cli.caller import this_process
from patchctl.inventory.export import generate
from patchctl.lab.handle import Lab
from patchctl.models.rollout import ProcessIdentity
from patchctl.wiring.fleet import load
from patchctl.wiring.workspace import Workspace, open_workspace

pytestmark = pytest.mark.lab

HOST = "staging-1"
PLAYBOOK = "- hosts: all\n  gather_facts: false\n  become: true\n  roles: [work]\n"
SCRIPT_TASK = """\
- name: Run the script
  patch_script: {script: "{{ role_path }}/files/work.sh", output: "{{ patch_output_dir }}"}
  timeout: "{{ patch_timeout }}"
"""
PUSH_TASK = """\
- name: Push files
  patch_push: {list: "{{ patch_push_file }}"}
  timeout: "{{ patch_timeout }}"
"""


def runner(opened: Workspace) -> AnsibleRunner:
    """Make the workspace's runner, with a playbook of the test."""
    playbook = Playbook(opened.root / "work.yml")
    return AnsibleRunner(
        opened.state / "runs", opened.root, opened.connection, os.environ, lambda _: playbook
    )


class Desk:
    """A playbook beside the workspace that runs one script or pushes files."""

    def __init__(self, workspace: Path) -> None:
        self.opened: Workspace = open_workspace(workspace, this_process())
        self.fleet = load(self.opened).fleet
        self.root = workspace
        role = workspace / "roles" / "work"
        for folder in ("tasks", "meta", "files"):
            (role / folder).mkdir(parents=True)
        (role / "meta" / "main.yml").write_text("dependencies: [{role: patch_connection}]\n")
        (workspace / "work.yml").write_text(PLAYBOOK)

        self.runner = runner(self.opened)

    def job(self, task: str, script: str = ":", **more: Any) -> Job:
        role = self.root / "roles" / "work"
        (role / "tasks" / "main.yml").write_text(task)
        (role / "files" / "work.sh").write_text(f'main() {{\n{script}\n}}\nmain "$@" </dev/null\n')
        inventory = generate(self.fleet, [HOST])
        return Job(id="job-1", stage="work", inventory=inventory, **more)

    def run(self, job: Job) -> Answer:
        (answer,) = self.runner.run(job)
        return answer


@pytest.fixture
def desk(lab: Lab, workspace: Path) -> Iterator[Desk]:
    desk = Desk(workspace)
    yield desk
    desk.runner.close()


def test_a_host_that_sends_noise_without_end_is_cut_off(desk: Desk) -> None:
    job = desk.job(SCRIPT_TASK, "while :; do head -c 60000000 /dev/urandom; done", timeout_s=25)
    answer = desk.run(job)
    assert answer.status is AnswerStatus.FAILED
    assert answer.output == ""
    assert answer.reason in {"the host sent more than 64 MiB", "no answer within 25 s"}


def test_a_large_honest_answer_arrives_whole(desk: Desk) -> None:
    answer = desk.run(desk.job(SCRIPT_TASK, "head -c 9000000 /dev/urandom | base64"))
    assert answer.status is AnswerStatus.OK
    assert len(answer.output) > 12_000_000


def test_ssh_connections_end_with_the_runner(desk: Desk) -> None:
    assert desk.run(desk.job(SCRIPT_TASK, "id -u")).output == "0\n"
    assert _masters()
    desk.runner.close()
    assert not _masters()


def text_of(path: Path) -> str:
    """Return the text; "" where the file is gone, because processes and other runners may end at
    any time."""
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""


def _masters() -> list[str]:
    own = {
        owner.parent.name
        for owner in Path("/tmp").glob("patchctl-*/owner")
        if f'"pid":{os.getpid()},' in text_of(owner)
    }
    titles = [text_of(entry) for entry in Path("/proc").glob("*/cmdline")]
    return [title for title in titles if "[mux]" in title and any(name in title for name in own)]


class TestPush:
    directory = "/var/lib/patchctl/t-1/new"

    def line(self, path: Path, name: str, **other: Any) -> str:
        content = path.read_bytes()
        sha = other.get("sha", hashlib.sha256(content).hexdigest())
        return f"file {sha} {other.get('size', len(content))} {name} {path}\n"

    def push(self, desk: Desk, *lines: str, directory: str = "") -> Answer:
        text = f"directory {directory or self.directory}\n{''.join(lines)}"
        return desk.run(desk.job(PUSH_TASK, pushes={HOST: text}))

    def test_files_arrive_whole_and_private_and_only_once(
        self, fresh_lab: Lab, desk: Desk, tmp_path: Path
    ) -> None:
        large, small = tmp_path / "a large file", tmp_path / "small"
        large.write_bytes(os.urandom(20_000_000))
        small.write_bytes(b"x")
        lines = (self.line(large, "a_1%3a2+b~1.deb"), self.line(small, "small.deb"))
        assert self.push(desk, *lines).status is AnswerStatus.OK
        told = fresh_lab.check(HOST, f"cd {self.directory}; sha256sum *; stat -c '%a %u %Y' . *")
        assert hashlib.sha256(large.read_bytes()).hexdigest() in told
        modes = [line.split()[:2] for line in told.splitlines()[2:]]
        assert modes == [["700", "0"], ["600", "0"], ["600", "0"]]
        time.sleep(1.1)
        assert self.push(desk, *lines).status is AnswerStatus.OK
        again = fresh_lab.check(HOST, f"cd {self.directory}; sha256sum *; stat -c '%a %u %Y' . *")
        assert again == told

    def test_what_does_not_agree_gets_no_name(
        self, fresh_lab: Lab, desk: Desk, tmp_path: Path
    ) -> None:
        file = tmp_path / "file"
        file.write_bytes(b"abc")
        answer = self.push(desk, self.line(file, "x.deb", sha="0" * 64))
        assert answer.reason == "x.deb: the file arrived damaged"
        answer = self.push(desk, self.line(file, "x.deb", size=4))
        assert "its size is not the one of the list" in answer.reason
        assert fresh_lab.check(HOST, f"ls {self.directory} | grep -v part || true") == ""

    def test_a_folder_that_somebody_else_prepared_is_refused(
        self, fresh_lab: Lab, desk: Desk, tmp_path: Path
    ) -> None:
        file = tmp_path / "file"
        file.write_bytes(b"abc")
        fresh_lab.check(HOST, "mkdir -p /var/lib/patchctl; ln -s /tmp /var/lib/patchctl/t-1")
        answer = self.push(desk, self.line(file, "x.deb"))
        assert answer.reason == "/var/lib/patchctl is not a folder of root alone"
        fresh_lab.check(HOST, "rm /var/lib/patchctl/t-1; install -d -o ops /var/lib/patchctl/t-1")
        assert self.push(desk, self.line(file, "x.deb")).status is AnswerStatus.FAILED
        assert fresh_lab.check(HOST, "find /tmp /var/lib/patchctl -name 'x.deb*'") == ""


CONTROLLER = """
import os, sys, time, msgspec
from pathlib import Path
from patchctl.adapters.ansible.run_folders import remove_control
from patchctl.adapters.ansible.playbooks import Playbook
from patchctl.adapters.ansible.runner import AnsibleRunner, Job
from patchctl.inventory.export import generate
from patchctl.cli.caller import this_process
from patchctl.wiring.fleet import load
from patchctl.wiring.workspace import open_workspace
root = Path(sys.argv[1])
opened = open_workspace(root, this_process())
fleet = load(opened).fleet
runner = AnsibleRunner(opened.state / "runs", root, opened.connection, os.environ,
                       lambda _: Playbook(root / "work.yml"))
running = runner.start(Job(
    id="job-1", stage="work", inventory=generate(fleet, [sys.argv[2]])))
print(msgspec.json.encode(running.process).decode(), flush=True)
time.sleep(1000)
"""


@pytest.fixture
def own_tmp() -> Iterator[Path]:
    """A short folder for ssh's sockets that no other controller on this machine cleans.

    Each patchctl that starts ends the ssh connections of dead controllers, and other tests run at
    the same time.
    """
    folder = Path(tempfile.mkdtemp(prefix="own-", dir="/tmp"))
    yield folder
    for control in folder.glob("patchctl-*"):
        remove_control(control)
    shutil.rmtree(folder)


def test_what_a_killed_controller_left_is_ended_while_its_task_sleeps_on_the_host(
    lab: Lab, desk: Desk, own_tmp: Path
) -> None:
    desk.job(SCRIPT_TASK, "sleep 97")
    with subprocess.Popen(
        [sys.executable, "-c", CONTROLLER, str(desk.root), HOST],
        stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": str(own_tmp)},
    ) as controller:  # fmt: skip
        assert controller.stdout is not None
        carrier = msgspec.json.decode(controller.stdout.readline())
        process = msgspec.convert(carrier, ProcessIdentity)
        _wait(lambda: "sleep 97" in lab.exec(HOST, "ps -eo args").out)
        # Ansible tells its terminal of the start a moment later; without one it ends by itself.
        time.sleep(2)
        controller.send_signal(signal.SIGKILL)
    time.sleep(0.5)
    assert len(list(marked(process))) >= 2
    assert desk.runner.reap(carrier)
    assert not list(marked(process))
    assert not desk.runner.reap(carrier)
    assert list((desk.root / ".patchctl/runs").iterdir()) == []
    lab.exec(HOST, "pkill -x -f 'sleep 97'")


def _wait(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)


A_CAREFUL_USER = """\
id careful >/dev/null 2>&1 || useradd -m -G sudo careful
echo careful:opens-sesame | chpasswd
printf 'PasswordAuthentication yes\\n' >/etc/ssh/sshd_config.d/password.conf
systemctl restart ssh
"""


def test_passwords_open_ssh_and_sudo_and_are_seen_nowhere(
    fresh_lab: Lab, desk: Desk, tmp_path: Path
) -> None:
    fresh_lab.check(HOST, A_CAREFUL_USER)
    job = desk.job(SCRIPT_TASK, "id -u; sleep 2")
    variables = job.inventory["all"]["hosts"][HOST]
    variables["ansible_user"] = "careful"
    variables["ansible_ssh_common_args"] += " -o PubkeyAuthentication=no"
    secret = Connection(ssh_password="opens-sesame", become_password="opens-sesame")
    where, work = tmp_path / "runs", Playbook(desk.root / "work.yml")
    with AnsibleRunner(where, desk.root, secret, os.environ, lambda _: work) as runner:
        running = runner.start(job)
        seen = 0
        while running.answers.empty():
            for pid in list(marked(running.process)):
                for name in ("cmdline", "environ"):
                    seen += _holds(Path(f"/proc/{pid}/{name}"))
            seen += sum(map(_holds, (tmp_path / "runs").rglob("*")))
        answer = running.answers.get(timeout=10)
    assert isinstance(answer, Answer)
    assert (answer.status, answer.output) == (AnswerStatus.OK, "0\n")
    assert seen == 0


def _holds(path: Path) -> bool:
    try:
        return path.is_file() and b"opens-sesame" in path.read_bytes()
    except OSError:
        return False
