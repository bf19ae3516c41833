"""Hosts that Ansible cannot reach do not disturb other hosts, even if they come first."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import copy_of

from patchctl.adapters.ansible.runner import AnsibleRunner, Answer, AnswerStatus, Job
from patchctl.cli.caller import this_process
from patchctl.inventory.export import generate
from patchctl.lab.handle import Lab
from patchctl.models.facts import PackageManager
from patchctl.wiring.fleet import load
from patchctl.wiring.workspace import open_workspace

pytestmark = pytest.mark.lab

PROGRAM = Path(sys.executable).with_name("patchctl")

# What each has beside the address of staging-1. Ansible sorts nothing: they stand first.
ODD: dict[str, dict[str, Any]] = {
    "a-network-cli": {"ansible_connection": "ansible.netcommon.network_cli"},
    "b-httpapi": {"ansible_connection": "httpapi", "ansible_network_os": "eos"},
    "c-become": {"ansible_become_method": "nowhere.installed.become"},
    "d-user": {"ansible_user": "{{ nobody_defines_this }}"},
    "e-winrm": {"ansible_connection": "winrm"},
    "f-port": {"ansible_port": "many"},
    "g-syntax": {"ansible_user": "{{ not closed"},
    "h-vault": {"ansible_password": {"__ansible_vault": "no ciphertext"}},
}


NAMED = {
    "a-network-cli": "the connection network_cli is not supported",
    "b-httpapi": "the connection httpapi is not supported",
    "c-become": "the become method nowhere.installed.become has no plugin here",
    "d-user": "remote_user cannot be used: 'nobody_defines_this' is undefined",
    "e-winrm": "Windows (winrm, psrp, PowerShell) is not supported",
    "f-port": "port cannot be used",
    "g-syntax": "remote_user cannot be used",
    "h-vault": "a vaulted value cannot be opened",
}


class Site:
    """The lab's fleet with unusual hosts before it."""

    def __init__(self, workspace: Path) -> None:
        source = workspace / "inventory" / "hosts.yml"
        content = yaml.safe_load(source.read_text())
        rings = content["all"]["children"]
        address = rings["staging"]["hosts"]["staging-1"]
        odd = {name: {**address, **more} for name, more in ODD.items()}
        rings["staging"]["hosts"] = {**odd, **rings["staging"]["hosts"]}
        source.write_text(yaml.safe_dump(content, sort_keys=False))
        opened = open_workspace(workspace, this_process())
        self._fleet = load(opened).fleet
        self.runner = AnsibleRunner(
            opened.state / "runs", opened.root, opened.connection, os.environ
        )

    def ask(self, stage: str, *hosts: str, **more: Any) -> dict[str, Answer]:
        inventory = generate(self._fleet, hosts)
        job = Job(id=f"job-{stage}", stage=stage, inventory=inventory, **more)
        return {answer.host: answer for answer in self.runner.run(job)}


@pytest.fixture
def site(lab: Lab, workspace: Path) -> Iterator[Site]:
    odd_site = Site(workspace)
    yield odd_site
    odd_site.runner.close()


DISCOVER = {"patch_discover_mode": "all", "patch_discover_refresh": False}


def test_odd_hosts_fail_alone_in_discovery(site: Site) -> None:
    answers = site.ask("discover", *ODD, "staging-1", "canary-1", variables=DISCOVER)
    assert answers["staging-1"].status is AnswerStatus.OK, answers["staging-1"].reason
    assert answers["canary-1"].status is AnswerStatus.OK, answers["canary-1"].reason
    for name in ODD:
        assert answers[name].status is AnswerStatus.FAILED
        assert NAMED[name] in answers[name].reason


@pytest.mark.parametrize("first", ["a-network-cli", "c-become", "d-user"])
def test_one_odd_host_that_comes_first_fails_alone(site: Site, first: str) -> None:
    answers = site.ask("discover", first, "staging-1", variables=DISCOVER)
    assert answers["staging-1"].status is AnswerStatus.OK, answers["staging-1"].reason
    assert answers[first].status is AnswerStatus.FAILED


@pytest.mark.parametrize("stage", ["resolve", "preflight"])
def test_odd_hosts_fail_alone_in_other_stages(site: Site, stage: str) -> None:
    hosts = (*ODD, "staging-1")
    told = dict.fromkeys(hosts, "nothing that a host could do\n")
    answers = site.ask(stage, *hosts, payloads=told, manager=PackageManager.APT,
                     variables={"patch_resolve_manager": "apt"})  # fmt: skip
    # It was asked, and has an answer of its own: to a demand that makes no sense.
    assert answers["staging-1"].rc < 255, answers["staging-1"].reason
    for name in ODD:
        assert answers[name].status is AnswerStatus.FAILED
        assert answers[name].rc == 255


def test_su_makes_root_with_its_password(fresh_lab: Lab, tmp_path: Path) -> None:
    """That of root, which su asks for."""
    workspace = copy_of(fresh_lab, tmp_path / "workspace")
    fresh_lab.check("staging-1", "echo root:opens-sesame | chpasswd")
    settings, password = workspace / "patchctl.yml", workspace / "password"
    settings.write_text(f"{settings.read_text()}\nansible: {{become_password_file: password}}\n")
    words = ["discover", "--limit", "staging-1", "-e", "ansible_become_method=su", "-o", "json"]

    def told(given: str) -> Any:
        password.write_text(f"{given}\n")
        password.chmod(0o600)
        done = subprocess.run(
            [PROGRAM, "-q", "-C", workspace, *words],
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return json.loads(done.stdout)["hosts"][0]

    row = told("opens-sesame")
    assert (row["status"], row["reason"]) == ("ok", "")
    assert told("opens nothing")["reason"] == "wrong su password"
