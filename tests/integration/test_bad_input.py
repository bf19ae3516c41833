"""Bad input from any source gives one clear line and the right exit code, and changes nothing."""

import json
import re
from pathlib import Path
from typing import Any

import hostile
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
    """A workspace with one host, which does not answer."""
    (tmp_path / "inventory").mkdir(mode=0o755)
    (tmp_path / "hooks").mkdir(mode=0o755)
    (tmp_path / "patchctl.yml").touch()
    (tmp_path / "inventory/hosts.yml").write_text(HOSTS)
    return tmp_path


def refused(workspace: Path, *arguments: str, code: int = 2) -> str:
    """Return the error line of a command that changed nothing."""
    done = run(workspace, *arguments)
    assert done.returncode == code, done.stderr
    if "json" in arguments:
        assert json.loads(done.stdout)["error"]["exit_code"] == code
    else:
        assert done.stdout == ""
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
            "inventory/hosts.yml:4: host b: patch_ring says 'prodction', which is not a ring",
        ),
        ("patchctl.yml", "rings: [\n", "patchctl.yml:2: not valid YAML: "),
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
    assert refused(site, *verb).startswith("patchctl: hooks/drain.yml:3: not valid YAML: ")
    (site / "hooks/drain.yml").write_text("- command: x\n- hosts: all\n")
    assert refused(site, *verb).startswith("patchctl: hooks/drain.yml:2: this is a playbook")


def test_an_unknown_word_is_an_unknown_command_and_not_a_missing_plan(site: Path) -> None:
    assert "No such command 'stauts'. Did you mean 'status'" in refused(site, "rollout", "stauts")
    line = refused(site, "rollout", "tuesday")
    assert line.startswith("patchctl: 'tuesday' is neither a command nor a plan; commands: abort,")
    assert "no plan 'plans/gone.lock'" in refused(site, "rollout", "plans/gone.lock", "--yes")


# --- on hosts -------------------------------------------------------------------------------------

HOST = "staging-1"
LIMIT = ("--limit", HOST)
VERSION = "dpkg-query -W -f '${Version}' patchlab-web"


def answer(workspace: Path, *arguments: str, code: int = 0) -> Any:
    """Return the JSON of a verb."""
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
    assert line.startswith("patchctl: hooks/undrain.yml:3: not valid YAML: ")
    assert answer(workspace, "rollout", "list") == {"runs": []}
    assert lab.check(HOST, "ls /var/lib/patchctl 2>/dev/null || true") == ""


@pytest.mark.lab
def test_a_machine_with_two_names_is_planned_under_none(lab: Lab, workspace: Path) -> None:
    inventory = workspace / "inventory/again.yml"
    there = next(host for host in lab.hosts() if host.name == HOST)
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


RAW = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
# What a host cannot choose freely: numbers, words that patchctl gives, grammar (else the line is
# kept as one that was not understood).
CHOSEN = {
    "architecture", "boot.boot_id", "competing_updaters.detail", "containers.image",
    "containers.image_id", "containers.name", "containers.state", "file_systems.kind",
    "file_systems.mount", "hostname", "images.image_id", "images.name", "init",
    "kernel.installed", "kernel.running", "listeners.address", "listeners.process", "machine_id",
    "notes", "os.codename", "os.id", "os.id_like", "os.pretty_name", "os.version_id",
    "pending.codename", "pending.label", "pending.origin", "reboot_packages",
    "repositories.codename", "repositories.component", "repositories.label",
    "repositories.origin", "repositories.uri", "stale_processes.files", "unparsed.line",
    "virtualization",
}  # fmt: skip
BY_GRAMMAR = {"packages", "pending", "timers", "units", "failed", "sockets"}


def lying(value: Any, path: str = "") -> set[str]:
    """Return the fields of facts with text that would run something."""
    if isinstance(value, str):
        return {path} if "pwned" in value else set()
    below: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        below = [(f"{path}.{key}".lstrip("."), inner) for key, inner in value.items()]
    elif isinstance(value, list):
        below = [(path, inner) for inner in value]
    return set().union(*(lying(inner, key) for key, inner in below))


