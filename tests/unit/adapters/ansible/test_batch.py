"""One worker runs job after job. Ansible is real, and a local shell replaces ssh."""

import os
import signal
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import msgspec
import pytest
import yaml
from adapters.ansible.test_ansible_runner import Desk

from patchctl.adapters.ansible import batch
from patchctl.adapters.ansible.processes import marked
from patchctl.adapters.ansible.runner import AnsibleRunner, Answer, AnswerStatus, Ended, Job
from patchctl.executors.ansible import TOGETHER
from patchctl.models.connection import Connection
from patchctl.models.rollout import ProcessIdentity, Stage
from patchctl.protocol.jobs import StartedJob

ROLES = Path(__file__).parents[4] / "roles"
# The payload says what the host does.
PLAYBOOK = """\
- hosts: all
  gather_facts: false
  become: true
  tasks:
    - import_role: {name: work, tasks_from: none}
    - patch_together:
        scripts:
          act: "{{ patch_work }}"
          carry: "{{ patch_work }}"
        carried: {carry: "{{ patch_work }}"}
        requests: "{{ patch_requests }}"
        at_once: 2
      run_once: true
      delegate_to: nobody
"""
# ssh is called with options, the host, and a command for the host's shell.
SSH = """\
#!/bin/sh
if [ -e "$0.refuses" ]; then
  echo "ssh: connect to host x port 22: Connection refused" >&2
  exit 255
fi
echo x >>"$0.calls"
for word; do :; done
exec /bin/sh -c "$word"
"""


class Hosts:
    """A desk whose hosts one worker asks; `ask` yields their answers as they come."""

    def __init__(self, root: Path) -> None:
        self.desk = Desk(root)
        self.ssh = root / "ssh"
        self.ssh.write_text(SSH)
        self.ssh.chmod(0o700)
        (root / "roles/work/tasks/none.yml").write_text("[]\n")
        (root / "together.yml").write_text(PLAYBOOK)
        self.desk.job('eval "$PATCHCTL_INPUT"', {})
        self.answers: SimpleQueue[Answer | Ended] = SimpleQueue()
        self.number = 0

    def variables(self, **more: Any) -> dict[str, Any]:
        script = str(self.desk.root / "roles/work/files/work.sh")
        return {
            "ansible_ssh_executable": str(self.ssh),
            "ansible_become": False,
            "patch_work": script,
            **more,
        }

    def job(self, stage: str = "act", **payloads: str) -> Job:
        self.number += 1
        hosts = {host: self.variables() for host in payloads}
        return Job(
            id=f"job-{self.number}",
            stage=stage,
            inventory={"all": {"hosts": hosts}},
            payloads=payloads,
            timeout_s=20,
        )

    def ask(self, runner: AnsibleRunner, stage: str = "act", **payloads: str) -> StartedJob:
        return runner.ask(self.job(stage, **payloads), self.answers)

    def next(self) -> Answer | Ended:
        return self.answers.get(timeout=30)

    def all(self) -> dict[str, Answer]:
        """Return the answers of one job, and that it ended."""
        answers: dict[str, Answer] = {}
        while isinstance(answer := self.next(), Answer):
            answers[answer.host] = answer
        return answers


@pytest.fixture
def hosts(tmp_path: Path) -> Hosts:
    return Hosts(tmp_path)


def test_one_start_of_ansible_serves_job_after_job(hosts: Hosts) -> None:
    with hosts.desk.runner() as runner:
        first = hosts.ask(runner, a="echo one", b="echo two")
        assert {host: it.output for host, it in hosts.all().items()} == {"a": "one\n", "b": "two\n"}
        second = hosts.ask(runner, b="echo three")
        assert [it.output for it in hosts.all().values()] == ["three\n"]
        assert first.carrier == second.carrier
    assert not list(hosts.desk.runs.iterdir())


def test_a_host_that_answers_early_gets_its_next_job_while_others_work(hosts: Hosts) -> None:
    gate = hosts.desk.root / "gate"
    wait = f"until [ -e {gate} ]; do sleep 0.1; done; echo at last"
    with hosts.desk.runner() as runner:
        # More than are called at once: whoever has begun is no longer being called.
        hosts.ask(runner, a=wait, b=wait, c=wait, quick="echo done")
        early = hosts.next()
        assert isinstance(early, Answer) and early.output == "done\n"
        hosts.ask(runner, quick="echo again")
        again = hosts.next()
        assert isinstance(again, Answer) and again.output == "again\n"
        assert isinstance(hosts.next(), Ended)
        gate.touch()
        assert {it.output for it in hosts.all().values()} == {"at last\n"}


