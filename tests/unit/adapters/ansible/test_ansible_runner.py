"""Run a playbook: each host answers by itself, and nothing is left on disk or running.

The hosts here are this machine (`ansible_connection: local`): Ansible is real, ssh is not used.
Tests that need a network are in tests/integration.
"""

import base64
import gzip
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchctl.adapters import processes
from patchctl.adapters.ansible import folder
from patchctl.adapters.ansible.playbooks import Playbook
from patchctl.adapters.ansible.processes import MARKER, end_all, has_begun, marked
from patchctl.adapters.ansible.results import Collector
from patchctl.adapters.ansible.runner import (
    AnsibleRunner,
    Answer,
    AnswerStatus,
    Connection,
    Ended,
    Job,
)
from patchctl.errors import AdapterError, InvalidInputError
from patchctl.models.facts import PackageManager
from patchctl.models.reach import ReasonCode
from patchctl.models.rollout import Carrier, ProcessIdentity
from patchctl.protocol import envelope
from patchctl.protocol.jobs import hosts_of

LOCAL = {"ansible_connection": "local", "ansible_become": False}
PLAYBOOK = "- hosts: all\n  gather_facts: false\n  become: true\n  roles: [work]\n"
TASK = """\
- name: Run the script
  patch_script:
    script: "{{ role_path }}/files/work.sh"
    payload: "{{ patch_payload_file | default('') }}"
    output: "{{ patch_output_dir }}"
  timeout: "{{ patch_timeout }}"
"""


def inventory(*hosts: str, **variables: Any) -> dict[str, Any]:
    return {"all": {"hosts": {host: dict(LOCAL) for host in hosts}, "vars": variables}}


