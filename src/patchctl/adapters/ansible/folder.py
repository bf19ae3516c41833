"""Write the private folders of one run.

Without secrets: ansible.cfg  hosts.json  payloads.json  variables.json  payload/  output/  files/
pid
Apart, what may hold a secret (`run_folders.secret_folder`): given/inventory.json
given/beside.json  given/extra-N.yml  tmp/  artifacts/  pid
"""

import hashlib
import json
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import InvalidInputError
from ...models.connection import Connection
from ...protocol.jobs import Job, hosts_of
from .. import content, ssh_keys
from ..files import private_folder
from .playbooks import TOGETHER, Playbook
from .results import answer_file
from .run_folders import GIVEN, TMP

_INVENTORY = "inventory.json"
_BESIDE = "beside.json"
_HOSTS = "patch_hosts"

_CONFIGURATION = """\
[defaults]
roles_path = {roles}
local_tmp = {secret}/tmp
forks = {forks}
timeout = {connect}
gathering = explicit
host_key_checking = true
retry_files_enabled = false
deprecation_warnings = false
devel_warning = false
localhost_warning = false
fact_caching = memory
# The generated inventory has every variable: no folder is searched for more, host by host.
vars_plugins_enabled =
# Ansible asks its workers a thousand times a second by default, a fifth of a core while it waits.
internal_poll_interval = {poll}
[connection]
# Also for a hook's task on this machine: its module, with its arguments, is no file on a disk then.
pipelining = true
[inventory]
enable_plugins = ansible.builtin.yaml
any_unparsed_is_failed = true
[ssh_connection]
pipelining = true
control_path_dir = {control}
ssh_args = -o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=15 \
-o ServerAliveCountMax=3
{known_hosts}
"""


def secret_files(job: Job, connection: Connection) -> dict[str, str]:
    """File name -> text of what may hold a secret: host variables, and the operator's own.

    Raises InvalidInputError where the operator's `-e` cannot be parsed.
    """
    # JSON, which Ansible's yaml plugin tries first and reads fifty times faster than YAML; it
    # knows the keys `__ansible_vault` and `__ansible_unsafe` in it.
    texts = {_INVENTORY: json.dumps(job.inventory)}
    if job.beside:
        texts[_BESIDE] = json.dumps(job.beside)
    for number, text in enumerate(connection.extra_vars):
        if not text.startswith("@"):
            # A value may be a secret, and a command line is public.
            texts[_extra_file(number)] = _extra(text)
    return texts


@dataclass(frozen=True)
class Folders:
    """The folders of one run; `control` is shared by all runs of a command."""

    run: Path
    secret: Path
    control: Path


def write(
    folders: Folders,
    job: Job,
    playbook: Playbook,
    connection: Connection,
    secrets: Mapping[str, str],
) -> list[str]:
    """Fill the folders; `secrets` is the result of `secret_files`.

    Returns ansible-playbook's arguments, none of them secret.
    """
    private, secret = folders.run, folders.secret
    for folder in (private / "payload", private / "output", secret / GIVEN, secret / TMP):
        private_folder(folder)
    _text(
        private / "ansible.cfg",
        _CONFIGURATION.format(
            roles=_escaped(content.roles()),
            secret=_escaped(secret),
            control=_escaped(folders.control),
            forks=job.forks or connection.forks,
            # The worker that asks all hosts has written its answers before it ends.
            poll=0.2 if job.stage == TOGETHER else 0.01,
            connect=connection.connect_timeout_s,
            known_hosts=_known_hosts(connection),
        ),
    )
    _text(
        private / "variables.json", json.dumps({**playbook.variables, **_variables(private, job)})
    )
    _carry(private / "files", job)
    if job.stage == TOGETHER:
        os.mkfifo(requests(private), 0o600)
    for name, text in secrets.items():
        _text(secret / GIVEN / name, text)
    arguments = ["-i", str(secret / GIVEN / _INVENTORY)]
    if job.beside:
        # Ansible lets the later source win: that of the job's own hosts.
        arguments = ["-i", str(secret / GIVEN / _BESIDE), *arguments]
        _text(private / "hosts.json", json.dumps(_own_group(job)))
        arguments += ["-i", str(private / "hosts.json")]
    if job.payloads or job.pushes:
        _text(private / "payloads.json", json.dumps(_payloads(private, job)))
        arguments += ["-i", str(private / "payloads.json")]
    arguments += _connection_arguments(secret / GIVEN, connection)
    return [*arguments, "-e", f"@{private / 'variables.json'}", str(playbook.path)]


def requests(private: Path) -> Path:
    """The pipe that tells the worker of `patch_together` which request to take next."""
    return private / "requests"


def ask(private: Path, name: str, job: Job) -> Path:
    """Write a request for that worker and return the folder of its answers.

    Raises OSError.
    """
    request = private_folder(private / "asked") / name
    payloads = private_folder(private_folder(request) / "payload")
    for host, text in job.payloads.items():
        _text(answer_file(payloads, host), text)
    question = {"stage": job.stage, "hosts": hosts_of(job.inventory), "limit": job.timeout_s}
    _text(request / "request", json.dumps(question))
    return request


