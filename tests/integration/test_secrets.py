"""Passwords: each way to give one works for a whole rollout, and no password stays on disk."""

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pexpect
import pytest
from managed import upgrades
from test_rollout import HOSTS, command, make_plan, patchctl, states, wait_for_apply

from patchctl.adapters import mounts
from patchctl.lab.handle import Lab

pytestmark = pytest.mark.lab

PASSWORD = f"opens-{secrets.token_hex(8)}"
SSH, BECOME = "SSH password: ", "BECOME password[defaults to SSH password]: "
BECOME_ALONE = "BECOME password: "
A_CAREFUL_USER = f"""\
id careful >/dev/null 2>&1 || useradd -m -s /bin/bash -G sudo careful
echo careful:{PASSWORD} | chpasswd
printf 'PasswordAuthentication yes\\n' >/etc/ssh/sshd_config.d/password.conf
systemctl restart ssh
"""


def ansible_vault(workspace: Path, text: str) -> str:
    """Return the text encrypted for a variable; the password is in the workspace's `vault-pass`."""
    password = workspace / "vault-pass"
    password.touch(mode=0o600)
    password.write_text("vault-word")
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible-vault"), "encrypt_string",
         "--vault-password-file", password, text],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip().replace("\n          ", "\n      ")


def typed(
    workspace: Path, words: Sequence[str], *talk: tuple[str, str], code: int = 0
) -> tuple[Any, list[str]]:
    """Run a command on a terminal and answer its prompts; return its JSON and its other output."""
    child = pexpect.spawn(
        sys.executable, command(workspace, "-q", "--no-pager", *words, "-o", "json")[1:],
        encoding="utf-8", timeout=420, dimensions=(50, 500),
    )  # fmt: skip
    for prompt, answer in talk:
        child.expect_exact(prompt)
        child.sendline(answer)
    lines = [line for line in str(child.read()).splitlines() if line.strip()]
    child.close()
    assert child.exitstatus == code, f"{words}: {child.exitstatus}\n" + "\n".join(lines)
    data = next((line for line in reversed(lines) if line.startswith("{")), "null")
    return json.loads(data), [line for line in lines if line != data]


# --- ways to give one ---------------------------------------------------------------------------


@pytest.fixture
def careful(fresh_lab: Lab, workspace: Path) -> Path:
    """The workspace; its hosts accept a password and no key, and sudo needs a password."""
    for host in HOSTS:
        fresh_lab.check(host, A_CAREFUL_USER)
    source = workspace / "inventory" / "hosts.yml"
    lines = [line for line in source.read_text().splitlines() if "private_key" not in line]
    text = "\n".join(lines).replace("ansible_user: ops", "ansible_user: careful")
    source.write_text(text.replace("-o IdentitiesOnly=yes", "-o PubkeyAuthentication=no") + "\n")
    return workspace


def test_typed_passwords_work_for_a_rollout_and_its_undo(fresh_lab: Lab, careful: Path) -> None:
    asked = ("-k", "-K")
    talk = ((SSH, PASSWORD), (BECOME, ""))
    parsed, _ = typed(careful, ("discover", *asked), *talk)
    assert {host["status"] for host in parsed["hosts"]} == {"ok"}
    create = ("plan", "create", "--limit", "staging", "--package", "patchlab-web", *asked)
    plan, _ = typed(careful, create, *talk)
    status, _ = typed(careful, ("rollout", plan["path"], "--yes", *asked), *talk)
    assert (status["state"], set(states(status).values())) == ("done", {"succeeded"})
    typed(careful, ("verify", *asked), *talk)
    undone, _ = typed(careful, ("rollback", status["run"], "--yes", *asked), *talk)
    assert undone["state"] == "rolled_back"
    there_and_back = [len(upgrades(fresh_lab, host, "patchlab-web")) for host in HOSTS]
    assert there_and_back == [2, 2, 0, 0, 0, 0]
    assert planted(careful, PASSWORD) == []