def shown(workspace: Path, *arguments: str) -> str:
    """Return the output of a verb on both channels, which must not control a terminal."""
    done = run(workspace, *arguments)
    said = done.stdout + done.stderr
    assert done.returncode in (0, 1, 3, 4), said
    assert not RAW.search(said), arguments
    assert "Traceback" not in said
    return said


def nothing_ran(lab: Lab, workspace: Path) -> None:
    assert not list(workspace.rglob("pwned")) and not Path("pwned").exists()
    assert lab.check(HOST, "find / -xdev -name pwned").strip() == ""


@pytest.mark.lab
def test_no_field_of_discovery_is_run_or_steers_a_terminal(fresh_lab: Lab, workspace: Path) -> None:
    hostile.lie(fresh_lab, HOST)
    row = answer(workspace, "discover", "--refresh", *LIMIT)["hosts"][0]
    assert (row["status"], row["reason"]) == ("ok", "")
    facts = answer(workspace, "discover", "show", HOST)["facts"]
    assert lying(facts) == CHOSEN
    assert {it["section"] for it in facts["unparsed"] if "pwned" in it["line"]} == BY_GRAMMAR
    assert facts["os"]["id"] == hostile.TEXT  # as it was said, or the test proves nothing
    for words in (
        ["discover", *LIMIT],
        ["discover", *LIMIT, "-o", "yaml"],
        ["discover", "show", HOST],
        ["discover", "show", HOST, "-o", "yaml"],
        ["inventory", "list"],
        ["inventory", "lint"],
        ["plan", "create", "--limit", f"{HOST}:production-1"],
    ):
        shown(workspace, *words)
    assert "look at 2 repositories" in shown(workspace, "plan", "create", *LIMIT)
    settings = workspace / "patchctl.yml"
    text = settings.read_text().replace("policy:\n", "policy:\n  stale_lists: warn\n")
    settings.write_text(text)
    # What it says of packages leaves these out; without an identity of its own, it is left out.
    assert f"discovery-failed: {HOST} (its machine-id" in shown(workspace, "plan", "create", *LIMIT)
    nothing_ran(fresh_lab, workspace)


@pytest.mark.lab
def test_a_host_that_begins_to_lie_after_the_plan_is_not_changed(
    fresh_lab: Lab, workspace: Path
) -> None:
    path = plan(workspace)["path"]
    hostile.lie(fresh_lab, HOST)
    version = fresh_lab.check(HOST, f"/usr/bin/{VERSION}")
    assert "halted" in shown(workspace, "rollout", path, "--yes")
    (host,) = answer(workspace, "rollout", "status")["hosts"]
    assert (host["state"], host["stage"]) == ("failed", "preflight")
    assert host["reason"].startswith("another machine than planned (machine-id ")
    for words in (
        ["rollout", "status"],
        ["rollout", "status", "-o", "yaml"],
        ["audit", "show"],
        ["plan", "show"],
        ["host", "show", HOST],
    ):
        shown(workspace, *words)
    assert fresh_lab.check(HOST, f"/usr/bin/{VERSION}") == version
    nothing_ran(fresh_lab, workspace)


OTHER = "production-1"
BOTH = ("--limit", f"{HOST}:{OTHER}")
RECORD = "sha256sum /var/lib/dpkg/status"  # dpkg writes it anew with every change


def left_out(made: Any) -> tuple[str, str]:
    """Return (reason, detail) why the host is not in a plan that has the other host."""
    assert made["hosts"] == 1
    (row,) = (it for it in made["left_out"] if it["host"] == HOST)
    assert len(row["detail"].splitlines()) <= 1
    return row["reason"], row["detail"]


# What stands in gzip's place, and what is then said of the host.
NOISE = {
    "rubbish": ("head -c 100000 /dev/urandom", "the answer is damaged"),
    "100 MB": ("head -c 100000000 /dev/urandom", "the host sent more than 64 MiB"),
    "a bomb": (
        "head -c 300000000 /dev/zero | /bin/gzip -c",
        "the answer is larger than 64 MiB",
    ),
    "nothing": ("true", "the answer was cut off"),
}


