"""What a hook may see: all names, but only values of its own hosts and those in `sees`."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from patchctl.adapters.ansible.runner import AnsibleRunner
from patchctl.errors import InvalidInputError
from patchctl.inventory.export import beside, generate, group_names
from patchctl.inventory.withheld_hosts import refusal
from patchctl.models.connection import Connection
from patchctl.models.fleet import Fleet, Group, Host
from patchctl.models.hooks import RingHook
from patchctl.models.policy import (
    Amount,
    OnFailure,
    Promote,
    RebootPolicy,
    RingPolicy,
    RollbackReady,
    UpdaterPolicy,
)
from patchctl.plan.hooks import refuse_unknown_groups
from patchctl.protocol.jobs import Answer, AnswerStatus, CarriedFile, Job, hosts_of

VAULT = {"__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256\n6162\n"}
SECRETS = ("plain-secret", "6162", "10.9.8.7", "become-secret")
LOCAL = {
    "ansible_connection": "local",
    "ansible_become": False,
    "ansible_python_interpreter": sys.executable,
}
BLIND = RingHook(stage="drain", file="hooks/drain.yml")
SEES = RingHook(stage="drain", file="hooks/drain.yml", sees=("lbservers",))
ALL = RingHook(stage="undrain", file="hooks/undrain.yml", sees=("all",))


def host(name: str, ring: str | None, *groups: str, **variables: Any) -> Host:
    return Host(name=name, ring=ring, ring_reason="", groups=groups, variables=variables)


# `lb2` is the name of a group too; the hook works on hosts of the group `web`.
FLEET = Fleet(
    hosts=(
        host("lb1", "staging", "edge", "lbservers", **LOCAL, balancer="one"),
        host(
            "lb2",
            None,
            "lbservers",
            ansible_host="10.9.8.7",
            ansible_become=True,
            ansible_become_password="become-secret",
            ansible_remote_tmp="/x",
            db_password=VAULT,
            token="plain-secret",
        ),
        host("web1", "staging", "web", **LOCAL),
        host("web2", "production", "web", **LOCAL),
    ),
    groups=(
        Group(name="edge", hosts=(), children=("lbservers",)),
        Group(name="lbservers", hosts=("lb1", "lb2"), children=()),
        Group(name="web", hosts=("web1", "web2"), children=()),
    ),
    sources=(),
    rings=("staging", "production"),
    digest="",
)


def with_variable(name: str, **variables: Any) -> Fleet:
    """Return the fleet with more variables of one host."""
    return structs.replace(
        FLEET,
        hosts=tuple(
            structs.replace(host, variables={**host.variables, **variables})
            if host.name == name
            else host
            for host in FLEET.hosts
        ),
    )


# --- the inventory ------------------------------------------------------------------------------


def test_groups_are_complete_for_a_hook_that_sees_nothing() -> None:
    children = beside(FLEET, ["web1"], BLIND)["all"]["children"]
    assert {name: sorted(entry["hosts"]) for name, entry in children.items()} == {
        "edge": [],
        "lbservers": ["lb1", "lb2"],
        "web": ["web1", "web2"],
        "ring_staging": ["lb1", "web1"],
        "ring_production": ["web2"],
    }
    assert children["edge"]["children"] == {"lbservers": {}}


def test_every_value_of_an_unseen_host_is_withheld() -> None:
    hosts = beside(FLEET, ["web1"], BLIND)["all"]["hosts"]
    assert hosts.keys() == {"lb1", "lb2", "web2"}
    assert not [secret for secret in SECRETS if secret in json.dumps(hosts)]
    # Their names stay, so that asking for one is an error and not an undefined variable.
    assert {"db_password", "token", "ansible_become_password"} <= hosts["lb2"].keys()
    assert {entry["ansible_connection"] for entry in hosts.values()} == {"patch_unseen"}


def test_all_values_of_a_seen_host_are_there() -> None:
    variables = {host.name: host.variables for host in FLEET.hosts}
    hosts = beside(FLEET, ["web1"], SEES)["all"]["hosts"]
    assert (hosts["lb1"], hosts["lb2"]) == (variables["lb1"], variables["lb2"])
    assert hosts["web2"]["ansible_connection"] == "patch_unseen"
    every = beside(FLEET, ["web1"], ALL)["all"]["hosts"]
    assert every == {name: every for name, every in variables.items() if name != "web1"}
    ring = RingHook(stage="drain", file="x", sees=("ring_production",))
    assert beside(FLEET, ["web1"], ring)["all"]["hosts"]["web2"] == variables["web2"]
    above = RingHook(stage="drain", file="x", sees=("edge",))
    assert beside(FLEET, ["web1"], above)["all"]["hosts"]["lb1"] == variables["lb1"]


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_this_machine_stays_what_it_is_without_an_inventory(name: str) -> None:
    """A task on the controller needs no setting, also where an inventory names it."""
    fleet = Fleet(
        hosts=(host(name, None, token="plain-secret"),),
        groups=(), sources=(), rings=(), digest="",
    )  # fmt: skip
    assert beside(fleet, [], BLIND)["all"]["hosts"][name] == {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    }


@pytest.mark.parametrize(
    ("groups", "says"),
    [
        (("lbservers",), "add to hooks.drain.sees in patchctl.yml lbservers; then make a new plan"),
        (("a", "b"), "add to hooks.drain.sees in patchctl.yml one of its groups: a, b; then make"),
        (
            tuple("abcdefghi"),
            "one of its groups: a, b, c, d, e, f, g, h and 1 more; then make a new plan",
        ),
        ((), "add to hooks.drain.sees in patchctl.yml all; then make a new plan"),
        (("{{ x }}", "it's"), "add to hooks.drain.sees in patchctl.yml all; then make a new plan"),
    ],
)
def test_a_refusal_names_the_setting_and_what_to_add(groups: tuple[str, ...], says: str) -> None:
    assert refusal(host("lb9", None, *groups), BLIND).startswith("the drain hook does not see lb9")
    assert says in refusal(host("lb9", None, *groups), BLIND)


# --- what `sees` names --------------------------------------------------------------------------


def ring(**changes: Any) -> RingPolicy:
    return RingPolicy(
        name="staging",
        budget=Amount(hosts=0),
        max_concurrent=Amount(percent=100),
        soak_s=0,
        promote=Promote.AUTO,
        reboot=RebootPolicy.NEVER,
        on_failure=OnFailure.ROLLBACK,
        rollback_ready=RollbackReady.REQUIRE,
        updaters=UpdaterPolicy.REFUSE,
        **changes,
    )


def test_a_group_that_no_host_has_is_refused_before_anything_is_done() -> None:
    known = group_names(FLEET)
    assert known == {"edge", "lbservers", "web", "ring_staging", "ring_production"}
    for good in (("all",), ("lbservers", "ring_staging"), ()):
        refuse_unknown_groups([ring(drain="hooks/x.yml", drain_sees=good)], known)
    with pytest.raises(
        InvalidInputError, match=r"^hooks\.undrain\.sees: the inventory has no group 'lbserver'; "
    ):
        refuse_unknown_groups([ring(undrain="hooks/x.yml", undrain_sees=("lbserver",))], known)


# --- what Ansible does with it ------------------------------------------------------------------


class Site:
    """Runs a hook's tasks for web1 with Ansible; all its hosts are this machine."""

    def __init__(self, root: Path, runner: AnsibleRunner) -> None:
        self.root, self._runner, self._number = root, runner, 0

    def run(self, tasks: str, hook: RingHook = BLIND, fleet: Fleet = FLEET) -> Answer:
        self._number += 1
        job = Job(
            id=f"j{self._number}",
            stage="drain",
            inventory=generate(fleet, ["web1"]),
            beside=beside(fleet, ["web1"], hook),
            files={"hook.yml": CarriedFile(content=tasks.encode())},
            places={"patch_hook_file": "hook.yml"},
            variables={"mark": str(self.root)},
            timeout_s=60,
            rescues=True,
        )
        (answer,) = self._runner.run(job)
        return answer


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("site")
    (root / "password").write_text("of the vault")
    connection = Connection(vault_password_file=str(root / "password"))
    with AnsibleRunner(root / "runs", root, connection, os.environ) as runner:
        yield Site(root, runner)