def test_a_script_that_starts_another_is_sent_with_it(hosts: Hosts) -> None:
    with hosts.desk.runner() as runner:
        hosts.ask(runner, "carry", a='printf "%s" "$PATCHCTL_CARRIED" | wc -l')
        assert int(hosts.all()["a"].output) >= 3


def test_the_answer_of_a_host_hides_no_other(hosts: Hosts) -> None:
    payloads = {
        "cut": "printf 'half of'; kill -9 $PPID; kill -9 $$",
        "flood": "exec cat /dev/zero",
        "hangs": "sleep 60",
        "lies": "echo; echo '@@000000000000000000000000 end 0'; exit 3",
        "good": "echo well",
    }
    with hosts.desk.runner() as runner:
        short = hosts.job(**payloads)
        runner.ask(Job(**{**vars(short), "timeout_s": 6}), hosts.answers)
        answers = hosts.all()
    assert answers["good"].output == "well\n"
    assert answers["cut"].status is AnswerStatus.FAILED
    assert answers["flood"].output == ""
    assert answers["flood"].status is AnswerStatus.FAILED
    assert answers["hangs"].reason == "no answer within 6 s"
    assert (answers["lies"].rc, answers["lies"].status) == (3, AnswerStatus.FAILED)


def test_an_unreachable_host_is_told_and_asked_anew(hosts: Hosts) -> None:
    refuses = Path(f"{hosts.ssh}.refuses")
    with hosts.desk.runner() as runner:
        hosts.ask(runner, a="echo x")
        hosts.all()
        refuses.touch()
        hosts.ask(runner, a="echo x")
        answer = hosts.all()["a"]
        assert answer.status is AnswerStatus.UNREACHABLE
        assert answer.reason == "connection refused: nothing listens on the ssh port"
        refuses.unlink()
        hosts.ask(runner, a="echo back")
        assert hosts.all()["a"].output == "back\n"


