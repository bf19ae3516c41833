"""Translate messages of Ansible and ssh to plain words and codes."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patchctl.adapters.ansible import folder, results
from patchctl.adapters.ansible.reasons import Become, explain, script_reason
from patchctl.adapters.ansible.runner import (
    Connection,
    Job,
)
from patchctl.models.reach import REFUSED_PASSWORD, ReasonCode, Stage, stage_of
from patchctl.protocol.cleaning import sentence


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ssh: connect to host x port 22: Connection refused", "connection refused"),
        (
            "@ REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
            "the host key changed",
        ),
        ("No ED25519 host key is known for x\nHost key verification failed.", "not known"),
        ("ops@x: Permission denied (publickey,password).", "permission denied"),
        ("ssh: connect to host 192.0.2.1 port 22: Connection timed out", "timeout"),
        ("Connection timed out during banner exchange", "sshd does not answer"),
        ("ssh: Could not resolve hostname nope: Name or service not known", "name nope does not"),
        (
            "kex_exchange_identification: Connection closed by remote host\r\n"
            "Connection closed by UNKNOWN port 65535\r\n",
            "the jump host, or the ProxyCommand, gave no connection",
        ),
        ("Task failed: Missing sudo password", "sudo wants a password"),
        ("Task failed: Missing su password", "su wants a password"),
        ("sudo: a password is required", "sudo wants a password"),
        ("Task failed: Incorrect sudo password", "wrong sudo password"),
        ("Task failed: Incorrect su password", "wrong su password"),
        ("/bin/sh: 1: sudo: not found", "sudo is not installed there"),
        ("/bin/sh: 1: doas: not found", "doas is not installed there"),
        ("Task failed: Timed out after 60 second(s).", "no answer within 60 s"),
        ("ops is not in the sudoers file.", "sudo is not allowed"),
        ("Timeout (12s) waiting for privilege escalation prompt: ", "waiting for sudo"),
        (
            "Task failed: the connection plugin 'ansible.netcommon.network_cli' was not found",
            "the connection network_cli is not supported",
        ),
        ("the connection plugin 'httpapi' was not found", "connection httpapi is not supported"),
        (
            "Task failed: The 'powershell' shell plugin does not support become. It is missing the"
            " 'ECHO' attribute.",
            "Windows (winrm, psrp, PowerShell) is not supported",
        ),
        ("winrm or requests is not installed: No module named 'winrm'", "Windows (winrm"),
        ("paramiko is not installed: No module named 'paramiko'", "use ssh"),
        ("Could not find the shell plugin required (fish).", "the shell fish is not supported"),
        ("the connection plugin 'community.docker.docker' was not found", "has no plugin here"),
        (
            "Invalid become method specified, could not find matching plugin: 'doas'. Use"
            " `ansible-doc -t become -l` to list available plugins.",
            "the become method doas has no plugin here",
        ),
        (
            "Task failed: Error processing keyword 'remote_user': 'nobody' is undefined",
            "the inventory's remote_user cannot be used: 'nobody' is undefined",
        ),
        (
            "Error processing keyword 'password': Error rendering template: Attempt to use"
            " undecryptable variable: Input is not vault encrypted data.",
            "a vaulted value cannot be opened",
        ),
        (
            "Config 'remote_user' for 'ssh' connection plugin from 'var: ansible_user' has an"
            " invalid value: Invalid value provided for 'string': ['ops']",
            "the inventory's ansible_user cannot be used: Invalid value",
        ),
    ],
)
def test_known_failures_have_plain_words(text: str, reason: str) -> None:
    assert reason in explain(text).text


NO_TERMINAL = (
    "doas wants a password and takes it on a terminal only, which is not supported;"
    " permit nopass there"
)


@pytest.mark.parametrize(
    ("text", "become", "reason"),
    [
        ("Task failed: Incorrect su password", "su", "wrong su password"),
        (
            "Timeout (12s) waiting for privilege escalation prompt: ",
            "su",
            "su wants a password (-K)",
        ),
        ("su: Permission denied", "su", "su is not allowed there"),
        ("doas: Operation not permitted", "doas", "doas is not allowed there"),
        ("Incorrect community.general.doas password", "doas", NO_TERMINAL),
        ("doas: Authentication failed", "doas", NO_TERMINAL),
        ("doas: Authentication required", "doas", NO_TERMINAL),
        ("doas: a tty is required", "doas", NO_TERMINAL),
        ("/bin/sh: 1: doas: not found", "doas", "doas is not installed there"),
    ],
)
def test_the_become_method_is_called_by_its_name(text: str, become: str, reason: str) -> None:
    assert explain(text, become=Become(become)).text == reason


@pytest.mark.parametrize(
    ("variables", "extra_vars", "method"),
    [
        ({}, (), "sudo"),
        ({"ansible_become_method": "su"}, (), "su"),
        ({"ansible_become_method": {"__ansible_unsafe": "community.general.doas"}}, (), "doas"),
        ({"ansible_become_method": "{{ how }}"}, (), "sudo"),
        ({"ansible_become_method": "su"}, ("ansible_become_method=doas",), "doas"),
        ({}, ('{"ansible_become_method": "su"}',), "su"),
    ],
)
def test_how_a_host_becomes_root(
    variables: dict[str, Any], extra_vars: tuple[str, ...], method: str
) -> None:
    job = Job(id="j", stage="work", inventory={"all": {"hosts": {"a": variables}}})
    assert results.become_of("a", job, Connection(extra_vars=extra_vars)).method == method


@pytest.mark.parametrize(
    ("methods", "offered", "reason"),
    [
        (
            "publickey,password",
            False,
            "permission denied: the host accepts neither the key nor the user",
        ),
        ("publickey,password", True, "permission denied: wrong ssh password"),
        ("keyboard-interactive", True, "permission denied: wrong ssh password"),
        ("publickey", True, "permission denied: the host takes no password"),
    ],
)
def test_a_refused_login_tells_whether_it_was_the_password(
    methods: str, offered: bool, reason: str
) -> None:
    message = f"Failed to connect to the host via ssh: ops@x: Permission denied ({methods})."
    assert explain(message, password=offered).text == reason
    assert stage_of(explain(message, password=offered).code) is Stage.LOGIN
    changed = f"REMOTE HOST IDENTIFICATION HAS CHANGED!\n{message}"
    assert "host key changed" in explain(changed, password=offered).text


@pytest.mark.parametrize(
    ("extra", "variables", "password", "text", "code"),
    [
        ((), {}, None, "timeout while waiting for sudo", ReasonCode.SUDO_TIMEOUT),
        (("ansible_become_method=su",), {}, None, "su wants a password (-K)", None),
        (('{"ansible_become_method": "su"}',), {}, None, "su wants a password (-K)", None),
        ((), {"ansible_become_method": "doas"}, None, NO_TERMINAL, ReasonCode.SUDO_WANTS_TERMINAL),
        (
            (),
            {"ansible_become_method": "su", "ansible_become_password": "x"},
            None,
            "timeout while waiting for su",
            ReasonCode.SUDO_TIMEOUT,
        ),
        (
            ("ansible_become_method=su",),
            {},
            "x",
            "timeout while waiting for su",
            ReasonCode.SUDO_TIMEOUT,
        ),
    ],
)
def test_who_waits_for_a_password_is_named(
    extra: tuple[str, ...],
    variables: dict[str, Any],
    password: str | None,
    text: str,
    code: ReasonCode | None,
) -> None:
    job = Job(id="j", stage="work", inventory={"all": {"hosts": {"a": variables}}})
    become = results.become_of("a", job, Connection(extra_vars=extra, become_password=password))
    reason = explain("Timeout (12s) waiting for privilege escalation prompt: ", become=become)
    assert (reason.text, reason.code) == (text, code or ReasonCode.SUDO_WANTS_PASSWORD)


@pytest.mark.parametrize(
    ("errors", "text"),
    [
        ("/bin/sh: 340: awk: not found\n", "awk is missing on the host"),
        ("/bin/sh: line 340: awk: command not found\n", "awk is missing on the host"),
        ("sh: awk: not found\n", "awk is missing on the host"),
        ("first\nmount point not found\n", "exit code 127: mount point not found"),
        ("", "exit code 127"),
    ],
)
def test_a_program_that_is_not_there_is_named(errors: str, text: str) -> None:
    assert script_reason(127, errors) == text


def test_every_refusal_is_one_of_the_known_words() -> None:
    for code in (*REFUSED_PASSWORD, ReasonCode.REFUSED_KEY):
        assert stage_of(code) is not Stage.ANSWER


@pytest.mark.parametrize(
    ("variables", "connection", "offered"),
    [
        ({}, Connection(), False),
        ({}, Connection(ssh_password="x"), True),
        ({}, Connection(become_password="x"), False),
        ({}, Connection(extra_vars=("ansible_password=x",)), True),
        ({"ansible_password": {"__ansible_vault": "x"}}, Connection(), True),
        ({"ansible_ssh_pass": "x"}, Connection(), True),
        ({"ansible_become_password": "x"}, Connection(), False),
    ],
)
def test_who_is_offered_a_password(
    variables: dict[str, Any], connection: Connection, offered: bool
) -> None:
    hosts = {"all": {"hosts": {"a": variables, "b": {"ansible_password": "x"}}}}
    job = Job(id="j", stage="work", inventory=hosts)
    assert results.offered(job, connection) == ({"a", "b"} if offered else {"b"})


class TestPrompts:
    """What is typed into Ansible's pseudo-terminal."""

    def answer(self, connection: Connection, prompt: str) -> str | None:
        answers = folder.passwords(connection).items()
        return next((text for known, text in answers if re.search(known, prompt)), None)

    @pytest.mark.parametrize(
        ("prompt", "text"),
        [
            ("SSH password: ", "ssh"),
            ("BECOME password: ", "become"),
            ("BECOME password[defaults to SSH password]: ", "become"),
            ("Vault password: ", "vault"),
            ("Vault password (prod): ", "of prod"),
            ("Vault password (a.c): ", "of a.c"),
            ("Vault password (abc): ", "vault"),
        ],
    )
    def test_each_gets_its_own(self, prompt: str, text: str) -> None:
        connection = Connection(
            ssh_password="ssh", become_password="become", vault_password="vault",
            vault_passwords=(("prod", "of prod"), ("a.c", "of a.c")),
        )  # fmt: skip
        assert self.answer(connection, prompt) == text

    def test_one_that_nobody_knows_is_answered_all_the_same(self) -> None:
        assert self.answer(Connection(), "Vault password (prod): ") == ""
        assert self.answer(Connection(), "SSH password: ") is None  # it is not asked for


def test_an_unknown_failure_keeps_its_first_line() -> None:
    assert explain("Task failed: Action failed: the answer was cut off\nOrigin: x").text == (
        "the answer was cut off"
    )
    assert explain("").text == "failed without a message"


@given(st.text())
def test_reasons_are_one_printable_line(text: str) -> None:
    for line in (explain(text).text, sentence(text)):
        assert line == "" or line.isprintable()
        assert len(line) <= 300