@pytest.mark.lab
@pytest.mark.parametrize("noise", NOISE)
def test_a_host_that_answers_noise_fails_alone(fresh_lab: Lab, workspace: Path, noise: str) -> None:
    fresh_lab.check(
        HOST,
        f"printf '#!/bin/sh\\n{NOISE[noise][0]}\\n' >/usr/local/sbin/gzip;"
        " chmod 755 /usr/local/sbin/gzip",
    )
    both = answer(workspace, "discover", *BOTH, "--timeout", "60")
    rows = {it["name"]: it for it in both["hosts"]}
    # Not "no answer within 60 s": what is too long ends when that is known.
    assert (rows[HOST]["status"], rows[HOST]["reason"]) == ("failed", NOISE[noise][1])
    assert rows[OTHER]["status"] == "ok"
    made = answer(workspace, "plan", "create", "--package", "patchlab-web", *BOTH)
    assert left_out(made)[0] == "discovery-failed"


# What is done to a host, and how every verb then says it.
SHUT = {
    "unreachable": ("systemctl stop ssh.socket ssh", "connection refused: "),
    "wrong key": (
        "cd ~ops/.ssh && mv authorized_keys away",
        "permission denied: the host accepts neither the key nor the user",
    ),
    "changed host key": (
        "rm -f /etc/ssh/ssh_host_*; ssh-keygen -A; systemctl restart ssh",
        "the host key changed; if the host was really re-installed, fix known_hosts",
    ),
}


def both_planned(workspace: Path) -> str:
    made = answer(workspace, "plan", "create", "--package", "patchlab-web", *BOTH)
    assert made["hosts"] == 2
    path: str = made["path"]
    return path


def rolled_out_without(lab: Lab, workspace: Path, path: str) -> str:
    """Return why the first ring's host failed; nothing may have changed there or in later rings."""
    versions = {name: lab.check(name, RECORD) for name in (HOST, OTHER)}
    ended = answer(workspace, "rollout", path, "--yes", code=3)
    hosts = {it["name"]: it for it in ended["hosts"]}
    assert (hosts[HOST]["state"], hosts[HOST]["stage"]) == ("failed", "preflight")
    assert hosts[OTHER]["state"] == "pending"
    assert {name: lab.check(name, RECORD) for name in (HOST, OTHER)} == versions
    assert lab.check(HOST, "ls /var/lib/patchctl 2>/dev/null || true") == ""
    reason: str = hosts[HOST]["reason"]
    assert len(reason.splitlines()) == 1
    return reason


@pytest.mark.lab
@pytest.mark.parametrize("fault", SHUT)
def test_a_host_that_refuses_logins_is_reported_and_not_changed(
    fresh_lab: Lab, workspace: Path, fault: str
) -> None:
    path = both_planned(workspace)
    done, reason = SHUT[fault]
    fresh_lab.check(HOST, done)
    rows = {it["name"]: it for it in answer(workspace, "discover", *BOTH)["hosts"]}
    assert rows[HOST]["status"] == "unreachable"
    assert rows[HOST]["reason"].startswith(reason)
    assert len(rows[HOST]["reason"].splitlines()) == 1
    assert rows[OTHER]["status"] == "ok"
    made = answer(workspace, "plan", "create", "--package", "patchlab-web", *BOTH)
    why, detail = left_out(made)
    assert why == "unreachable" and detail.startswith(reason)
    assert rolled_out_without(fresh_lab, workspace, path).startswith(reason)


@pytest.mark.lab
@pytest.mark.parametrize("away", ["apt-get", "apt* /usr/bin/dpkg*"])
def test_a_host_without_apt_is_neither_planned_nor_changed(
    fresh_lab: Lab, workspace: Path, away: str
) -> None:
    path = both_planned(workspace)
    fresh_lab.check(HOST, f"mkdir /opt/away; mv /usr/bin/{away} /opt/away")
    rows = {it["name"]: it for it in answer(workspace, "discover", *BOTH)["hosts"]}
    reason = "no package manager that patchctl knows"
    assert (rows[HOST]["status"], rows[HOST]["reason"]) == ("failed", reason)
    assert rows[OTHER]["status"] == "ok"
    made = answer(workspace, "plan", "create", "--package", "patchlab-web", *BOTH)
    assert left_out(made) == ("discovery-failed", reason)
    said = rolled_out_without(fresh_lab, workspace, path)
    assert said == "apt is planned, but this host has no apt"