class Desk:
    """A workspace with one playbook, whose script the test gives."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.runs = root / "runs"
        for name, text in (
            ("roles/work/tasks/main.yml", TASK),
            ("roles/work/meta/main.yml", "dependencies: [{role: patch_connection}]\n"),
            ("work.yml", PLAYBOOK),
        ):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)

    def job(self, script: str, hosts: dict[str, Any], **more: Any) -> Job:
        file = self.root / "roles/work/files/work.sh"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f'main() {{\n{script}\n}}\nmain "$@" </dev/null\n')
        return Job(id="job-1", stage="work", inventory=hosts, **more)

    def runner(self, connection: Connection | None = None) -> AnsibleRunner:
        how = connection or Connection()
        return AnsibleRunner(self.runs, self.root, how, os.environ, playbooks=self.playbook)

    def playbook(self, stage: str) -> Playbook:
        return Playbook(self.root / f"{stage}.yml")

    def run(self, job: Job) -> dict[str, Answer]:
        with self.runner() as runner:
            return {answer.host: answer for answer in runner.run(job)}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


class TestARun:
    def test_answers_have_output_and_leave_nothing_behind(self, desk: Desk) -> None:
        job = desk.job(
            'printf "got %s" "$PATCHCTL_INPUT"', inventory("a", "b"), payloads={"a": "{{ 1 + 1 }}"}
        )
        answers = desk.run(job)
        assert answers["a"].status is AnswerStatus.OK
        assert answers["a"].output == "got {{ 1 + 1 }}"
        assert answers["b"].output == "got "
        assert list(desk.runs.iterdir()) == []

    def test_a_failing_script_is_a_result_with_its_output_and_last_error(self, desk: Desk) -> None:
        answer = desk.run(desk.job("echo out; echo why >&2; return 7", inventory("a")))["a"]
        assert (answer.status, answer.rc, answer.output) == (AnswerStatus.FAILED, 7, "out\n")
        assert answer.reason == "exit code 7: why"

    def test_more_than_ansible_runner_can_carry_in_a_result(self, desk: Desk) -> None:
        script = (
            "i=0; while [ $i -lt 20000 ]; do echo $i $i $i $i $i $i $i $i $i $i; i=$((i+1)); done"
        )
        answer = desk.run(desk.job(script, inventory("a")))["a"]
        assert len(answer.output) > 1_000_000
        assert answer.output.endswith("19999\n")

    def test_a_slow_host_is_ended_in_time_and_hides_no_other(self, desk: Desk) -> None:
        job = desk.job('[ "$PATCHCTL_INPUT" ] && sleep 60; echo done', inventory("a", "b"),
                       payloads={"a": "slow"}, timeout_s=2)  # fmt: skip
        begun = time.monotonic()
        answers = desk.run(job)
        assert time.monotonic() - begun < 20
        assert answers["a"].status is AnswerStatus.FAILED
        assert answers["a"].reason == "no answer within 2 s"
        assert answers["b"].status is AnswerStatus.OK

    def test_a_playbook_that_cannot_run_loses_its_hosts_and_says_why(self, desk: Desk) -> None:
        job = desk.job(":", inventory("a"))
        playbook = "- hosts: all\n  tasks: [{name: x, no_such_module: {}}]\n"
        (desk.root / "work.yml").write_text(playbook)
        answer = desk.run(job)["a"]
        assert answer.status is AnswerStatus.LOST
        assert "no_such_module" in answer.reason

    def test_what_a_host_says_is_never_evaluated(self, desk: Desk, tmp_path: Path) -> None:
        evil = "{{ lookup('pipe', 'touch %s') }}" % (tmp_path / "pwned")
        job = desk.job(f'cat <<"X"\n{evil}\nX\necho "{evil}" >&2; return 1', inventory("a"))
        answer = desk.run(job)["a"]
        assert answer.output == evil + "\n"
        assert not (tmp_path / "pwned").exists()

    def test_the_environment_outside_does_not_reach_ansible(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ANSIBLE_CHECK_MODE_MARKERS", "1")
        monkeypatch.setenv("ANSIBLE_STRATEGY", "no-such-strategy")
        assert desk.run(desk.job("env", inventory("a")))["a"].status is AnswerStatus.OK

    def test_cancel_ends_every_process_and_every_answer(self, desk: Desk) -> None:
        with desk.runner() as runner:
            running = runner.start(desk.job("sleep 1000", inventory("a", "b")))
            _wait(lambda: len(list(marked(running.process))) >= 3)
            running.cancel()
            items = [running.answers.get(timeout=20) for _ in range(3)]
            assert not list(marked(running.process))
        assert [type(item) for item in items] == [Answer, Answer, Ended]
        assert {item.reason for item in items} == {"the run was cancelled"}
        assert list(desk.runs.iterdir()) == []

    def test_a_run_that_is_left_early_keeps_no_folder(self, desk: Desk) -> None:
        job = desk.job(
            '[ "$PATCHCTL_INPUT" ] && sleep 1000; echo done', inventory("a", "b"),
            payloads={"a": "slow"},
        )  # fmt: skip
        with desk.runner() as runner:
            for answer in runner.run(job):
                assert answer.host == "b"
                break
        assert list(desk.runs.iterdir()) == []


CONTROLLER = """
import os, sys, time, msgspec
from pathlib import Path
from patchctl.adapters.ansible.playbooks import Playbook
from patchctl.adapters.ansible.runner import AnsibleRunner, Connection, Job
root = Path(sys.argv[1])
hosts = {"all": {"hosts": {"a": {"ansible_connection": "local", "ansible_become": False}}}}
runner = AnsibleRunner(
    root / "runs", root, Connection(), os.environ, lambda _: Playbook(root / "work.yml"))
