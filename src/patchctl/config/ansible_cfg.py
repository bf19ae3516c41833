"""Report the settings of an `ansible.cfg` beside `patchctl.yml` that are not used, and what to set
instead.

Ansible runs with patchctl's own configuration, so that a rollout works the same wherever it is
started. An operator who moves an existing repository to patchctl must know which settings have no
effect.
"""

import configparser
import posixpath
import re
from collections.abc import Iterable, Mapping

from ..errors import Problem
from ..models.settings import AnsibleSettings, Settings

FILE_NAME = "ansible.cfg"
_KNOWN_HOSTS = (
    "host keys are always checked; `patchctl doctor --learn-host-keys` writes known_hosts"
)
_ENVIRONMENT = "set the environment variable {} where patchctl is started"
_VARIABLE = "set {} in the inventory"
_SETTING = "set {} in patchctl.yml"
# (section, key) -> what replaces it. Older names of keys that Ansible still reads are listed too.
_INSTEAD: Mapping[tuple[str, str], str] = {
    ("defaults", "inventory"): _SETTING.format("inventory"),
    ("defaults", "remote_user"): _SETTING.format("ansible.user"),
    ("defaults", "private_key_file"): _SETTING.format("ansible.private_key"),
    ("defaults", "forks"): _SETTING.format("ansible.forks"),
    ("defaults", "timeout"): _SETTING.format("ansible.connect_timeout"),
    ("defaults", "vault_password_file"): _SETTING.format("ansible.vault_password_file"),
    ("defaults", "vault_identity_list"): _SETTING.format("ansible.vault_ids"),
    ("defaults", "become_password_file"): _SETTING.format("ansible.become_password_file"),
    ("defaults", "connection_password_file"): "give -k, or a vaulted ansible_password",
    ("defaults", "ask_pass"): "give -k",
    ("defaults", "ask_vault_pass"): "give --ask-vault-pass",
    ("defaults", "host_key_checking"): _KNOWN_HOSTS,
    ("defaults", "remote_port"): _VARIABLE.format("ansible_port"),
    ("defaults", "transport"): _VARIABLE.format("ansible_connection"),
    ("defaults", "executable"): _VARIABLE.format("ansible_shell_executable"),
    (
        "defaults",
        "hash_behaviour",
    ): "variables of a host are merged by replacing, Ansible's default",
    ("defaults", "collections_path"): _ENVIRONMENT.format("ANSIBLE_COLLECTIONS_PATH"),
    ("defaults", "collections_paths"): _ENVIRONMENT.format("ANSIBLE_COLLECTIONS_PATH"),
    ("defaults", "inventory_plugins"): _ENVIRONMENT.format("ANSIBLE_INVENTORY_PLUGINS"),
    ("defaults", "lookup_plugins"): _ENVIRONMENT.format("ANSIBLE_LOOKUP_PLUGINS"),
    ("defaults", "filter_plugins"): _ENVIRONMENT.format("ANSIBLE_FILTER_PLUGINS"),
    ("defaults", "home"): _ENVIRONMENT.format("ANSIBLE_HOME"),
    (
        "defaults",
        "roles_path",
    ): "a hook finds only what lies in its own folder; put its roles there",
    ("privilege_escalation", "become"): _VARIABLE.format("ansible_become"),
    ("privilege_escalation", "become_method"): _VARIABLE.format("ansible_become_method"),
    ("privilege_escalation", "become_user"): _VARIABLE.format("ansible_become_user"),
    ("privilege_escalation", "become_exe"): _VARIABLE.format("ansible_become_exe"),
    ("privilege_escalation", "become_flags"): _VARIABLE.format("ansible_become_flags"),
    ("privilege_escalation", "become_ask_pass"): "give -K",
    ("inventory", "enable_plugins"): "each source names its plugin itself, with the key `plugin`",
    ("inventory", "ignore_extensions"): _SETTING.format("inventory"),
    ("inventory", "ignore_patterns"): _SETTING.format("inventory"),
    ("inventory", "cache"): "set `cache` in the plugin's own configuration",
    ("ssh_connection", "ssh_args"): _VARIABLE.format("ansible_ssh_args"),
    ("ssh_connection", "ssh_common_args"): _VARIABLE.format("ansible_ssh_common_args"),
    ("ssh_connection", "ssh_extra_args"): _VARIABLE.format("ansible_ssh_extra_args"),
    ("ssh_connection", "ssh_executable"): _VARIABLE.format("ansible_ssh_executable"),
    ("ssh_connection", "retries"): _VARIABLE.format("ansible_ssh_retries"),
    ("ssh_connection", "private_key_file"): _SETTING.format("ansible.private_key"),
    ("ssh_connection", "timeout"): _SETTING.format("ansible.connect_timeout"),
}
_ANSIBLE_KEYS = {
    "remote_user": "user",
    "private_key_file": "private_key",
    "forks": "forks",
    "timeout": "connect_timeout_s",
    "vault_password_file": "vault_password_file",
    "vault_identity_list": "vault_ids",
    "become_password_file": "become_password_file",
}
_TRUE = frozenset({"true", "yes", "on", "1", "y", "t"})