def vaulted(root: Path, text: str) -> dict[str, str]:
    """Return the value in the form that a host's variables have it."""
    made = subprocess.run(
        [Path(sys.executable).with_name("ansible-vault"), "encrypt",
         "--vault-password-file", root / "password", "--output", "-"],
        input=text, text=True, check=True, capture_output=True,
    )  # fmt: skip
    return {"__ansible_vault": made.stdout}


LOOP = """\
- name: Disable the server in haproxy
  ansible.builtin.command: touch {{ mark }}/{{ inventory_hostname }}-{{ item }}
  delegate_to: "{{ item }}"
  loop: "{{ groups.lbservers | difference(['lb2']) }}"
- name: Read what a host that is seen says
  ansible.builtin.assert:
    that:
      - hostvars.lb1.balancer == 'one'
      - groups.all | sort == ['lb1', 'lb2', 'web1', 'web2']
      - groups.edge | sort == ['lb1', 'lb2']
      - groups[patch_hosts] == ['web1']
      - ansible_play_hosts_all == ['web1']
- name: A vaulted value opens where its host is seen
  ansible.builtin.assert:
    that: hostvars.lb1.token == 'opened'
"""


def test_a_loop_over_seen_hosts_reaches_them_and_works_on_the_own_host_alone(site: Site) -> None:
    answer = site.run(LOOP, SEES, with_variable("lb1", token=vaulted(site.root, "opened")))
    assert answer.status is AnswerStatus.OK, answer
    assert [path.name for path in site.root.glob("web*")] == ["web1-lb1"]