running = runner.start(Job(id="job-1", stage="work", inventory=hosts))
print(msgspec.json.encode(running.process).decode(), flush=True)
time.sleep(1000)
"""


def carrier(process: ProcessIdentity) -> Carrier:
    carried: Carrier = msgspec.to_builtins(process)
    return carried


@pytest.mark.parametrize(
    ("manager", "value"), [(PackageManager.DNF, "dnf"), (PackageManager.APT, "apt"), (None, None)]
)
def test_roles_are_told_which_package_manager_it_is(
    tmp_path: Path, manager: PackageManager | None, value: str | None
) -> None:
    job = Job(id="j", stage="work", inventory=inventory("a"), manager=manager)
    folders = folder.Folders(tmp_path / "run", tmp_path / "secret", tmp_path / "c")
    folder.write(folders, job, Playbook(Path("p.yml")), Connection(), {})
    variables = msgspec.json.decode((folders.run / "variables.json").read_bytes())
    assert variables.get("patch_transaction_manager") == value


class TestALeftover:
    @pytest.fixture
    def leftover(self, desk: Desk) -> Iterator[ProcessIdentity]:
        """The playbook of a controller that was killed while its task runs."""
        desk.job("sleep 1000", inventory("a"))
        with subprocess.Popen(
            [sys.executable, "-c", CONTROLLER, str(desk.root)], stdout=subprocess.PIPE
        ) as controller:
            assert controller.stdout is not None
            line = controller.stdout.readline()
            process = msgspec.json.decode(line, type=ProcessIdentity)
            _wait(lambda: _sleeps(process))
            # Ansible tells its terminal of the start a moment later; without one it ends by itself.
            time.sleep(1)
            controller.send_signal(signal.SIGKILL)
        yield process
        end_all(process)

    def test_survives_a_new_controller_until_it_is_reaped(
        self, desk: Desk, leftover: ProcessIdentity
    ) -> None:
        with desk.runner() as runner:
            assert processes.is_alive(leftover)
            assert len(list(desk.runs.iterdir())) == 1
            assert runner.reap(carrier(leftover))
            assert not list(marked(leftover))
            assert not processes.is_alive(leftover)
            assert list(desk.runs.iterdir()) == []
            assert not runner.reap(carrier(leftover))

    def test_of_another_boot_is_left_alone(self, desk: Desk, leftover: ProcessIdentity) -> None:
        other = msgspec.structs.replace(leftover, boot_id="another")
        reused = msgspec.structs.replace(leftover, start=leftover.start + 1)
        with desk.runner() as runner:
            assert not runner.reap(carrier(other))
            assert not runner.reap(carrier(reused))
        assert processes.is_alive(leftover)

    def test_what_another_kind_of_worker_carries_is_not_called_ended(self, desk: Desk) -> None:
        with desk.runner() as runner, pytest.raises(AdapterError, match="is not a process"):
            runner.reap({"worker": "far-away", "ticket": 7})


def _sleeps(process: ProcessIdentity) -> bool:
    return any(b"sleep" in _arguments(pid) for pid in list(marked(process)))


def _arguments(pid: int) -> bytes:
    """Return the arguments; "" where the process has just ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _wait(condition: Any) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


class TestSecrets:
    connection = Connection(
        become_password="become-s3cret",
        ssh_password="ssh-s3cret",
        vault_password="vault-s3cret",
        extra_vars=("token=extra-s3cret", '{"other": 1}', "@vars.yml"),
    )

    def test_are_not_shown(self) -> None:
        assert "s3cret" not in f"{self.connection!r} {self.connection}"

    def test_are_in_no_argument_and_only_in_private_files_of_a_folder_of_their_own(
        self, tmp_path: Path
    ) -> None:
        hosts = inventory("a", ansible_password="host-s3cret")
        job = Job(id="j", stage="work", inventory=hosts)
        folders = folder.Folders(tmp_path / "run", tmp_path / "secret", tmp_path / "c")
        secrets = folder.secret_files(job, self.connection)
        arguments = folder.write(folders, job, Playbook(Path("p.yml")), self.connection, secrets)
        assert "s3cret" not in " ".join(arguments)
        assert "@vars.yml" in arguments
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert all(path.stat().st_mode & 0o077 == 0 for path in files)
        assert {
            str(path.relative_to(tmp_path)) for path in files if "s3cret" in path.read_text()
        } == {
            "secret/given/inventory.json",
            "secret/given/extra-0.yml",
        }
        assert all(path.stat().st_mode & 0o077 == 0 for path in (folders.run, folders.secret))

    @pytest.mark.parametrize("text", ["", "word", "a=1 word", "a='1"])
    def test_extra_variables_that_make_no_sense_are_refused(self, text: str) -> None:
        job = Job(id="j", stage="work", inventory=inventory("a"))
        with pytest.raises(InvalidInputError):
            folder.secret_files(job, Connection(extra_vars=(text,)))