def _extra_file(number: int) -> str:
    return f"extra-{number}.yml"


def _known_hosts(connection: Connection) -> str:
    """ssh's last argument, so that the inventory's options win: ssh takes the first value."""
    if not connection.known_hosts or not Path(connection.known_hosts).is_file():
        return ""
    option = ssh_keys.option(Path(connection.known_hosts))
    return f"ssh_extra_args = {option}".replace("%", "%%")


def _variables(private: Path, job: Job) -> dict[str, Any]:
    return {
        **job.variables,
        **({_HOSTS: _own_group_name(job)} if job.beside else {}),
        **({"patch_transaction_manager": job.manager.value} if job.manager else {}),
        **{name: str(private / "files" / path) for name, path in job.places.items()},
        **({"patch_requests": str(requests(private))} if job.stage == TOGETHER else {}),
        "patch_output_dir": str(private / "output"),
        "patch_timeout": job.timeout_s,
    }


def _own_group(job: Job) -> dict[str, Any]:
    """The job's hosts as a group. Not a list of names: Ansible takes a name in `hosts:` for that of
    a group first, and as a pattern."""
    hosts: dict[str, Any] = {host: {} for host in hosts_of(job.inventory)}
    return {"all": {"children": {_own_group_name(job): {"hosts": hosts}}}}


def _own_group_name(job: Job) -> str:
    """A free name: where a host has a group's name, Ansible gives the host's variables to the
    group."""
    taken = {*job.beside["all"]["children"], *hosts_of(job.beside), *hosts_of(job.inventory)}
    name = _HOSTS
    while name in taken:
        name += "_"
    return name


def _carry(top: Path, job: Job) -> None:
    """Write regular files before links, so that no file is written through a link."""
    for name, file in sorted(job.files.items(), key=lambda item: bool(item[1].link)):
        path = top / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if file.link:
            path.symlink_to(file.link)
        else:
            path.touch(mode=0o700 if file.executable else 0o600)
            path.write_bytes(file.content)


def _payloads(private: Path, job: Job) -> dict[str, Any]:
    hosts: dict[str, dict[str, str]] = {}
    for variable, texts in (("patch_payload_file", job.payloads), ("patch_push_file", job.pushes)):
        unknown = set(texts) - set(hosts_of(job.inventory))
        if unknown:
            raise ValueError(f"not in the job's inventory: {sorted(unknown)}")
        for host, text in texts.items():
            name = f"{variable}-{hashlib.sha256(host.encode()).hexdigest()[:32]}"
            path = private / "payload" / name
            _text(path, text)
            hosts.setdefault(host, {})[variable] = str(path)
    return {"all": {"hosts": hosts}}


def _connection_arguments(folder: Path, connection: Connection) -> list[str]:
    arguments: list[str] = []
    if connection.user:
        arguments += ["--user", connection.user]
    if connection.private_key:
        arguments += ["--private-key", connection.private_key]
    if connection.vault_password_file:
        arguments += ["--vault-password-file", connection.vault_password_file]
    for identity in connection.vault_ids:
        arguments += ["--vault-id", identity]
    for label, _ in connection.vault_passwords:
        arguments += ["--vault-id", f"{label}@prompt"]
    for password, flag in (
        (connection.ssh_password, "--ask-pass"),
        (connection.become_password, "--ask-become-pass"),
        (connection.vault_password, "--ask-vault-password"),
    ):
        if password is not None:
            arguments.append(flag)
    for number, text in enumerate(connection.extra_vars):
        file = text if text.startswith("@") else f"@{folder / _extra_file(number)}"
        arguments += ["-e", file]
    return arguments


def _extra(text: str) -> str:
    if text.lstrip().startswith(("{", "[")):
        return text
    try:
        pairs = [word.partition("=") for word in shlex.split(text)]
    except ValueError as error:
        raise InvalidInputError(f"quotes do not match: {error}", where="-e") from error
    if not pairs or not all(equals for _, equals, _ in pairs):
        raise InvalidInputError(
            "not understood", where="-e", hint="give key=value, @file or a JSON mapping"
        )
    return json.dumps({key: value for key, _, value in pairs})


def passwords(connection: Connection) -> Mapping[str, str]:
    """Prompt (regular expression) -> answer, for ansible-runner's pseudo-terminal."""
    answers = {
        r"SSH password:\s*$": connection.ssh_password,
        r"BECOME password.*:\s*$": connection.become_password,
        **{
            rf"Vault password \({re.escape(label)}\):\s*$": password
            for label, password in connection.vault_passwords
        },
        # Also without a vault password: Ansible refuses an empty one, and would wait for ever else.
        r"Vault password( \(.*\))?:\s*$": connection.vault_password or "",
    }
    return {prompt: answer for prompt, answer in answers.items() if answer is not None}


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")


def _text(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