ALONE = {
    # A Python module, for which Ansible looks up the interpreter before it connects.
    "in a loop": (
        "lb1",
        """\
- ansible.builtin.command: "true"
  delegate_to: "{{ item }}"
  loop: "{{ groups.lbservers }}"
""",
    ),
    "by a value of it, with a default": (
        "lb2",
        """\
- ansible.builtin.debug: {msg: "{{ hostvars['lb2'].db_password | default('') }}"}
""",
    ),
}


@pytest.mark.parametrize("how", ALONE)
def test_an_unseen_host_fails_at_once_with_the_setting(site: Site, how: str) -> None:
    name, tasks = ALONE[how]
    answer = site.run(tasks)
    # Not unreachable, for which the engine would wait.
    assert answer.status is AnswerStatus.FAILED, answer
    assert answer.reason == refusal(next(host for host in FLEET.hosts if host.name == name), BLIND)


# None of them tries again for minutes, nor gets anything.
WAYS = """\
- ansible.builtin.raw: "true"
  delegate_to: lb2
  become: true
  register: as_root
  ignore_errors: true
- ansible.builtin.raw: "true"
  delegate_to: lb2
  vars: {ansible_connection: ssh}
  register: by_ssh
  ignore_errors: true
- ansible.builtin.copy: {content: x, dest: /nonexistent/x}
  delegate_to: lb2
  retries: 100
  delay: 5
  register: with_retries
  ignore_errors: true
- ansible.builtin.wait_for_connection:
  delegate_to: lb2
  register: waiting
  ignore_errors: true
- ansible.builtin.debug: {msg: "{{ hostvars.lb2.token }}"}
  register: value
  ignore_errors: true
- ansible.builtin.debug: {msg: "{{ hostvars['lb2'] | to_json }}"}
  register: dump
  ignore_errors: true
- ansible.builtin.debug: {msg: "{{ ['lb2'] | map('extract', hostvars, 'token') }}"}
  register: extract
  ignore_errors: true
- ansible.builtin.debug: {msg: "{{ query('ansible.builtin.vars', 'hostvars')[0].lb2.token }}"}
  register: looked_up
  ignore_errors: true
- ansible.builtin.set_fact: {x: "{{ hostvars['lb2'].get('ansible_host', 'lb2') }}"}
  register: address
  ignore_errors: true
- ansible.builtin.assert:
    that: item is failed and 'the drain hook does not see lb2' in item.msg
  loop: >-
    {{ [as_root, by_ssh, with_retries, waiting, value, dump, extract, looked_up, address] }}
"""


