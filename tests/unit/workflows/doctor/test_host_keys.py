"""known_hosts files, and what may be written into them."""

import base64
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from patchctl.adapters import files, ssh_keys
from patchctl.adapters.ansible import folder
from patchctl.adapters.ansible.playbooks import Playbook
from patchctl.adapters.ssh_keys import Endpoint, KnownHostLine
from patchctl.errors import AdapterError, ConflictError, InvalidInputError
from patchctl.models.connection import Connection
from patchctl.models.doctor import CheckStatus
from patchctl.models.fleet import Host
from patchctl.models.host_keys import Key, Target
from patchctl.protocol.jobs import Job
from patchctl.workflows.doctor import host_keys
from patchctl.workflows.doctor.host_keys import HostKeys, KeyComparison, SshContext

needs_ssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no OpenSSH here")


def key(number: int, kind: str = "ssh-ed25519") -> Key:
    blob = len(kind).to_bytes(4, "big") + kind.encode() + bytes([number]) * 36
    return Key(type=kind, blob=base64.b64encode(blob).decode())


ONE, TWO = key(1), key(2)


def lines(*entries: str) -> str:
    return "".join(f"{entry}\n" for entry in entries)


def read(tmp_path: Path, *entries: str) -> tuple[KnownHostLine, ...]:
    path = tmp_path / "known"
    path.write_text(lines(*entries))
    return ssh_keys.read(path)


class TestAFile:
    @pytest.mark.parametrize(
        ("patterns", "name", "fits"),
        [
            ("web1", "web1", True),
            ("WEB1,10.0.0.1", "web1", True),
            ("web1", "[web1]:2222", False),
            ("[web1]:2222", "[web1]:2222", True),
            ("[*.example]:22?2", "[a.example]:2222", True),
            ("*.example,!bad.example", "bad.example", False),
            ("*.example", "web1", False),
        ],
    )
    def test_patterns_are_those_of_openssh(
        self, tmp_path: Path, patterns: str, name: str, fits: bool
    ) -> None:
        (entry,) = read(tmp_path, f"{patterns} {ONE.type} {ONE.blob} a comment")
        assert entry.fits(name) is fits

    @needs_ssh
    def test_hashed_names_and_fingerprints_are_those_of_ssh_keygen(self, tmp_path: Path) -> None:
        path = tmp_path / "known"
        path.write_text(f"[web1]:2222 {ONE.type} {ONE.blob}\n")
        listed = subprocess.run(
            ["ssh-keygen", "-lf", path], capture_output=True, text=True, check=False
        )
        subprocess.run(["ssh-keygen", "-Hf", path], capture_output=True, check=True)
        (entry,) = ssh_keys.read(path)
        assert entry.patterns.startswith("|1|")
        assert entry.fits("[web1]:2222")
        assert not entry.fits("web1")
        assert entry.key == ONE
        if listed.returncode == 0:
            assert ONE.fingerprint in listed.stdout

    def test_what_is_no_entry_is_passed_over(self, tmp_path: Path) -> None:
        entries = read(
            tmp_path,
            "# a comment",
            "",
            "web1",
            "web1 ssh-rsa !!!",
            f"web1 ssh-rsa {ONE.blob}",  # the blob says another type
            f"@revoked web1 {ONE.type} {ONE.blob}",
            "x" * 30_000,
        )
        assert [(entry.marker, entry.line) for entry in entries] == [("@revoked", 6)]

    def test_a_missing_one_is_empty_and_an_unreadable_one_is_told(self, tmp_path: Path) -> None:
        assert ssh_keys.read(tmp_path / "none") == ()
        with pytest.raises(AdapterError, match="Is a directory"):
            ssh_keys.read(tmp_path)


def compared(
    tmp_path: Path, known: list[str], *offered: Key, jump: str = "", files: bool = True
) -> HostKeys:
    ways = SshContext(ssh=ssh_keys, file=tmp_path / "known_hosts", cwd=tmp_path)
    endpoint = Endpoint(
        address="10.0.0.1", port=22, name="10.0.0.1", jump=jump,
        files=(ways.file.resolve(),) if files else (Path("/dev/null"),),
    )  # fmt: skip
    return host_keys.compare("web1", endpoint, read(tmp_path, *known), offered, ways)


