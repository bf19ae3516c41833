"""Passwords that a person types: asked for once, used in the right place, stored nowhere.

Logging in with them is in tests/integration.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pexpect
import pytest
from adapters.ansible.test_secret_folders import holding, wait

from patchctl.adapters import mounts
from patchctl.cli.app import main
from patchctl.cli.caller import this_process
from patchctl.wiring.workspace import Access, open_workspace

PASSWORD = f"typed-{secrets.token_hex(8)}"
VAULTED_VALUE = f"opened-{secrets.token_hex(8)}"
SLOW = "#!/bin/sh\n[ \"$1\" = --list ] && sleep 1000\necho '{}'\n"


def ansible_vault(path: Path, label: str, text: str) -> None:
    """Write a file that is vaulted whole."""
    password = path.with_name(f"{path.name}.password")
    password.write_text(PASSWORD)
    subprocess.run(
        [Path(sys.executable).with_name("ansible-vault"), "encrypt", "--vault-id",
         f"{label}@{password}", "--output", path],
        input=text, text=True, check=True, capture_output=True,
    )  # fmt: skip
    password.unlink()


@pytest.fixture
def memory_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """XDG_RUNTIME_DIR for commands of this module; their temporary files are beside it."""
    if mounts.kind(Path("/dev/shm")) != "tmpfs":
        pytest.skip("this machine has no tmpfs at /dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="patchctl-test-", dir="/dev/shm"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def workspace(tmp_path: Path, memory_folder: Path) -> Path:
    root = tmp_path / "workspace"
    (root / "inventory" / "group_vars").mkdir(parents=True)
    (root / "patchctl.yml").write_text("")
    (root / "inventory" / "hosts.yml").write_text("all: {hosts: {web1: {patch_ring: staging}}}\n")
    ansible_vault(root / "inventory/group_vars/all.yml", "prod", f"site: {VAULTED_VALUE}\n")
    return root


def command(workspace: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "patchctl", "-C", str(workspace), *words]


def typed(workspace: Path, words: Sequence[str], *talk: tuple[str, str]) -> tuple[int, str]:
    """Run a command on a terminal and answer its prompts; return exit code and output."""
    child = pexpect.spawn(
        sys.executable, command(workspace, *words)[1:], encoding="utf-8", timeout=60
    )
    for prompt, answer in talk:
        child.expect_exact(prompt)
        child.sendline(answer)
    said = str(child.read())
    child.close()
    return int(child.exitstatus or 0), said


class TestAVaultIdentityThatAsks:
    LIST = ("inventory", "export", "--host", "web1")

    def test_is_asked_for_by_its_label_and_opens_the_inventory(self, workspace: Path) -> None:
        words = (*self.LIST, "--vault-id", "prod@prompt")
        code, said = typed(workspace, words, ("Vault password (prod): ", PASSWORD))
        assert (code, VAULTED_VALUE in said, PASSWORD in said) == (0, True, False)

    @pytest.mark.parametrize("wrong", ["other", ""])
    def test_a_wrong_answer_is_one_line(self, workspace: Path, wrong: str) -> None:
        words = (*self.LIST, "--vault-id", "prod@prompt")
        code, said = typed(workspace, words, ("Vault password (prod): ", wrong))
        assert code == 2
        assert said.strip().startswith("patchctl: ") and len(said.strip().splitlines()) == 1

    def test_without_a_terminal_nobody_waits(
        self, workspace: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        done = subprocess.run(
            command(workspace, *self.LIST, "--vault-id", "prod@prompt"),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 2
        assert done.stderr == (
            "patchctl: no terminal to ask for the vault password on;"
            " give --vault-password-file, or --vault-id LABEL@FILE\n"
        )

    def test_in_the_settings_nobody_is_there_to_answer(
        self, workspace: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (workspace / "patchctl.yml").write_text("ansible: {vault_ids: [prod@prompt]}\n")
        assert main(["-C", str(workspace), "inventory"]) == 2
        said = capsys.readouterr().err
        assert said == (
            "patchctl: patchctl.yml: ansible.vault_ids: prod@prompt: settings cannot ask;"
            " name a file, or give --vault-id on the command line\n"
        )

    def test_in_the_environment_neither(
        self, workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("ANSIBLE_VAULT_IDENTITY_LIST", "prod@prompt")
        assert main(["-C", str(workspace), "inventory"]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "vault identity prod asks for its password, and nobody can answer" in said

    def test_it_stands_in_the_place_of_those_of_the_settings(self, workspace: Path) -> None:
        (workspace / "patchctl.yml").write_text("ansible: {vault_ids: [prod@no-such-file]}\n")
        access = Access(vault_passwords=(("prod", PASSWORD),))
        assert open_workspace(workspace, this_process(), access).connection.vault_ids == ()
        assert PASSWORD not in repr(access)


class TestTheAnswersOfASession:
    """The prompts of `-k` and `-K` are those of `ansible -k -K`."""

    PROMPTS = ("SSH password: ", "BECOME password[defaults to SSH password]: ")

    @pytest.mark.parametrize(
        ("given", "answers", "login", "become"),
        [
            (("-k",), ("a",), "a", None),
            (("-K",), ("b",), None, "b"),
            (("-k", "-K"), ("a", "b"), "a", "b"),
            (("-k", "-K"), ("a", ""), "a", "a"),
            (("-K",), ("",), None, ""),
        ],
    )
    def test_reach_the_connection(
        self,
        given: Sequence[str],
        answers: Sequence[str],
        login: str | None,
        become: str | None,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        from patchctl.cli import options

        waiting, asked = list(answers), []

        def answer(prompt: str, stream: object) -> str:
            asked.append(prompt)
            return waiting.pop(0)

        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("getpass.getpass", answer)
        passwords = options._passwords(log_in="-k" in given, become="-K" in given)
        assert passwords == (login, become)
        alone = ("BECOME password: ",) if given == ("-K",) else self.PROMPTS[: len(given)]
        assert tuple(asked) == alone


def _heeds_signals() -> None:
    """Stop ignoring signals: the caller of the tests may ignore them (nohup, a background job), and
    programs that are started would inherit that."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class TestACommandThatIsEnded:
    """It is ended while it reads a slow inventory, with a typed vault password in a file."""

    @pytest.fixture
    def slow(self, workspace: Path) -> Path:
        source = workspace / "inventory" / "slow.sh"
        source.write_text(SLOW)
        source.chmod(0o755)
        return workspace

    def begin(self, workspace: Path, memory_folder: Path) -> pexpect.spawn:
        child = pexpect.spawn(
            sys.executable,
            command(workspace, "inventory", "list", "--vault-id", "prod@prompt")[1:],
            encoding="utf-8", timeout=60, preexec_fn=_heeds_signals,
        )  # fmt: skip
        child.expect_exact("Vault password (prod): ")
        child.sendline(PASSWORD)
        wait(lambda: holding(memory_folder, what=PASSWORD))
        return child

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_leaves_nothing(
        self, number: signal.Signals, slow: Path, memory_folder: Path, tmp_path: Path
    ) -> None:
        child = self.begin(slow, memory_folder)
        assert holding(tmp_path, what=PASSWORD) == []
        child.kill(number)
        assert "interrupted" in child.read()
        child.close()
        assert child.exitstatus == 130
        assert list(memory_folder.iterdir()) == list((tmp_path / "temporary").iterdir()) == []

    def test_by_a_kill_is_cleared_away_by_the_next(
        self, slow: Path, memory_folder: Path, tmp_path: Path
    ) -> None:
        child = self.begin(slow, memory_folder)
        child.kill(signal.SIGKILL)
        child.wait()
        assert holding(memory_folder, what=PASSWORD)
        assert main(["-q", "-C", str(tmp_path / "other"), "init"]) == 0
        assert main(["-q", "-C", str(tmp_path / "other"), "audit", "show"]) == 0
        assert list(memory_folder.iterdir()) == []

    def test_what_the_caller_ignores_stays_ignored(self, slow: Path, memory_folder: Path) -> None:
        """nohup(1)."""
        with subprocess.Popen(
            ["nohup", *command(slow, "inventory", "list", "--vault-password-file", __file__)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as child:  # fmt: skip
            wait(lambda: list(memory_folder.iterdir()))
            child.send_signal(signal.SIGHUP)
            time.sleep(0.5)
            assert child.poll() is None
            os.kill(child.pid, signal.SIGTERM)
            assert child.wait(30) == 130
        assert list(memory_folder.iterdir()) == []