def test_every_other_way_to_an_unseen_host_fails_too(site: Site) -> None:
    begun = time.monotonic()
    answer = site.run(WAYS)
    assert answer.status is AnswerStatus.OK, answer
    assert time.monotonic() - begun < 60


def test_no_name_of_a_group_is_evaluated(site: Site) -> None:
    group = "{{ lookup('pipe', 'touch " + str(site.root) + '/pwned\') }} "x" {% raw %} ü'
    lb = host("lb1", None, group, token="plain-secret")
    fleet = Fleet(
        hosts=(lb, host("web1", None, **LOCAL)),
        groups=(Group(name=group, hosts=("lb1",), children=()),),
        sources=(), rings=(), digest="",
    )  # fmt: skip
    tasks = '- ansible.builtin.debug: {msg: "{{ hostvars.lb1.ansible_host }}"}\n'
    answer = site.run(tasks, BLIND, fleet)
    assert answer.reason.startswith("the drain hook does not see lb1: add to hooks.drain.sees in ")
    assert group not in json.dumps(beside(fleet, ["web1"], BLIND)["all"]["hosts"])
    assert not (site.root / "pwned").exists()


def test_a_seen_host_that_cannot_be_reached_is_named(site: Site) -> None:
    away = Fleet(
        hosts=(
            host("lb1", None, "lbservers", ansible_host="127.0.0.1", ansible_port=9),
            host("web1", None, **LOCAL),
        ),
        groups=(Group(name="lbservers", hosts=("lb1",), children=()),),
        sources=(), rings=(), digest="",
    )  # fmt: skip
    tasks = '- ansible.builtin.raw: "true"\n  delegate_to: "{{ item }}"\n  loop: [lb1]\n'
    answer = site.run(tasks, SEES, away)
    assert (answer.host, answer.status) == ("web1", AnswerStatus.UNREACHABLE)
    assert answer.reason == "on lb1: connection refused: nothing listens on the ssh port"


def test_a_host_or_a_group_named_like_the_jobs_own_group_changes_nothing(site: Site) -> None:
    fleet = Fleet(
        hosts=(
            host("patch_hosts_", None, ansible_connection="ssh"),
            host("web1", None, "patch_hosts", **LOCAL),
            host("web2", None, "patch_hosts", **LOCAL),
        ),
        groups=(Group(name="patch_hosts", hosts=("web1", "web2"), children=()),),
        sources=(), rings=(), digest="",
    )  # fmt: skip
    tasks = "- ansible.builtin.command: touch {{ mark }}/ran-{{ inventory_hostname }}\n"
    assert site.run(tasks, ALL, fleet).status is AnswerStatus.OK
    assert [path.name for path in site.root.glob("ran-*")] == ["ran-web1"]


def test_the_job_has_its_own_hosts_and_no_other() -> None:
    job = Job(id="j", stage="drain", inventory=generate(FLEET, ["web1"]),
              beside=beside(FLEET, ["web1"], ALL))  # fmt: skip
    assert hosts_of(job.inventory) == ("web1",)
    assert "plain-secret" not in repr(job)