class TestComparing:
    line = f"10.0.0.1 {ONE.type} {ONE.blob}"

    def test_an_unknown_host_may_be_learned(self, tmp_path: Path) -> None:
        keys = compared(tmp_path, [], ONE)
        assert keys.new == (ONE,)
        assert keys.check.status is CheckStatus.FAIL
        assert ONE.fingerprint in keys.check.text

    def test_a_known_one_is_well(self, tmp_path: Path) -> None:
        keys = compared(tmp_path, [self.line], ONE, key(3, "ssh-rsa"))
        assert (keys.check.status, keys.new) == (CheckStatus.OK, ())

    def test_a_changed_key_is_never_learned(self, tmp_path: Path) -> None:
        for offered in ((TWO,), (TWO, key(3, "ssh-rsa")), (key(3, "ssh-rsa"),)):
            keys = compared(tmp_path, [self.line], *offered)
            assert keys.new == ()
            assert keys.check.status is CheckStatus.FAIL
            assert keys.check.text.startswith("changed host key: known is ssh-ed25519")
            assert ONE.fingerprint in keys.check.text
            assert offered[0].fingerprint in keys.check.text
            assert "ssh-keygen -R 10.0.0.1 -f " in keys.check.hint

    def test_one_right_key_does_not_excuse_a_wrong_one(self, tmp_path: Path) -> None:
        rsa = key(3, "ssh-rsa")
        known = [self.line, f"10.0.0.1 {rsa.type} {rsa.blob}"]
        assert compared(tmp_path, known, TWO, rsa).check.status is CheckStatus.FAIL

    def test_a_revoked_key_is_told(self, tmp_path: Path) -> None:
        keys = compared(tmp_path, [f"@revoked * {ONE.type} {ONE.blob}"], ONE)
        assert "revoked" in keys.check.text
        assert keys.new == ()

    def test_an_authority_vouches(self, tmp_path: Path) -> None:
        keys = compared(tmp_path, [f"@cert-authority 10.* {TWO.type} {TWO.blob}"], ONE)
        assert (keys.check.status, keys.new) == (CheckStatus.OK, ())

    def test_behind_a_jump_host_it_says_how(self, tmp_path: Path) -> None:
        keys = compared(tmp_path, [], jump="bastion")
        assert "behind bastion" in keys.check.text
        assert "ssh-keyscan 10.0.0.1" in keys.check.hint

    def test_nothing_is_written_that_ssh_would_not_read(self, tmp_path: Path) -> None:
        keys = compared(tmp_path, [], ONE, files=False)
        assert keys.new == ()
        assert "leave out known_hosts" in keys.check.text


class TestWriting:
    def compared_hosts(self, tmp_path: Path, *names: str) -> KeyComparison:
        return KeyComparison({name: named(compared(tmp_path, [], ONE), name) for name in names})

    def test_lines_are_appended_with_the_hosts_name(self, tmp_path: Path) -> None:
        file = tmp_path / "known_hosts"
        file.write_text("# ours\nold ssh-rsa AAAA")
        host_keys.learn(self.compared_hosts(tmp_path, "web1"), file, host_keys.before(file), files)
        assert file.read_text() == lines(
            "# ours", "old ssh-rsa AAAA", f"10.0.0.1 {ONE.type} {ONE.blob} web1"
        )
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []

    def test_one_address_is_written_once(self, tmp_path: Path) -> None:
        file = tmp_path / "known_hosts"
        host_keys.learn(self.compared_hosts(tmp_path, "web1", "alias"), file, b"", files)
        assert len(file.read_text().splitlines()) == 1

    def test_a_file_that_changed_meanwhile_stays(self, tmp_path: Path) -> None:
        file = tmp_path / "known_hosts"
        file.write_text("theirs\n")
        with pytest.raises(ConflictError, match="try again"):
            host_keys.learn(self.compared_hosts(tmp_path, "web1"), file, b"", files)
        assert file.read_text() == "theirs\n"

    def test_a_link_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "known_hosts"
        file.symlink_to("elsewhere")
        with pytest.raises(InvalidInputError, match="symbolic link"):
            host_keys.before(file)


