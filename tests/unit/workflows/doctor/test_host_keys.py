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
        found = read(
            tmp_path,
            "# a comment",
            "",
            "web1",
            "web1 ssh-rsa !!!",
            f"web1 ssh-rsa {ONE.blob}",  # the blob says another type
            f"@revoked web1 {ONE.type} {ONE.blob}",
            "x" * 30_000,
        )
        assert [(entry.marker, entry.line) for entry in found] == [("@revoked", 6)]

    def test_a_missing_one_is_empty_and_an_unreadable_one_is_told(self, tmp_path: Path) -> None:
        assert ssh_keys.read(tmp_path / "none") == ()
        with pytest.raises(AdapterError, match="Is a directory"):
            ssh_keys.read(tmp_path)


def looked(
    tmp_path: Path, known: list[str], *offered: Key, jump: str = "", files: bool = True
) -> HostKeys:
    ways = SshContext(ssh=ssh_keys, file=tmp_path / "known_hosts", cwd=tmp_path)
    place = Endpoint(
        address="10.0.0.1", port=22, name="10.0.0.1", jump=jump,
        files=(ways.file.resolve(),) if files else (Path("/dev/null"),),
    )  # fmt: skip
    return host_keys.compare("web1", place, read(tmp_path, *known), offered, ways)


class TestComparing:
    line = f"10.0.0.1 {ONE.type} {ONE.blob}"

    def test_an_unknown_host_may_be_learned(self, tmp_path: Path) -> None:
        found = looked(tmp_path, [], ONE)
        assert found.new == (ONE,)
        assert found.check.status is CheckStatus.FAIL
        assert ONE.fingerprint in found.check.text

    def test_a_known_one_is_well(self, tmp_path: Path) -> None:
        found = looked(tmp_path, [self.line], ONE, key(3, "ssh-rsa"))
        assert (found.check.status, found.new) == (CheckStatus.OK, ())

    def test_a_changed_key_is_never_learned(self, tmp_path: Path) -> None:
        for offered in ((TWO,), (TWO, key(3, "ssh-rsa")), (key(3, "ssh-rsa"),)):
            found = looked(tmp_path, [self.line], *offered)
            assert found.new == ()
            assert found.check.status is CheckStatus.FAIL
            assert found.check.text.startswith("changed host key: known is ssh-ed25519")
            assert ONE.fingerprint in found.check.text
            assert offered[0].fingerprint in found.check.text
            assert "ssh-keygen -R 10.0.0.1 -f " in found.check.hint

    def test_one_right_key_does_not_excuse_a_wrong_one(self, tmp_path: Path) -> None:
        rsa = key(3, "ssh-rsa")
        known = [self.line, f"10.0.0.1 {rsa.type} {rsa.blob}"]
        assert looked(tmp_path, known, TWO, rsa).check.status is CheckStatus.FAIL

    def test_a_revoked_key_is_told(self, tmp_path: Path) -> None:
        found = looked(tmp_path, [f"@revoked * {ONE.type} {ONE.blob}"], ONE)
        assert "revoked" in found.check.text
        assert found.new == ()

    def test_an_authority_vouches(self, tmp_path: Path) -> None:
        found = looked(tmp_path, [f"@cert-authority 10.* {TWO.type} {TWO.blob}"], ONE)
        assert (found.check.status, found.new) == (CheckStatus.OK, ())

    def test_behind_a_jump_host_it_says_how(self, tmp_path: Path) -> None:
        found = looked(tmp_path, [], jump="bastion")
        assert "behind bastion" in found.check.text
        assert "ssh-keyscan 10.0.0.1" in found.check.hint

    def test_nothing_is_written_that_ssh_would_not_read(self, tmp_path: Path) -> None:
        found = looked(tmp_path, [], ONE, files=False)
        assert found.new == ()
        assert "leave out known_hosts" in found.check.text


class TestWriting:
    def found(self, tmp_path: Path, *names: str) -> KeyComparison:
        return KeyComparison({name: named(looked(tmp_path, [], ONE), name) for name in names})

    def test_lines_are_appended_with_the_hosts_name(self, tmp_path: Path) -> None:
        file = tmp_path / "known_hosts"
        file.write_text("# ours\nold ssh-rsa AAAA")
        host_keys.learn(self.found(tmp_path, "web1"), file, host_keys.before(file), files)
        assert file.read_text() == lines(
            "# ours", "old ssh-rsa AAAA", f"10.0.0.1 {ONE.type} {ONE.blob} web1"
        )
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []

    def test_one_address_is_written_once(self, tmp_path: Path) -> None:
        file = tmp_path / "known_hosts"
        host_keys.learn(self.found(tmp_path, "web1", "alias"), file, b"", files)
        assert len(file.read_text().splitlines()) == 1

    def test_a_file_that_changed_meanwhile_stays(self, tmp_path: Path) -> None:
        file = tmp_path / "known_hosts"
        file.write_text("theirs\n")
        with pytest.raises(ConflictError, match="try again"):
            host_keys.learn(self.found(tmp_path, "web1"), file, b"", files)
        assert file.read_text() == "theirs\n"

    def test_a_link_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "known_hosts"
        file.symlink_to("elsewhere")
        with pytest.raises(InvalidInputError, match="symbolic link"):
            host_keys.before(file)


def named(one: HostKeys, name: str) -> HostKeys:
    return HostKeys(name, one.check, one.endpoint, one.new)


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
        one = host(
            domain="example", ansible_host="web1.{{ domain }}", ansible_port=22,
            ansible_ssh_common_args="-o 'ProxyJump=a b'",
        )  # fmt: skip
        found = host_keys.target(one, ways)
        assert isinstance(found, Target)
        assert (found.address, found.port, found.user) == ("web1.example", "9", "ops")
        assert found.arguments[:2] == ("-o", "ProxyJump=a b")

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
        found = host_keys.target(
            host(**variables), SshContext(ssh=ssh_keys, file=tmp_path / "k", cwd=tmp_path)
        )
        assert isinstance(found, str)
        assert why in found

    @needs_ssh
    def test_ssh_itself_is_asked(self, tmp_path: Path) -> None:
        place = tmp_path / "a folder with % in it"
        place.mkdir()
        (place / "config").write_text(
            "Host web1\n  HostName 10.9.8.7\n  Port 2200\n  ProxyJump bastion\n"
        )
        own = place / "known_hosts"
        arguments = tuple(shlex.split(f"-F '{place / 'config'}' {ssh_keys.option(own)}"))
        found = ssh_keys.resolve(Target(address="web1", arguments=arguments), tmp_path, own)
        assert (found.address, found.port, found.name) == ("10.9.8.7", 2200, "[10.9.8.7]:2200")
        assert found.jump == "bastion"
        assert own.resolve() in found.files
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
