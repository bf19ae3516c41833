"""One worker asks many hosts: when it sends what, which results stay, and that a slow host delays
no other.

A local shell replaces ssh here. That ssh is started as Ansible would start it is tested in
tests/integration.
"""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from roles.test_patch_script import _load

from patchctl.adapters.ansible.results import Collector, answer_file
from patchctl.protocol.jobs import Answer, AnswerStatus, Job

together = _load("patch_together")
script = _load("patch_script")
NONCE = "0123456789abcdef01234567"
CONTENT = script._compose('main() { echo "I am $HOST"; }\nmain "$@" </dev/null\n', "", NONCE)


def way(shell: str, success: bytes = b"") -> Any:
    return together.Way([b"/bin/sh", b"-c", shell.encode()], success)


HONEST = "HOST={host} exec /bin/sh -s --"


def ask(output: Path, ways: dict[str, Any], *, at_once: int = 25, limit: float = 20) -> list[str]:
    """Ask hosts and return those that remain; the output is in `output`."""
    ended = together.Ended(output)
    left: list[str] = []

    def end(host: str, talk: Any) -> None:
        fields = together._judge(script.ActionModule, host, talk, NONCE, output)
        if fields is None:
            left.append(host)
        else:
            ended.write(host=host, **fields)

    def call(host: str) -> Any:
        reached = ways[host]
        return reached and together.Call(reached, CONTENT.encode(), output, limit)

    talks = together.Talks(at_once=at_once, end=end, leave=left.append)
    try:
        for host in ways:
            talks.call(host, lambda host=host: call(host))
        talks.hold()
    finally:
        talks.close()
        ended.close()
    return left


def answers(output: Path, *hosts: str) -> dict[str, Answer]:
    """Return the answers as patchctl reads them."""
    inventory: dict[str, Any] = {"all": {"hosts": {host: {} for host in hosts}}}
    collector = Collector(Job(id="j", stage="work", inventory=inventory), output)
    return {answer.host: answer for answer in collector.batch_answers()}


def test_every_host_answers_for_itself(tmp_path: Path) -> None:
    hosts = [f"web-{number}" for number in range(7)]
    assert ask(tmp_path, {host: way(HONEST.format(host=host)) for host in hosts}, at_once=3) == []
    by_host = answers(tmp_path, *hosts)
    assert {host: it.output for host, it in by_host.items()} == {
        host: f"I am {host}\n" for host in hosts
    }
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())


def test_nothing_is_sent_before_sudo_gave_root(tmp_path: Path) -> None:
    asked = "head -c 1 | wc -c; exit 1"
    late = f"sleep 0.2; echo ROOT-7; {HONEST.format(host='late')}"
    ways = {"never": way(asked, b"ROOT-7"), "late": way(late, b"ROOT-7")}
    begun = time.monotonic()
    ask(tmp_path, ways, limit=3)
    assert time.monotonic() - begun >= 3
    by_host = answers(tmp_path, "never", "late")
    assert by_host["never"].reason == "no answer within 3 s"
    assert by_host["late"].output == "I am late\n"


def test_a_flood_is_cut_off_and_hides_nobody(tmp_path: Path) -> None:
    ways = {
        "flood": way("exec cat /dev/zero"),
        "errors": way("exec cat /dev/zero >&2"),
        "good": way(HONEST.format(host="good")),
    }
    ask(tmp_path, ways)
    by_host = answers(tmp_path, *ways)
    for host in ("flood", "errors"):
        assert by_host[host].status is AnswerStatus.FAILED
        assert by_host[host].reason == "the host sent more than 64 MiB"
        assert not answer_file(tmp_path, host).exists()
    assert by_host["good"].output == "I am good\n"


def test_a_large_answer_arrives_whole(tmp_path: Path) -> None:
    large = f"seq 900000; {HONEST.format(host='large')}"
    ask(tmp_path, {"large": way(large)})
    assert answers(tmp_path, "large")["large"].output == "I am large\n"


@pytest.mark.parametrize(
    ("shell", "status", "reason"),
    [
        (
            "echo 'ssh: connect to host x port 22: Connection refused' >&2; exit 255",
            AnswerStatus.UNREACHABLE,
            "connection refused: nothing listens on the ssh port",
        ),
        (
            "echo 'sudo: a password is required' >&2; exit 1",
            AnswerStatus.FAILED,
            "sudo wants a password (-K)",
        ),
        ("kill -9 $$", AnswerStatus.FAILED, "ssh was ended by signal 9"),
        ("exit 0", AnswerStatus.FAILED, "the script did not start on the host (exit code 0)"),
    ],
)
def test_a_failure_is_told_in_plain_words(
    tmp_path: Path, shell: str, status: AnswerStatus, reason: str
) -> None:
    ask(tmp_path, {"bad": way(shell), "good": way(HONEST.format(host="good"))})
    by_host = answers(tmp_path, "bad", "good")
    assert (by_host["bad"].status, by_host["bad"].reason) == (status, reason)
    assert by_host["good"].status is AnswerStatus.OK


def test_bytes_that_are_no_text_are_a_reason_like_any_other(tmp_path: Path) -> None:
    ask(tmp_path, {"banner": way(r"printf '\377\200 \355\240\200 {{ 1 }}' >&2; exit 255")})
    answer = answers(tmp_path, "banner")["banner"]
    assert answer.status is AnswerStatus.UNREACHABLE
    assert "{{ 1 }}" in answer.reason


def test_a_damaged_line_loses_only_its_host(tmp_path: Path) -> None:
    fields = {"host": "b", "status": "unreachable", "msg": "x", "trouble": "", "ms": 1}
    lines = b'{"host":"a\\udc80"}\n' + json.dumps(fields).encode() + b"\n"
    (tmp_path / "ended").write_bytes(lines)
    assert list(answers(tmp_path, "a", "b")) == ["b"]


def test_a_host_that_needs_a_worker_of_its_own_is_left_for_one(tmp_path: Path) -> None:
    shared = "echo 'mux_client_hello_exchange: write packet: Broken pipe' >&2; exit 255"
    ways = {"password": None, "shared": way(shared), "good": way(HONEST.format(host="good"))}
    assert sorted(ask(tmp_path, ways)) == ["password", "shared"]
    assert list(answers(tmp_path, *ways)) == ["good"]


def test_a_line_that_is_not_yet_whole_is_read_later(tmp_path: Path) -> None:
    job = Job(id="j", stage="work", inventory={"all": {"hosts": {"a": {}}}})
    collector = Collector(job, tmp_path)
    fields = {"host": "a", "status": "unreachable", "msg": "x", "trouble": "", "ms": 1}
    line = json.dumps(fields).encode()
    (tmp_path / "ended").write_bytes(line[:20])
    assert list(collector.batch_answers()) == []
    (tmp_path / "ended").write_bytes(line + b"\n")
    assert [it.host for it in collector.batch_answers()] == ["a"]
    assert list(collector.batch_answers()) == []


def test_a_full_disk_is_this_machine_s_trouble(tmp_path: Path) -> None:
    job = Job(id="j", stage="work", inventory={"all": {"hosts": {"a": {}, "b": {}}}})
    collector = Collector(job, tmp_path)
    result = {"failed": True, "msg": "x", "patch_trouble": "/state: No space left on device"}
    data = {"host": "a", "task_action": "patch_together", "res": result}
    lost = list(collector.take({"event": "runner_on_failed", "event_data": data}))
    assert [(it.host, it.status) for it in lost] == [
        ("a", AnswerStatus.LOST),
        ("b", AnswerStatus.LOST),
    ]
    assert all("No space left" in it.trouble for it in lost)