@pytest.mark.parametrize("limit", ["staging-1", pytest.param("staging", marks=pytest.mark.proof)])
def test_vaulted_passwords_work_for_a_whole_rollout(
    fresh_lab: Lab, careful: Path, limit: str
) -> None:
    vaulted = ansible_vault(careful, PASSWORD)
    (careful / "inventory" / "group_vars").mkdir()
    (careful / "inventory" / "group_vars" / "all.yml").write_text(
        f"ansible_password: {vaulted}\nansible_become_password: {vaulted}\n"
    )
    asked = ("--vault-id", "mine@prompt")
    parsed, _ = typed(
        careful,
        ("discover", "--limit", limit, *asked),
        ("Vault password (mine): ", "other"),
        code=1,
    )
    assert {host["reason"] for host in parsed["hosts"]} == {
        "a vaulted value cannot be opened (--vault-id)"
    }
    with (careful / "patchctl.yml").open("a") as file:
        file.write("ansible: {vault_password_file: vault-pass}\n")
    plan = make_plan(careful, "patchlab-web", limit=limit)
    status = patchctl(careful, "rollout", plan, "--yes")
    wanted = [host for host in HOSTS if host.startswith(limit)]
    assert states(status) == dict.fromkeys(wanted, "succeeded")
    assert all(len(upgrades(fresh_lab, host, "patchlab-web")) == 1 for host in wanted)
    assert planted(careful, PASSWORD) == []


@pytest.mark.proof
def test_typed_passwords_work_after_a_reboot(fresh_lab: Lab, careful: Path) -> None:
    fresh_lab.publish("reboot-wanted")
    settings = careful / "patchctl.yml"
    wanted = settings.read_text().replace("name: staging, ", "name: staging, reboot: if-required, ")
    settings.write_text(wanted)
    both, talk = ("-k", "-K"), ((SSH, PASSWORD), (BECOME, ""))
    create = ("plan", "create", "--limit", "staging-1", "--package", "patchlab-boot", *both)
    plan, _ = typed(careful, create, *talk)
    before = fresh_lab.check("staging-1", "cut -d' ' -f22 /proc/1/stat")
    status, _ = typed(careful, ("rollout", plan["path"], "--yes", *both), *talk)
    assert states(status) == {"staging-1": "succeeded"}
    assert fresh_lab.check("staging-1", "cut -d' ' -f22 /proc/1/stat") != before


def test_a_wrong_password_is_one_line_and_no_host_fails(fresh_lab: Lab, careful: Path) -> None:
    right, both = ((SSH, PASSWORD), (BECOME, "")), ("-k", "-K")
    fresh_lab.check("canary-1", "rm /etc/ssh/sshd_config.d/password.conf; systemctl restart ssh")
    parsed, _ = typed(careful, ("discover", *both), (SSH, "wrong"), (BECOME, ""), code=1)
    assert {host["name"]: (host["status"], host["reason"]) for host in parsed["hosts"]} == {
        **dict.fromkeys(HOSTS, ("unreachable", "permission denied: wrong ssh password")),
        "canary-1": ("unreachable", "permission denied: the host takes no password"),
    }
    parsed, _ = typed(careful, ("discover", *both), (SSH, PASSWORD), (BECOME, "wrong"), code=1)
    reasons = {host["reason"] for host in parsed["hosts"]}
    assert reasons == {"wrong sudo password", "permission denied: the host takes no password"}

    create = ("plan", "create", "--limit", "staging", "--package", "patchlab-web", *both)
    plan, _ = typed(careful, create, *right)
    begun = time.monotonic()
    start = ("rollout", plan["path"], "--yes", *both)
    status, said = typed(careful, start, (SSH, "wrong"), (BECOME, ""), code=130)
    run = status["run"]
    assert said[-1].endswith(
        "wrong ssh password, as on every host that was asked; give the right key or password; fix"
        f" that, then `patchctl rollout resume {run}`"
    )
    resume = ("rollout", "resume", run, *both)
    _, said = typed(careful, resume, (SSH, PASSWORD), (BECOME, "wrong"), code=130)
    assert "wrong sudo password, as on every host that was asked" in said[-1]
    assert time.monotonic() - begun < 90
    assert set(states(status).values()) == {"preflight"}
    status, _ = typed(careful, resume, *right)
    assert states(status) == {"staging-1": "succeeded", "staging-2": "succeeded"}
    assert planted(careful, PASSWORD) == []