class TestAFrame:
    text = "grüße\n" * 3

    def packed(self, text: bytes) -> bytes:
        return b"patchctl-frame 1 gzip 3\n" + base64.encodebytes(gzip.compress(text))

    def test_is_taken_apart(self) -> None:
        assert envelope.decode(self.packed(self.text.encode())) == (3, self.text)
        assert envelope.decode(b"patchctl-frame 1 plain 0\n\xff!") == (0, "\ufffd!")

    def test_cut_anywhere_is_refused(self) -> None:
        whole = self.packed(self.text.encode())
        for length in range(len(whole) - 8):
            with pytest.raises(AdapterError):
                envelope.decode(whole[:length])

    def test_a_bomb_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(envelope, "DECODED_MAX", 1000)
        with pytest.raises(AdapterError, match="64 MiB"):
            envelope.decode(self.packed(b"x" * 100_000))

    @given(st.binary())
    def test_any_bytes_are_a_frame_or_an_error(self, content: bytes) -> None:
        with pytest.raises(AdapterError):
            envelope.decode(content)
        try:
            envelope.decode(b"patchctl-frame 1 gzip 0\n" + content)
        except AdapterError as error:
            assert str(error)


BESIDE: dict[str, Any] = {"all": {"children": {"lbservers": {"hosts": {"lb1": {}}}}}}


class TestEvents:
    def collector(self, tmp_path: Path, **more: Any) -> Collector:
        job = Job(id="j", stage="work", inventory=inventory("a", "b"), **more)
        return Collector(job, tmp_path)

    def failed(self, host: str) -> dict[str, Any]:
        data = {"host": host, "res": {"msg": "broken"}, "duration": 1.5}
        return {"event": "runner_on_failed", "event_data": data}

    def stats(self, failures: dict[str, int]) -> dict[str, Any]:
        data = {"failures": failures, "dark": {}, "processed": {"a": 1, "b": 1}}
        return {"event": "playbook_on_stats", "event_data": data}

    def test_an_answer_that_this_machine_could_not_keep_is_no_failure_of_the_host(
        self, tmp_path: Path
    ) -> None:
        event = self.failed("a")
        event["event_data"]["res"]["patch_trouble"] = "/x: the answer cannot be kept: disk full"
        (answer,) = self.collector(tmp_path).take(event)
        assert answer.status is AnswerStatus.LOST
        assert answer.trouble == "/x: the answer cannot be kept: disk full"

    def test_a_failure_is_told_at_once(self, tmp_path: Path) -> None:
        (answer,) = self.collector(tmp_path).take(self.failed("a"))
        assert (answer.host, answer.status, answer.elapsed_ms) == ("a", AnswerStatus.FAILED, 1500)

    def test_a_failure_that_may_be_rescued_waits_for_the_end(self, tmp_path: Path) -> None:
        collector = self.collector(tmp_path, rescues=True)
        assert not [*collector.take(self.failed("a")), *collector.take(self.failed("b"))]
        list(collector.take(self.stats({"a": 1})))
        rest, ended = collector.end(cancelled=False)
        assert [answer.status for answer in rest] == [AnswerStatus.FAILED, AnswerStatus.OK]
        assert ended.reason == ""

    def test_without_the_end_what_did_not_answer_is_lost(self, tmp_path: Path) -> None:
        rest, ended = self.collector(tmp_path).end(cancelled=False)
        assert {answer.status for answer in rest} == {AnswerStatus.LOST}
        assert ended.rc == 255

    def test_what_a_full_machine_here_may_have_lost_is_no_failure_of_the_hosts(
        self, tmp_path: Path
    ) -> None:
        collector = self.collector(tmp_path)
        list(collector.take(self.failed("a")))
        rest, _ = collector.end(cancelled=False, trouble="/x is full")
        assert [(it.host, it.status, it.trouble) for it in rest] == [
            ("b", AnswerStatus.LOST, "/x is full")
        ]
        rest, _ = self.collector(tmp_path).end(cancelled=True, trouble="/x is full")
        assert {it.trouble for it in rest} == {""}

    @pytest.mark.parametrize(
        ("message", "stdout", "says"),
        [
            ("No route to host", "[ERROR]: x\nfatal: [a -> lb1]: FAILED! => {}",
             "on lb1: no route to the host"),
            ("broken", "fatal: [a -> elsewhere.example]: FAILED! => {}", "broken"),
            ("broken", "fatal: [a]: FAILED! => {}", "broken"),
            ("broken", "", "broken"),
            ("Task failed: Error while resolving value for 'msg': The filter plugin 'x' failed:"
             " the drain hook does not see lb1: add lbs to hooks.drain.sees",
             "fatal: [a -> lb1]: FAILED! => {}",
             "the drain hook does not see lb1: add lbs to hooks.drain.sees"),
        ],
    )  # fmt: skip
    def test_a_failure_says_on_which_other_host_it_was(
        self, tmp_path: Path, message: str, stdout: str, says: str
    ) -> None:
        event = {**self.failed("a"), "stdout": stdout}
        event["event_data"]["res"] = {"msg": message}
        (answer,) = self.collector(tmp_path, beside=BESIDE).take(event)
        assert answer.reason == says

    def test_a_loop_says_what_its_first_bad_round_said(self, tmp_path: Path) -> None:
        """Its end says "One or more items failed", and 2.21 marks no item there."""
        collector = self.collector(tmp_path, beside=BESIDE)

        def event(
            kind: str, host: str, task: str, message: str, stdout: str = ""
        ) -> dict[str, Any]:
            data = {"host": host, "task_uuid": task, "res": {"msg": message}}
            return {"event": kind, "event_data": data, "stdout": stdout}

        for item in (
            event("runner_item_on_failed", "a", "1", "of an earlier task, which was ignored"),
            event("runner_item_on_failed", "b", "2", "other host"),
            event("runner_item_on_failed", "a", "2", "No route to host",
                  "failed: [a -> lb1] (item=7) => {}"),
            event("runner_item_on_failed", "a", "2", "the second"),
        ):  # fmt: skip
            assert not list(collector.take(item))
        ends = [event("runner_on_failed", host, "2", "One or more items failed") for host in "ab"]
        answers = [answer.reason for end in ends for answer in collector.take(end)]
        assert answers == ["on lb1: no route to the host", "other host"]

    def test_a_key_that_another_host_refuses_is_not_this_ones_fault(self, tmp_path: Path) -> None:
        event = {**self.failed("a"), "stdout": "fatal: [a -> b]: UNREACHABLE! => {}"}
        event["event_data"]["res"] = {"msg": "Permission denied (publickey)"}
        (answer,) = self.collector(tmp_path).take(event)
        assert answer.code is ReasonCode.UNKNOWN
        assert answer.reason.startswith("on b: permission denied")

    @pytest.mark.parametrize("data", [{}, {"host": 1}, {"host": "c"}, {"host": "a", "res": "x"}])
    def test_events_of_a_strange_shape_do_no_harm(
        self, tmp_path: Path, data: dict[str, Any]
    ) -> None:
        collector = self.collector(tmp_path)
        for kind in ("runner_on_ok", "runner_on_failed", "runner_on_start", None):
            list(collector.take({"event": kind, "event_data": data}))