def named(keys: HostKeys, name: str) -> HostKeys:
    return HostKeys(name, keys.check, keys.endpoint, keys.new)


def host(**variables: Any) -> Host:
    return Host(name="web1", ring=None, ring_reason="", groups=(), variables=variables)


class TestWhereSshGoes:
    def test_the_inventory_and_the_command_line_say_it(self, tmp_path: Path) -> None:
        ways = SshContext(
            ssh=ssh_keys,
            file=tmp_path / "known_hosts",
            cwd=tmp_path,
            user="ops",
            extra_vars=("ansible_port=9",),
        )
        web = host(
            domain="example", ansible_host="web1.{{ domain }}", ansible_port=22,
            ansible_ssh_common_args="-o 'ProxyJump=a b'",
        )  # fmt: skip
        target = host_keys.target(web, ways)
        assert isinstance(target, Target)
        assert (target.address, target.port, target.user) == ("web1.example", "9", "ops")
        assert target.arguments[:2] == ("-o", "ProxyJump=a b")

    @pytest.mark.parametrize(
        ("variables", "why"),
        [
            ({"ansible_connection": "local"}, "the connection is local"),
            ({"ansible_host": "{{ lookup('pipe', 'id') }}"}, "a template or a vaulted value"),
            ({"ansible_host": {"__ansible_vault": "x"}}, "a template or a vaulted value"),
            ({"ansible_ssh_common_args": "-o 'x"}, "quotes that do not match"),
        ],
    )
    def test_what_cannot_be_told_is_said(
        self, tmp_path: Path, variables: dict[str, Any], why: str
    ) -> None:
        reason = host_keys.target(
            host(**variables), SshContext(ssh=ssh_keys, file=tmp_path / "k", cwd=tmp_path)
        )
        assert isinstance(reason, str)
        assert why in reason

    @needs_ssh
    def test_ssh_itself_is_asked(self, tmp_path: Path) -> None:
        folder = tmp_path / "a folder with % in it"
        folder.mkdir()
        (folder / "config").write_text(
            "Host web1\n  HostName 10.9.8.7\n  Port 2200\n  ProxyJump bastion\n"
        )
        own = folder / "known_hosts"
        arguments = tuple(shlex.split(f"-F '{folder / 'config'}' {ssh_keys.option(own)}"))
        endpoint = ssh_keys.resolve(Target(address="web1", arguments=arguments), tmp_path, own)
        assert (endpoint.address, endpoint.port, endpoint.name) == (
            "10.9.8.7",
            2200,
            "[10.9.8.7]:2200",
        )
        assert endpoint.jump == "bastion"
        assert own.resolve() in endpoint.files
        with pytest.raises(AdapterError, match="ssh -G web1"):
            ssh_keys.resolve(Target(address="web1", arguments=("-o", "Nonsense=1")), tmp_path, own)


def test_connections_use_the_workspaces_known_hosts_once_it_exists(tmp_path: Path) -> None:
    known = tmp_path / "50% known_hosts"
    job = Job(id="x", stage="x", inventory={"all": {"hosts": {"web1": {}}}})
    for wanted in (False, True):
        run = tmp_path / f"run-{wanted}"
        folders = folder.Folders(run, run / "secret", tmp_path)
        if wanted:
            known.write_text("")
        connection = Connection(known_hosts=str(known))
        folder.write(folders, job, Playbook(tmp_path / "x.yml"), connection, {})
        text = (run / "ansible.cfg").read_text()
        assert ("GlobalKnownHostsFile" in text) is wanted
    assert str(known).replace("%", "%%") in text