def test_a_missing_password_in_an_update_makes_no_host_unknown(
    fresh_lab: Lab, careful: Path
) -> None:
    fresh_lab.publish("slow")
    source = careful / "inventory" / "hosts.yml"
    source.write_text(
        source.read_text()
        .replace("-o PubkeyAuthentication=no", "")
        .replace("  vars:", "  vars:\n    ansible_ssh_private_key_file: "
                 "'{{ inventory_dir }}/../lab/id_ed25519'", 1)
    )  # fmt: skip
    for host in HOSTS[:2]:
        fresh_lab.check(host, "install -d -o careful -m 700 ~careful/.ssh;"
                        " install -o careful ~ops/.ssh/authorized_keys ~careful/.ssh/")  # fmt: skip
    secret = careful / "become"
    secret.touch(mode=0o600)
    secret.write_text(PASSWORD)
    settings = careful / "patchctl.yml"
    plain = settings.read_text()
    settings.write_text(f"{plain}\nansible: {{become_password_file: become}}\n")
    plan = make_plan(careful, "patchlab-slow", limit="staging")
    controller = subprocess.Popen(
        command(careful, "-q", "rollout", plan, "--yes", "-o", "json"),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    run = wait_for_apply(careful, controller)
    controller.kill()
    controller.wait()
    settings.write_text(plain)
    begun = time.monotonic()
    status = patchctl(careful, "rollout", "resume", run, code=130)
    assert time.monotonic() - begun < 60
    assert set(states(status).values()) == {"apply"}
    resume = ("rollout", "resume", run, "-K")
    status, _ = typed(careful, resume, (BECOME_ALONE, PASSWORD))
    assert states(status) == {"staging-1": "succeeded", "staging-2": "succeeded"}
    for host in HOSTS[:2]:
        assert len(upgrades(fresh_lab, host, "patchlab-slow")) == 1
    assert planted(careful, PASSWORD) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_login_that_is_cut_off_leaves_none_in_shared_memory(
    fresh_lab: Lab, careful: Path, number: signal.Signals
) -> None:
    """Ansible hands it to ssh there, and removes it when ssh has ended: but not if it is killed."""
    fresh_lab.check("staging-1", "echo 'sleep 1000' >~careful/.bashrc")
    child = pexpect.spawn(
        sys.executable, command(careful, "-q", "discover", "--limit", "staging-1", "-k", "-K")[1:],
        encoding="utf-8", timeout=60,
    )  # fmt: skip
    for prompt in (SSH, BECOME):
        child.expect_exact(prompt)
        child.sendline(PASSWORD)
    deadline = time.monotonic() + 60
    while not (there := [line for line in planted(careful, PASSWORD) if "/psm_" in line]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    if number is signal.SIGINT:
        child.kill(number)
        child.expect(pexpect.EOF)
    else:
        for pid in _processes_of(
            careful
        ):  # as when a machine's memory runs out, or a container ends
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        child.close(force=True)
        (segment,) = {line.partition(":")[0] for line in there}
        assert planted(careful, PASSWORD) != []
        then = time.time() - 60
        os.utime(segment, (then, then))
        patchctl(careful, "audit", "show")
    assert planted(careful, PASSWORD) == []


def _processes_of(workspace: Path) -> list[int]:
    """Return the processes of the command in that workspace, with all their children."""
    entries = [entry for entry in Path("/proc").glob("[0-9]*") if str(workspace) in _all_of(entry)]
    return [int(entry.name) for entry in entries if int(entry.name) != os.getpid()]


def _all_of(entry: Path) -> str:
    return _title(entry / "cmdline") + _title(entry / "environ")


# --- what stays of one --------------------------------------------------------------------------

WAYS = ("plain", "vaulted", "extra", "environment", "become")
PLANTS = {way: f"planted-{way}-{secrets.token_hex(8)}" for way in WAYS}
# The hook uses them, on the host and here, and then waits for what the test does to the run.
DRAIN = """\
- name: Use them on the host
  ansible.builtin.copy:
    content: "{{ plain_thing }} {{ vaulted_thing }} {{ extra_thing }}"
    dest: /root/used
    mode: "0600"
- name: Use them here
  ansible.builtin.command:
    argv: [/bin/sh, -c, 'if [ -e "$2" ]; then : >"$2.on"; fi;
            while [ -e "$2" ]; do sleep 0.1; done', sh,
           "{{ vaulted_thing }}", "{{ wait_file }}"]
  delegate_to: localhost
  become: false
  changed_when: false
"""


def planted(workspace: Path, *what: str) -> list[str]:
    """Return all files that have one of these texts: in the state, in temporary folders and in
    memory. The audit log, the journal and the files of a run are all in the state."""
    places = [workspace / ".patchctl", workspace / "plans", Path("/dev/shm")]
    places += [Path(os.environ[name]) for name in ("TMPDIR", "XDG_RUNTIME_DIR", "HOME")
               if name in os.environ and Path(os.environ[name]) != Path.home()]  # fmt: skip
    places += [path for path in Path("/tmp").glob("*") if path.name.startswith(("patchctl", "ans"))]
    lines = []
    for top_folder in places:
        for top, _, names in os.walk(top_folder):
            for path in (Path(top) / name for name in names):
                try:
                    content = path.read_bytes() if path.is_file() else b""
                except OSError:
                    continue
                lines += [f"{path}: {word}" for word in what if word.encode() in content]
    return lines


@pytest.fixture
def sown(workspace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A workspace with a secret in each place where there may be one."""
    if mounts.kind(Path("/dev/shm")) != "tmpfs":
        pytest.skip("this machine has no tmpfs at /dev/shm")
    memory = Path(tempfile.mkdtemp(prefix="patchctl-test-", dir="/dev/shm"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(memory))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setenv("SITE_TOKEN", PLANTS["environment"])
    (workspace / "inventory" / "group_vars").mkdir()
    (workspace / "inventory" / "group_vars" / "all.yml").write_text(
        f"plain_thing: {PLANTS['plain']}\n"
        f"vaulted_thing: {ansible_vault(workspace, PLANTS['vaulted'])}\n"
        f"wait_file: {workspace / 'wait'}\n"
    )
    (workspace / "become").touch(mode=0o600)
    (workspace / "become").write_text(PLANTS["become"])
    (workspace / "hooks").mkdir()
    (workspace / "hooks" / "drain.yml").write_text(DRAIN)
    (workspace / "hooks" / "undrain.yml").write_text("[]\n")
    with (workspace / "patchctl.yml").open("a") as file:
        file.write("hooks: {drain: hooks/drain.yml, undrain: hooks/undrain.yml}\n")
        file.write("ansible: {vault_password_file: vault-pass, become_password_file: become}\n")
    yield workspace
    shutil.rmtree(memory)


@pytest.fixture
def small_memory(sown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in memory with space for little more than a run needs."""
    folder = tmp_path / "memory"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=8m,mode=700", "none", str(folder)]
    done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        if os.environ.get("CI") == "true":
            pytest.fail(done.stderr)
        pytest.skip(f"no right to mount: {done.stderr.strip()}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


EXTRA = ("-e", f"extra_thing={PLANTS['extra']}")


def folders(workspace: Path) -> list[Path]:
    """Return the folders that belong to runs and commands."""
    runs = workspace / ".patchctl" / "runs"
    memory = Path(os.environ["XDG_RUNTIME_DIR"])
    return [*(runs.iterdir() if runs.is_dir() else ()), *memory.iterdir()]


class TestNothingStays:
    def begin(self, sown: Path) -> "subprocess.Popen[str]":
        """Begin a rollout that waits in its hook."""
        plan = make_plan(sown, "patchlab-web", limit="staging-1")
        (sown / "wait").touch()
        process = subprocess.Popen(
            command(sown, "-q", "rollout", plan, "--yes", "-o", "json", *EXTRA),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        deadline = time.monotonic() + 90
        while not (sown / "wait.on").exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        return process

    def test_after_a_good_end(self, fresh_lab: Lab, sown: Path) -> None:
        plan = make_plan(sown, "patchlab-web", limit="staging-1")
        status = patchctl(sown, "rollout", plan, "--yes", *EXTRA)
        assert states(status) == {"staging-1": "succeeded"}
        used = fresh_lab.check("staging-1", "cat /root/used").split()
        assert used == [PLANTS["plain"], PLANTS["vaulted"], PLANTS["extra"]]
        assert planted(sown, *PLANTS.values()) == []
        assert folders(sown) == []

    def test_after_a_bad_end(self, fresh_lab: Lab, sown: Path) -> None:
        fresh_lab.publish("bad-postinst")
        plan = make_plan(sown, "patchlab-hook", limit="staging-1")
        status = patchctl(sown, "rollout", plan, "--yes", *EXTRA, code=3)
        assert states(status) == {"staging-1": "rolled_back"}
        assert planted(sown, *PLANTS.values()) == []
        assert folders(sown) == []

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_while_a_hook_runs_and_after_it_was_interrupted(
        self, fresh_lab: Lab, sown: Path, number: signal.Signals
    ) -> None:
        fresh_lab.check("staging-1", "true")
        process = self.begin(sown)
        assert planted(sown, *PLANTS.values()) == []  # Ansible has read them
        assert len(folders(sown)) == 2
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130, said
        assert planted(sown, *PLANTS.values()) == []
        assert folders(sown) == []

    def test_after_a_kill_and_the_next_command(self, fresh_lab: Lab, sown: Path) -> None:
        fresh_lab.check("staging-1", "true")
        process = self.begin(sown)
        process.kill()
        process.wait()
        # The playbook goes on until its run is taken up again, and keeps what it needs.
        assert patchctl(sown, "rollout", "list")["runs"]
        assert len(folders(sown)) == 2
        assert planted(sown, *PLANTS.values()) == []
        (sown / "wait").unlink()
        status = patchctl(sown, "rollout", "resume", *EXTRA)
        assert states(status) == {"staging-1": "succeeded"}
        assert planted(sown, *PLANTS.values()) == []
        assert folders(sown) == []

    def test_a_full_place_in_memory_cuts_the_run_short_and_blames_no_host(
        self, fresh_lab: Lab, sown: Path, small_memory: Path
    ) -> None:
        fresh_lab.check("staging-1", "true")
        process = self.begin(sown)
        filler = small_memory / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 4096)
        (sown / "wait").unlink()
        out, said = process.communicate(timeout=90)
        assert process.returncode == 130, said
        # What the hook said was lost, or it came through and there is no room for what comes next.
        assert re.search(f"{small_memory}(: less than 4 MiB| is full)", said.splitlines()[-1])
        assert set(states(json.loads(out.splitlines()[-1])).values()) <= {"drain", "apply"}, out
        assert planted(sown, *PLANTS.values()) == []

        done = subprocess.run(
            command(sown, "-q", "discover"), capture_output=True, text=True, check=False
        )
        assert done.returncode == 2
        assert done.stderr.startswith(f"patchctl: {small_memory}: less than 4 MiB are free")
        assert done.stderr.count("\n") == 1
        filler.unlink()
        status = patchctl(sown, "rollout", "resume", *EXTRA)
        assert states(status) == {"staging-1": "succeeded"}

    def test_after_a_discovery_and_its_kill(self, lab: Lab, sown: Path) -> None:
        patchctl(sown, "discover", *EXTRA)
        assert planted(sown, *PLANTS.values()) == []
        for delay in (0.6, 1.0, 1.4):  # while the inventory is read, while Ansible begins, later
            process = subprocess.Popen(
                command(sown, "-q", "discover", "--refresh", *EXTRA),
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
            time.sleep(delay)
            process.kill()
            process.wait()
            _until_gone(sown)
            patchctl(sown, "audit", "show")
            assert planted(sown, *PLANTS.values()) == []


def _until_gone(workspace: Path) -> None:
    """Wait until the playbook of a dead discovery has ended by itself."""
    deadline = time.monotonic() + 60
    while any(str(workspace) in _title(entry) for entry in Path("/proc").glob("[0-9]*/cmdline")):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def _title(entry: Path) -> str:
    try:
        return entry.read_bytes().decode("utf-8", "replace")
    except OSError:
        return ""