def test_hosts_are_found_in_every_group() -> None:
    groups = {
        "all": {
            "children": {"web": {"hosts": {"b": {}}, "children": {"deep": {"hosts": {"c": {}}}}}}
        },
        "db": {"hosts": {"a": None}},
    }
    assert hosts_of(groups) == ("a", "b", "c")


def test_the_marker_is_found_in_children_that_left_the_session(tmp_path: Path) -> None:
    own = processes.own()
    environment = {**os.environ, MARKER: f"{own.pid}-{own.start}"}
    with subprocess.Popen(["sleep", "100"], env=environment, start_new_session=True) as child:
        _wait(lambda: list(marked(own)) == [child.pid])  # its environment comes with its program
        child.kill()


def test_a_launcher_has_begun_when_its_program_bears_the_marker_or_when_it_has_ended(
    tmp_path: Path,
) -> None:
    """Before that a run that is cancelled would go on: nothing of it could be found."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    script = f'read -r _ <{gate}; {MARKER}="$$-$1"; export {MARKER}; exec sleep 100'
    with subprocess.Popen(
        ["sh", "-c", f'set -- "$(cut -d" " -f22 /proc/$$/stat)"; {script}']
    ) as child:
        process = processes.identity(child.pid)
        assert process is not None
        assert not has_begun(process)
        gate.write_text("go\n")
        _wait(lambda: has_begun(process))
        assert list(marked(process)) == [child.pid]
        child.kill()
        child.wait()
        assert has_begun(process)