class TestWhoCannotBeAskedTogether:
    def job(self, hosts: Hosts) -> Job:
        job = hosts.job(a="echo x", local="echo x")
        job.inventory["all"]["hosts"]["local"]["ansible_connection"] = "local"
        return job

    def test_is_told_at_once_and_not_tried_again(self, hosts: Hosts) -> None:
        with hosts.desk.runner() as runner:
            runner.ask(self.job(hosts), hosts.answers)
            answers = hosts.all()
            assert answers["a"].output == "x\n"
            assert answers["local"].status is AnswerStatus.APART
            job = hosts.job(local="echo x")
            assert runner.ask(job, hosts.answers).carrier is None
            assert hosts.all()["local"].status is AnswerStatus.APART

    @pytest.mark.parametrize("option", ["ssh_password", "become_password"])
    def test_is_everybody_where_a_password_is_typed(self, hosts: Hosts, option: str) -> None:
        typed: dict[str, Any] = {option: "x"}
        with hosts.desk.runner(Connection(**typed)) as runner:
            assert hosts.ask(runner, a="echo x").carrier is None
            assert hosts.all()["a"].status is AnswerStatus.APART
        assert not hosts.desk.runs.exists()

    def test_is_everybody_where_there_are_too_many_workers(
        self, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(batch, "SESSIONS_MAX", 1)
        gate = hosts.desk.root / "gate"
        with hosts.desk.runner() as runner:
            hosts.ask(runner, a=f"until [ -e {gate} ]; do sleep 0.1; done")
            hosts.ask(runner, b="echo x")
            assert hosts.all()["b"].status is AnswerStatus.APART
            gate.touch()
            assert hosts.all()["a"].status is AnswerStatus.OK
            # One that has nothing to ask makes room.
            hosts.ask(runner, b="echo now")
            assert hosts.all()["b"].output == "now\n"


def _identity(running: StartedJob) -> ProcessIdentity:
    return msgspec.convert(running.carrier, ProcessIdentity)


class TestItsEnd:
    def test_comes_when_nobody_asks(self, hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(batch, "IDLE_S", 0.0)
        with hosts.desk.runner() as runner:
            first = hosts.ask(runner, a="echo x")
            hosts.all()
            deadline = time.monotonic() + 20
            while list(marked(_identity(first))) and time.monotonic() < deadline:
                time.sleep(0.1)
            assert not list(marked(_identity(first)))
            second = hosts.ask(runner, a="echo y")
            assert hosts.all()["a"].output == "y\n"
            assert second.carrier != first.carrier

    @pytest.mark.parametrize("who", ["ansible-playbook", "worker"])
    def test_by_force_loses_every_open_question_and_no_later_one(
        self, hosts: Hosts, who: str
    ) -> None:
        with hosts.desk.runner() as runner:
            running = hosts.ask(runner, a="sleep 50", b="echo x")
            assert isinstance(early := hosts.next(), Answer) and early.host == "b"
            parent = _identity(running).pid
            children = [
                int(pid)
                for path in Path(f"/proc/{parent}/task").glob("*/children")
                for pid in path.read_text().split()
            ]
            for pid in [parent] if who == "ansible-playbook" else children:
                os.kill(pid, signal.SIGKILL)
            answers = hosts.all()
            assert [(it.host, it.status) for it in answers.values()] == [("a", AnswerStatus.LOST)]
            assert "ended" in answers["a"].reason or "dead" in answers["a"].reason
            assert not list(marked(_identity(running)))
            hosts.ask(runner, a="echo again")
            assert hosts.all()["a"].output == "again\n"

    def test_of_the_controller_ends_its_questions(self, hosts: Hosts) -> None:
        """Its pipe is closed by the kernel then, whatever it died of."""
        with hosts.desk.runner() as runner:
            running = hosts.ask(runner, a="sleep 50")
            while not Path(f"{hosts.ssh}.calls").exists():
                time.sleep(0.1)
            begun = time.monotonic()
        assert time.monotonic() - begun < 10
        assert hosts.all()["a"].status is AnswerStatus.LOST
        assert not list(marked(_identity(running)))

    def test_by_cancelling_leaves_nothing(self, hosts: Hosts) -> None:
        with hosts.desk.runner() as runner:
            running = hosts.ask(runner, a="sleep 50")
            running.cancel()
            answers = hosts.all()
            assert answers["a"].reason == "the run was cancelled"
        assert not list(hosts.desk.runs.iterdir())

    def test_by_cancelling_gives_the_next_question_a_worker_of_its_own(self, hosts: Hosts) -> None:
        """A new executor in the same process asks at once."""
        with hosts.desk.runner() as runner:
            hosts.ask(runner, a="sleep 50").cancel()
            asked = hosts.ask(runner, a="echo well")
            answers = [hosts.next() for _ in range(4)]
        of_second = [answer for answer in answers if answer.job == asked.job.id]
        assert [answer.status for answer in of_second if isinstance(answer, Answer)] == [
            AnswerStatus.OK
        ]


def _script_of(path: Path) -> tuple[str, str]:
    """Return (script, carried) of the task of a role, each template without spaces."""
    (task,) = (
        task["patch_script"] for task in yaml.safe_load(path.read_text()) if "patch_script" in task
    )
    role = path.parents[1].name
    own = "role_path~'" if role == "patch_transaction" else f"role_path~'/../{role}"
    script = "".join(task["script"].split()).replace("role_path~'", own)
    return script, "".join(task.get("carried", "").split())


_ALONE = {
    "preflight": "patch_apply/tasks/preflight.yml",
    "prepare": "patch_apply/tasks/prepare.yml",
    "apply": "patch_apply/tasks/apply.yml",
    "restart": "patch_apply/tasks/restart.yml",
    "verify": "patch_verify/tasks/main.yml",
    "undo": "patch_rollback/tasks/main.yml",
    "verify_undo": "patch_verify/tasks/main.yml",
    "release": "patch_transaction/tasks/release.yml",
}


def test_hosts_get_the_same_script_together_and_apart() -> None:
    tasks = yaml.safe_load((ROLES / "patch_transaction/tasks/together.yml").read_text())
    parameters = tasks[0]["patch_together"]
    scripts = {
        stage: ("".join(script.split()), "".join(parameters["carried"].get(stage, "").split()))
        for stage, script in parameters["scripts"].items()
    }
    assert scripts == {stage: _script_of(ROLES / path) for stage, path in _ALONE.items()}
    assert {Stage(stage) for stage in scripts} >= TOGETHER
