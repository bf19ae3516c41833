"""Bad input, whoever it is from: one clear line, the right exit code, and nothing is changed."""

import json
from pathlib import Path
from typing import Any

import pytest
from test_discover import run

from patchctl.lab.handle import Lab

HOSTS = "all:\n  hosts:\n    a: {patch_ring: staging}\n"
VERBS = [
    ["inventory", "list"],
    ["discover"],
    ["plan", "create"],
    ["rollout", "--yes"],
]
HOOKS = "hooks: {drain: hooks/drain.yml, undrain: hooks/undrain.yml}\n"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A workspace whose only host would not answer."""
    (tmp_path / "inventory").mkdir(mode=0o755)
    (tmp_path / "hooks").mkdir(mode=0o755)
    (tmp_path / "patchctl.yml").touch()
    (tmp_path / "inventory/hosts.yml").write_text(HOSTS)
    return tmp_path


def refused(workspace: Path, *arguments: str, code: int = 2) -> str:
    """The one line of a command that did nothing."""
    done = run(workspace, *arguments)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
@pytest.mark.parametrize(
    ("file", "text", "line"),
    [
        ("inventory/hosts.yml", HOSTS + "    b: {\n", "inventory/hosts.yml:5: While parsing"),
        ("inventory/hosts.yml", HOSTS + "    a: {}\n", "inventory/hosts.yml:4: Found duplicate"),
        (
            "inventory/hosts.yml",
            HOSTS + "    b: {patch_ring: prodction}\n",
            "inventory/hosts.yml:4: host b: patch_ring says 'prodction', which is no ring",
        ),
        ("patchctl.yml", "rings: [\n", "patchctl.yml:2: not YAML: "),
    ],
    ids=["broken", "twice", "unknown-ring", "settings"],
)
def test_what_cannot_be_read_stops_every_verb_before_it_begins(
    site: Path, verb: list[str], file: str, text: str, line: str
) -> None:
    (site / file).write_text(text)
    assert refused(site, *verb).startswith(f"patchctl: {line}")
    assert not (site / ".patchctl").exists()


@pytest.mark.parametrize("verb", VERBS[2:], ids=" ".join)
def test_a_hook_that_ansible_cannot_run_stops_a_plan(site: Path, verb: list[str]) -> None:
    (site / "patchctl.yml").write_text(HOOKS)
    (site / "hooks/drain.yml").write_text("- name: Out\n  command: 'open\n")
    (site / "hooks/undrain.yml").write_text("[]")
    assert refused(site, *verb).startswith("patchctl: hooks/drain.yml:3: not YAML: ")
    (site / "hooks/drain.yml").write_text("- command: x\n- hosts: all\n")
    assert refused(site, *verb).startswith("patchctl: hooks/drain.yml:2: this is a playbook")


def test_a_word_that_is_no_command_is_not_only_no_plan(site: Path) -> None:
    line = refused(site, "rollout", "stauts")
    assert line.startswith("patchctl: 'stauts' is neither a command nor a plan; commands: abort,")
    assert "no plan 'plans/gone.lock'" in refused(site, "rollout", "plans/gone.lock", "--yes")


# --- on hosts -------------------------------------------------------------------------------------

HOST = "staging-1"
LIMIT = ("--limit", HOST)
VERSION = "dpkg-query -W -f '${Version}' patchlab-web"


def answer(workspace: Path, *arguments: str, code: int = 0) -> Any:
    """The JSON that a verb ends with."""
    done = run(workspace, "-q", *arguments, "-o", "json")
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def plan(workspace: Path, *arguments: str) -> Any:
    return answer(workspace, "plan", "create", "--package", "patchlab-web", *LIMIT, *arguments)


@pytest.mark.lab
def test_a_hook_that_broke_after_the_plan_stops_its_rollout(lab: Lab, workspace: Path) -> None:
    (workspace / "hooks").mkdir(mode=0o755)
    for name in ("drain", "undrain"):
        (workspace / f"hooks/{name}.yml").write_text("- debug:\n")
    settings = workspace / "patchctl.yml"
    settings.write_text(settings.read_text() + HOOKS)
    path = plan(workspace)["path"]
    (workspace / "hooks/undrain.yml").write_text("- debug:\n- debug: [\n")
    line = refused(workspace, "-q", "rollout", path, "--yes", "-o", "json")
    assert line.startswith("patchctl: hooks/undrain.yml:3: not YAML: ")
    assert answer(workspace, "rollout", "list") == {"runs": []}
    assert lab.check(HOST, "ls /var/lib/patchctl 2>/dev/null || true") == ""


@pytest.mark.lab
def test_a_machine_with_two_names_is_planned_under_none(lab: Lab, workspace: Path) -> None:
    inventory = workspace / "inventory/again.yml"
    there = next(one for one in lab.hosts() if one.name == HOST)
    variables = json.dumps({"again": {"ansible_host": there.address}})
    inventory.write_text(f"all: {{children: {{production: {{hosts: {variables}}}}}}}\n")
    line = refused(
        workspace, "-q", "plan", "create", "--package", "patchlab-web",
        "--limit", f"{HOST}:again", "-o", "json",
    )  # fmt: skip
    assert (
        line == f"patchctl: hosts again, {HOST} are one machine; keep one of them in the inventory"
    )
    assert not (workspace / "plans").exists()
