"""The action plugins: what they send to a host's shell, and what they read in its answer."""

import base64
import errno
import gzip
import hashlib
import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ROLE = Path(__file__).resolve().parents[3] / "roles" / "patch_connection"
NONCE = "0123456789abcdef01234567"
SHELLS = [shell for shell in ("dash", "bash", "busybox", "sh") if shutil.which(shell)]
SCRIPT = """#!/bin/sh
set -u
main() {
%s
}
main "$@" </dev/null
"""


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROLE / "action_plugins" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


plugin = _load("patch_script")
push = _load("patch_push")


def run(shell: str, body: str, *arguments: str, payload: str = "") -> dict[str, Any]:
    """Send the script through a real shell and parse the answer."""
    command = [shell, "sh"] if shell == "busybox" else [shell]
    done = subprocess.run(
        [shutil.which(command[0]) or "", *command[1:], "-s", "--", *arguments],
        input=plugin._compose(SCRIPT % body, payload, NONCE).encode(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    answer: dict[str, Any] = plugin._extract(
        done.stdout.decode("utf-8", "surrogateescape"), done.stderr.decode(), done.returncode, NONCE
    )
    return answer


def body_of(answer: dict[str, Any]) -> bytes:
    """Return the script's standard output."""
    header, _, body = answer["frame"].partition("\n")
    encoded: bytes = body.encode("utf-8", "surrogateescape")
    return gzip.decompress(base64.b64decode(encoded)) if " gzip " in header else encoded


@pytest.mark.parametrize("shell", SHELLS)
class TestInARealShell:
    def test_output_and_exit_code_come_back(self, shell: str) -> None:
        answer = run(shell, 'printf "%s %s" "$1" "$#"; return 7', "one", "two")
        assert answer["rc"] == 7
        assert body_of(answer) == b"one 2"

    def test_exit_inside_the_script_is_its_exit_code(self, shell: str) -> None:
        assert run(shell, "echo a; exit 3")["rc"] == 3

    def test_an_unset_variable_ends_only_the_script(self, shell: str) -> None:
        answer = run(shell, 'echo "$not_there"')
        assert answer["rc"] not in (0, 255)
        assert "not_there" in answer["stderr"]

    def test_the_payload_arrives_byte_for_byte(self, shell: str) -> None:
        payload = "it's $(touch /x) `y` \\n \"q\" @SCRIPT@ {{ lookup('pipe','id') }}\n\n  ä\t\n"
        assert body_of(run(shell, 'printf "%s" "$PATCHCTL_INPUT"', payload=payload)) == (
            payload.encode()
        )

    def test_children_cannot_eat_the_script(self, shell: str) -> None:
        assert body_of(run(shell, "cat; echo after")) == b"after\n"

    def test_without_gzip_the_answer_comes_plain(
        self, shell: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(plugin, "FRAME", plugin.FRAME.replace("-v gzip", "-v no-such-tool"))
        answer = run(shell, "printf 'a\\303\\244\\377b'; return 5")
        assert answer["frame"].startswith("patchctl-frame 1 plain 5\n")
        assert body_of(answer) == b"a\xc3\xa4\xffb"

    def test_a_script_that_never_stops_talking_is_ended_on_the_host(
        self, shell: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(plugin, "RECEIVED_MAX", 100_000)
        answer = run(shell, "cat /dev/urandom")
        assert (answer["rc"], answer["msg"]) == (255, "the host sent more than 64 MiB")

    def test_a_script_that_was_cut_runs_nothing(self, shell: str) -> None:
        text = plugin._compose(SCRIPT % "echo HARM", "", NONCE)
        for length in range(0, text.rindex("patchctl_frame"), 7):
            command = [shell, "sh", "-s"] if shell == "busybox" else [shell, "-s"]
            done = subprocess.run(
                command, input=text[:length].encode(), capture_output=True, check=False, timeout=60
            )
            assert b"HARM" not in done.stdout


def framed(body: str, rc: int = 0, kind: str = "plain") -> str:
    return f"\n@@{NONCE} begin {kind}\n{body}\n@@{NONCE} end {rc}\n"


def test_noise_of_login_shells_is_ignored() -> None:
    answer = plugin._extract("motd\n" + framed("x") + "logout\n", "", 0, NONCE)
    assert answer["frame"] == "patchctl-frame 1 plain 0\nx"


def test_an_empty_answer_is_an_answer() -> None:
    text = f"\n@@{NONCE} begin plain\n\n@@{NONCE} end 0\n"
    assert plugin._extract(text, "", 0, NONCE)["frame"] == "patchctl-frame 1 plain 0\n"


@pytest.mark.parametrize("cut", range(1, 20))
def test_a_cut_answer_is_seen(cut: int) -> None:
    answer = plugin._extract(framed("some body")[:-cut], "", 0, NONCE)
    assert answer["failed"]
    assert answer["msg"] == "the answer was cut off"


def test_no_frame_at_all_tells_the_exit_code_but_not_what_the_host_said() -> None:
    answer = plugin._extract("{{ evil }}", "sudo: no\n", 127, NONCE)
    assert answer["msg"] == "the script did not start on the host (exit code 127)"
    assert answer["stderr"] == "sudo: no\n"


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin, "RECEIVED_MAX", 100)
    assert "64 MiB" in plugin._extract(framed("x" * 200), "", 0, NONCE)["msg"]


@settings(max_examples=200)
@given(st.text())
def test_any_text_is_an_answer_or_a_refusal(text: str) -> None:
    answer = plugin._extract(text, text, 0, NONCE)
    assert answer["failed"]
    assert re.fullmatch(r"[a-z0-9 ()]+", answer["msg"])


def test_the_answer_goes_into_a_private_file_and_never_twice(tmp_path: Path) -> None:
    answer = {"rc": 0, "frame": "patchctl-frame 1 plain 0\nsecret", "stderr": "e"}
    result = plugin._deliver(answer, str(tmp_path), "web-1")
    assert result == {"rc": 0, "bytes": 31, "patch_answer": True}
    files = sorted(tmp_path.iterdir())
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600]
    assert files[0].read_text().endswith("secret")
    with pytest.raises(FileExistsError):
        plugin._deliver(answer, str(tmp_path), "web-1")


def test_an_answer_that_a_full_disk_does_not_take_is_no_word_about_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(plugin, "_write", full)
    answer = {"rc": 0, "frame": "patchctl-frame 1 plain 0\n", "stderr": ""}
    result = plugin._deliver(answer, str(tmp_path), "web-1")
    assert result["failed"]
    assert result["patch_trouble"] == (
        f"{tmp_path}: the answer cannot be kept: No space left on device"
    )
    assert "patch_answer" not in result


def test_a_failing_script_fails_the_task_without_quoting_the_host() -> None:
    answer = {"rc": 4, "frame": "patchctl-frame 1 plain 4\n{{ x }}", "stderr": "{{ y }}"}
    result = plugin._deliver(answer, "", "web-1")
    assert result["failed"]
    assert result["msg"] == "the script ended with exit code 4"


@pytest.mark.parametrize("content", [b"a\0b", b"\xff\xfe", b"x" * 11])
def test_a_payload_with_nul_or_too_large_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "payload"
    file.write_bytes(content)
    with pytest.raises(plugin.AnsibleActionFail):
        plugin._read(str(file), 10, "payload")


class TestPush:
    sha = "a" * 64

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "directory /tmp",
            "directory /var/lib/patchctl",
            "directory /var/lib/patchctl/..",
            "directory /var/lib/patchctl/a/../b",
            "directory /var/lib/patchctl/$(id)",
            f"directory /var/lib/patchctl/a\nfile {sha} 1 ../x /src",
            f"directory /var/lib/patchctl/a\nfile {sha} 1 a b /src",
            f"directory /var/lib/patchctl/a\nfile {sha} 0 a /src",
            f"directory /var/lib/patchctl/a\nfile {sha} 1 a relative",
            f"directory /var/lib/patchctl/a\nfile {sha} 1 a.part /src",
            "directory /var/lib/patchctl/a\nfile short 1 a /src",
        ],
    )
    def test_a_list_with_anything_strange_is_refused(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "list").write_text(text)
        with pytest.raises(push.AnsibleActionFail):
            push._parse(str(tmp_path / "list"))

    def take(self, folder: Path, offset: int, data: bytes, sha: str) -> int:
        command = ["sh", "-c", push.TAKE, "push", str(folder), "f.deb", str(offset), sha, NONCE]
        return subprocess.run(command, input=data, capture_output=True, check=False).returncode

    def test_a_file_has_its_name_only_when_it_is_whole(self, tmp_path: Path) -> None:
        sha = hashlib.sha256(b"onetwo").hexdigest()
        assert self.take(tmp_path, 0, b"one", "-") == 0
        assert [path.name for path in tmp_path.iterdir()] == ["f.deb.part"]
        assert self.take(tmp_path, 3, b"two", sha) == 0
        assert (tmp_path / "f.deb").read_bytes() == b"onetwo"
        assert (tmp_path / "f.deb").stat().st_mode & 0o777 == 0o600

    def test_a_lost_or_damaged_part_is_seen(self, tmp_path: Path) -> None:
        assert self.take(tmp_path, 0, b"one", "-") == 0
        assert push.REFUSALS[self.take(tmp_path, 4, b"two", "-")].startswith("a part")
        assert push.REFUSALS[self.take(tmp_path, 3, b"two", self.sha)] == "the file arrived damaged"
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.skipif(shutil.which("shellcheck") is None, reason="no shellcheck")
    @pytest.mark.parametrize("name", ["LOOK", "TAKE"])
    def test_its_shell_code_is_clean(self, name: str) -> None:
        # SC2046: words without spaces; SC2154: set by the frame.
        done = subprocess.run(
            ["shellcheck", "-s", "sh", "-e", "SC2046,SC2154", "-"],
            input=getattr(push, name), text=True, capture_output=True, check=False,
        )  # fmt: skip
        assert done.stdout == ""
