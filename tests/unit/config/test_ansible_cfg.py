"""Settings of an ansible.cfg that patchctl does not use, and what replaces them."""

from pathlib import Path

import pytest

from patchctl.config import settings
from patchctl.config.ansible_cfg import _INSTEAD, inventory_of, unused
from patchctl.models.settings import AnsibleSettings, Settings

TEXT = """\
[defaults]
inventory = ./hosts, cloud/   ; two
remote_user = ops
# forks = 3
host_key_checking = False
stdout_callback = yaml
nocows: 1

[privilege_escalation]
become = True
become_method = su

[ssh_connection]
ssh_args = -o ProxyJump=bastion %h
"""


def settings_of(root: Path, text: str) -> Settings:
    (root / "patchctl.yml").write_text(text)
    return settings.load(root / "patchctl.yml")


def test_each_unused_setting_is_reported_with_its_line_and_replacement() -> None:
    assert [str(problem) for problem in unused(TEXT)] == [
        "ansible.cfg:2: inventory is not used; set inventory in patchctl.yml",
        "ansible.cfg:3: remote_user is not used; set ansible.user in patchctl.yml",
        "ansible.cfg:5: host_key_checking is not used; host keys are always checked; "
        "`patchctl doctor --learn-host-keys` writes known_hosts",
        "ansible.cfg:10: become is not used; set ansible_become in the inventory",
        "ansible.cfg:11: become_method is not used; set ansible_become_method in the inventory",
        "ansible.cfg:14: ssh_args is not used; set ansible_ssh_args in the inventory",
        "ansible.cfg: not used, and not needed to reach hosts: nocows, stdout_callback",
    ]


def test_a_setting_that_patchctl_yml_has_too_is_not_reported(tmp_path: Path) -> None:
    known = settings_of(tmp_path, "inventory: [hosts, cloud]\nansible: {user: deploy}\n")
    messages = {problem.message for problem in unused(TEXT, known)}
    assert "inventory is not used" not in messages
    assert "remote_user is not used" not in messages
    assert "become is not used" in messages


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[defaults]\nhost_key_checking = True\nask_pass = no\n",
        "[privilege_escalation]\nbecome = false\n",
    ],
)
def test_a_setting_that_patchctl_follows_anyway_is_not_reported(text: str) -> None:
    assert unused(text) == ()


def test_the_inventory_sources_of_an_ansible_cfg() -> None:
    assert inventory_of(TEXT) == ("./hosts", "cloud/")
    assert inventory_of("[defaults]\nforks = 3\n") == ()


@pytest.mark.parametrize("text", ["inventory = x\n", "[defaults\n", "[a]\n  = x\n"])
def test_a_file_that_is_no_ansible_cfg(text: str) -> None:
    (problem,) = unused(text)
    assert problem.message.startswith("is not an ini file")
    assert inventory_of(text) == ()


def test_every_replacement_is_a_setting_of_patchctl() -> None:
    for instead in _INSTEAD.values():
        if "ansible." in instead and instead.endswith("in patchctl.yml"):
            name = instead.split()[1].removeprefix("ansible.")
            fields = AnsibleSettings.__struct_fields__
            assert name in fields or f"{name}_s" in fields