class _Parsed(configparser.ConfigParser):
    """Reads the file as Ansible does: no interpolation, and `;` starts a comment anywhere."""

    def __init__(self) -> None:
        super().__init__(inline_comment_prefixes=(";",), interpolation=None, strict=False)


def unused(text: str, settings: Settings | None = None) -> tuple[Problem, ...]:
    """Return a problem for each setting of the file that has a replacement, in the file's order,
    and one for all others together. Settings with the same meaning in `settings` are no problem.
    """
    parsed = _Parsed()
    try:
        parsed.read_string(text)
    except configparser.Error as error:
        message = f"is not an ini file: {str(error).splitlines()[0]}"
        return (Problem(path=FILE_NAME, message=message, hint="Ansible could not read it either"),)
    problems, others = [], []
    for section in parsed.sections():
        for key, value in parsed.items(section):
            instead = _INSTEAD.get((section, key))
            if instead is None:
                others.append(key)
            elif not _is_moot(section, key, value, settings):
                line = _line(text, section, key)
                message = f"{key} is not used"
                problems.append(Problem(path=FILE_NAME, line=line, message=message, hint=instead))
    problems.sort(key=lambda problem: problem.line)
    if others:
        message = f"not used, and not needed to reach hosts: {', '.join(sorted(set(others)))}"
        problems.append(Problem(path=FILE_NAME, message=message))
    return tuple(problems)


def inventory_of(text: str) -> tuple[str, ...]:
    """Return the inventory sources that the file names, relative to it; empty where it cannot be
    read.
    """
    parsed = _Parsed()
    try:
        parsed.read_string(text)
    except configparser.Error:
        return ()
    value = parsed.get("defaults", "inventory", fallback="")
    return tuple(name for part in value.split(",") if (name := part.strip()))


def _is_moot(section: str, key: str, value: str, settings: Settings | None) -> bool:
    """Return whether patchctl.yml already has the setting, or patchctl works that way anyway."""
    on = value.strip().lower() in _TRUE
    if key == "host_key_checking":
        return on
    if key in ("ask_pass", "ask_vault_pass", "become", "become_ask_pass", "cache"):
        return not on
    if key == "hash_behaviour":
        return value.strip() == "replace"
    if settings is None:
        return False
    if key == "inventory":
        return _paths(value.split(",")) <= _paths(settings.inventory)
    name = _ANSIBLE_KEYS.get(key, "")
    return bool(name) and getattr(settings.ansible, name) != getattr(AnsibleSettings(), name)


def _paths(names: Iterable[str]) -> set[str]:
    return {posixpath.normpath(name.strip()) for name in names if name.strip()}


def _line(text: str, section: str, key: str) -> int:
    """Return the line of the key in its section. Where it is repeated, the last one, which takes
    effect.
    """
    inside, last = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if head := re.match(r"\[([^\]]+)\]", line):
            inside = head[1]
        elif inside == section and re.match(rf"{re.escape(key)}\s*[=:]", line, re.IGNORECASE):
            last = number
    return last
