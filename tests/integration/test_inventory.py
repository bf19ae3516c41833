"""Inventories as Ansible reads them: credentials of each kind on a real host, broken sources, host
patterns, and the fleet exported back to Ansible."""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from patchctl.adapters.ansible import inventory as adapter
from patchctl.adapters.ansible.inventory import InventoryReader
from patchctl.config import settings
from patchctl.errors import InvalidInputError, UsageError
from patchctl.inventory.export import generate
from patchctl.lab.handle import Lab
from patchctl.models.connection import Connection
from patchctl.models.fleet import Fleet
from patchctl.workflows.inventory.show import hosts_of, load_fleet

BIN = Path(sys.executable).parent
PASSWORD = "geheim"  # noqa: S105 - of a vault that this file makes


def program(*arguments: str, cwd: Path, code: int = 0) -> str:
    """Run one of the programs beside Python in a workspace, as an operator does."""
    outside = {name: value for name, value in os.environ.items() if "ANSIBLE" not in name}
    done = subprocess.run(
        [str(BIN / arguments[0]), *arguments[1:]],
        cwd=cwd,
        env={**outside, "ANSIBLE_NOCOLOR": "1", "LAB_USER": "ops", "PATH": f"{BIN}:/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout


def executable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def fleet_of(root: Path, connection: Connection | None = None, *sources: str) -> Fleet:
    reader = InventoryReader(connection or Connection(), root, os.environ)
    return load_fleet(settings.load(root / "patchctl.yml"), reader, sources).fleet


# --- credentials --------------------------------------------------------------------------------

KINDS = {
    "plain": "{}",
    "jinja-address": "{net: 127.0.NET, n: 'N', ansible_host: '{{ net }}.{{ n }}'}",
    "lookup": "{ansible_user: \"{{ lookup('env', 'LAB_USER') }}\"}",
    "relative-key": "{ansible_ssh_private_key_file: keys/id}",
    "key-beside-the-source": "{ansible_ssh_private_key_file: '{{ inventory_dir }}/key'}",
    "unsafe": "{banner: !unsafe '{{ not a template }}'}",
}


@dataclass(frozen=True)
class Seen:
    """The results of plain Ansible, the generated inventory and `discover`, by host."""

    direct: dict[str, list[str]]
    generated: dict[str, list[str]]
    discovered: dict[str, str]


@pytest.fixture(scope="module")
def seen(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    root = tmp_path_factory.mktemp("credentials")
    write_workspace(root, lab)
    connection = Connection(vault_password_file="vault-password")
    fleet = fleet_of(root, connection)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "inventory.json"
        run.write_text(json.dumps(generate(fleet, [host.name for host in fleet.hosts])))
        yield Seen(
            direct=answers(root, "inventory"),
            generated=answers(root, str(run)),
            discovered=discovered(root),
        )


def write_workspace(root: Path, lab: Lab) -> None:
    host = lab.host("staging-1")
    net, number = host.address.split(".")[2:]
    key = (lab.workspace / "lab" / "id_ed25519").read_bytes()
    inventory = root / "inventory"
    for folder in (inventory / "group_vars", root / "keys"):
        folder.mkdir(parents=True)
    for path in (root / "keys" / "id", inventory / "key"):
        path.write_bytes(key)
        path.chmod(0o600)
    (root / "patchctl.yml").touch()
    (root / "vault-password").write_text(PASSWORD)
    vault = ("--vault-password-file", "vault-password")
    inline = program("ansible-vault", "encrypt_string", *vault, "ops", cwd=root)
    entries = {
        name: text.replace("NET", net).replace("'N'", number) for name, text in KINDS.items()
    }
    lines = [
        "all:",
        "  vars:",
        f"    ansible_host: {host.address}",
        f"    ansible_port: {host.port}",
        "    ansible_user: ops",
        "    ansible_ssh_private_key_file: keys/id",
        f"    ansible_ssh_common_args: -o UserKnownHostsFile={lab.workspace}/known_hosts",
        "  hosts:",
        *(f"    {name}: {text}" for name, text in entries.items()),
        "    vaulted-value:",
        "      ansible_user: " + inline.strip().replace("\n", "\n  "),
        "  children:",
        "    vaulted: {hosts: {vaulted-file: {}}}",
    ]
    (inventory / "hosts.yml").write_text("\n".join(lines) + "\n")
    (inventory / "group_vars" / "vaulted.yml").write_text("ansible_user: ops\ntoken: s3cret\n")
    program("ansible-vault", "encrypt", *vault, "inventory/group_vars/vaulted.yml", cwd=root)
    script = {"made": {"hosts": ["executable-source"]}, "_meta": {"hostvars": {}}}
    executable(inventory / "script", f"#!/bin/sh\necho {shlex.quote(json.dumps(script))}\n")


PLAY = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.raw: hostname; id -un
      register: said
    - ansible.builtin.copy:
        content: "{{ said.stdout_lines + [inventory_dir, inventory_file, ansible_user,
          banner | default(''), token | default('')] }}"
        dest: "{{ folder }}/{{ inventory_hostname }}"
        mode: "0600"
      delegate_to: localhost
"""


def answers(root: Path, source: str) -> dict[str, list[str]]:
    """Return host -> its hostname and user, and the variables that Ansible sees for it."""
    (root / "play.yml").write_text(PLAY)
    with tempfile.TemporaryDirectory() as folder:
        given = ("--vault-password-file", "vault-password", "-e", f"folder={folder}")
        program("ansible-playbook", "-i", source, *given, "play.yml", cwd=root)
        return {path.name: json.loads(path.read_text()) for path in Path(folder).iterdir()}


def discovered(root: Path) -> dict[str, str]:
    """Return the result of `discover` for each host, started from another folder than the
    workspace."""
    vault = ("--vault-password-file", "vault-password")
    said = program("patchctl", "-C", str(root), "discover", *vault, "-o", "json", cwd=Path("/"))
    return {host["name"]: host["status"] + host["reason"] for host in json.loads(said)["hosts"]}


@pytest.mark.lab
@pytest.mark.parametrize("kind", [*KINDS, "vaulted-value", "vaulted-file", "executable-source"])
def test_credentials_work_as_under_ansible(seen: Seen, kind: str) -> None:
    assert seen.direct[kind][:2] == ["staging-1", "ops"]
    assert seen.generated[kind] == seen.direct[kind]
    assert seen.discovered[kind] == "ok"


@pytest.mark.lab
def test_unsafe_text_is_not_a_template_in_either(seen: Seen) -> None:
    assert "{{ not a template }}" in seen.generated["unsafe"]


@pytest.mark.lab
def test_a_vaulted_file_is_opened_in_either(seen: Seen) -> None:
    assert "s3cret" in seen.generated["vaulted-file"]


def test_a_typed_vault_password_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, temporary = tmp_path / "w", tmp_path / "tmp"
    (root / "inventory" / "group_vars").mkdir(parents=True)
    temporary.mkdir()
    (root / "patchctl.yml").touch()
    (root / "inventory" / "hosts").write_text("a\n")
    (root / "inventory" / "group_vars" / "all").write_text("token: s3cret\n")
    (root / "password").write_text(PASSWORD)
    vault = ("--vault-password-file", "password")
    program("ansible-vault", "encrypt", *vault, "inventory/group_vars/all", cwd=root)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    (host,) = fleet_of(root, Connection(vault_password=PASSWORD)).hosts
    assert host.variables["token"] == "s3cret"  # noqa: S105 - of this test
    assert list(temporary.iterdir()) == []
    with pytest.raises(
        InvalidInputError, match=r"inventory/group_vars/all:1: a vaulted file cannot be opened"
    ):
        fleet_of(root, Connection(vault_password="wrong"))


# --- broken sources -----------------------------------------------------------------------------

SCRIPT = "#!/bin/sh\n"


@pytest.mark.parametrize(
    ("files", "line"),
    [
        (
            {"h.yml": "all:\n  hosts:\n    a: {x: 1\n    b: {}\n"},
            "inventory/h.yml:4: While parsing",
        ),
        ({"h.yml": "all:\n  hosts: [a, b]\n"}, 'inventory/h.yml:2: Invalid "hosts" entry for'),
        ({"h.yml": "all:\n  hosts:\n    a: {}\n    a: {}\n"}, "inventory/h.yml:4: Found duplicate"),
        (
            {"h.yml": "all:\n  hosts: {a: {}}\n  childern:\n    web: {}\n"},
            "inventory/h.yml:3: unknown key childern of a group; a group has only hosts, children",
        ),
        (
            {"hosts": "web1\njust some text\n"},
            "inventory/hosts:2: Expected key=value host variable",
        ),
        ({"hosts.ini": "[web]\na\n[web:vars\nx=1\n"}, "inventory/hosts.ini:3: "),
        ({"dyn": SCRIPT + "echo boom >&2; exit 3\n"}, "non-zero exit code 3: boom"),
        ({"dyn": SCRIPT + "echo no json\n"}, "inventory/dyn: Unable to get JSON"),
        ({"c.yml": "plugin: example.no.such\n"}, "specifies unknown plugin 'example.no.such'"),
        (
            {"hosts": "a\n", "group_vars/all.yml": "x: [1\ny: 2\n"},
            "inventory/group_vars/all.yml:2: While parsing a flow sequence",
        ),
        ({}, "inventory: has no inventory source in it"),
        ({"h.yml": "all:\n  hosts:\n    a b: {}\n"}, "inventory/h.yml:3: host name 'a b' has"),
        (
            {"h.yml": "all:\n  hosts:\n    ok: {}\n    a: {patch_ring: prod}\n"},
            "inventory/h.yml:4: host a: patch_ring says 'prod', which is not a ring",
        ),
        (
            {"hosts": "[staging]\na\n[canary]\na\n"},
            "host a: is in the groups of 2 rings: staging, canary",
        ),
    ],
)
def test_a_broken_source_is_one_line_with_its_place(
    tmp_path: Path, files: dict[str, str], line: str
) -> None:
    (tmp_path / "patchctl.yml").touch()
    (tmp_path / "inventory").mkdir()
    for name, text in files.items():
        path = tmp_path / "inventory" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if text.startswith("#!") else 0o644)
    with pytest.raises(InvalidInputError) as caught:
        fleet_of(tmp_path)
    assert line in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "patchctl.yml").touch()
    with pytest.raises(InvalidInputError, match=r"gone\.yml: no such inventory source"):
        fleet_of(tmp_path, None, "gone.yml")


def test_a_source_that_hangs_ends_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "patchctl.yml").touch()
    (tmp_path / "inventory").mkdir()
    executable(tmp_path / "inventory" / "dyn", SCRIPT + f"echo $$ >{tmp_path}/pid; sleep 60\n")
    monkeypatch.setattr(adapter, "TIMEOUT_S", 5)
    with pytest.raises(InvalidInputError, match="was not read within 5 s"):
        fleet_of(tmp_path)
    pid = (tmp_path / "pid").read_text().strip()
    assert (
        not Path(f"/proc/{pid}/cmdline").exists()
        or "dyn" not in Path(f"/proc/{pid}/cmdline").read_text()
    )


def test_several_sources_are_one_fleet_and_outside_settings_do_not_reach_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "patchctl.yml").touch()
    (tmp_path / "one.ini").write_text("[web]\na patch_ring=staging port=22\n")
    (tmp_path / "two.yml").write_text("web: {vars: {x: 1}, hosts: {b: {patch_ring: canary}}}\n")
    monkeypatch.setenv("ANSIBLE_INVENTORY_ENABLED", "host_list")
    fleet = fleet_of(tmp_path, None, "one.ini", "two.yml", "c,")
    assert [(h.name, h.ring, h.groups) for h in fleet.hosts] == [
        ("a", "staging", ("web",)),
        ("b", "canary", ("web",)),
        ("c", None, ()),
    ]
    assert fleet.hosts[0].variables["port"] == 22
    assert fleet.hosts[0].variables["x"] == 1
    assert fleet.hosts[0].variables["inventory_dir"] == str(tmp_path)


# --- patterns, against Ansible ------------------------------------------------------------------


@pytest.fixture(scope="module")
def patterned(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    root = tmp_path_factory.mktemp("patterns")
    (root / "patchctl.yml").touch()
    (root / "hosts").write_text(
        "lone.example\n[web]\nweb1\nweb2.x\n[db]\ndb1\n10.0.0.5\n"
        "[prod:children]\nweb\n[web-x]\nweb1\n"
    )
    return fleet_of(root, None, str(root / "hosts"))


@pytest.mark.parametrize(
    "pattern",
    [
        *("all", "web", "web*", "prod:!web1", "web,db,!db1", "prod:&web-x", "*.x", "~(web|db)1"),
        *("!prod", "10.0.0.5", "ungrouped", "lone*", "we[a-c]1,db1", "all:!web*:!db"),
    ],
)
def test_a_limit_means_what_it_means_to_ansible(patterned: Fleet, pattern: str) -> None:
    source = Path(patterned.sources[0])
    listed = program("ansible", pattern, "-i", source.name, "--list-hosts", cwd=source.parent)
    theirs = {line.strip() for line in listed.splitlines()[1:]}
    try:
        ours = set(hosts_of(patterned, pattern, source.parent))
    except UsageError:
        ours = set()
    assert ours == theirs


# --- back to Ansible ----------------------------------------------------------------------------


@pytest.mark.lab
def test_ansible_reaches_a_ring_through_the_export(lab: Lab, tmp_path: Path) -> None:
    command = f'exec {BIN}/patchctl -q -C {lab.workspace} inventory export "$@"'
    executable(tmp_path / "fleet", f"#!/bin/sh\n{command}\n")
    reached = program(
        "ansible", "ring_canary", "-i", "fleet", "-m", "raw", "-a", "hostname", cwd=tmp_path
    )
    assert reached.splitlines()[:2] == ["canary-1 | CHANGED | rc=0 >>", "canary-1"]
    listed = json.loads(program("ansible-inventory", "-i", "fleet", "--list", cwd=tmp_path))
    assert listed["ring_canary"]["hosts"] == ["canary-1"]


@pytest.mark.lab
def test_the_fleet_of_the_lab_on_the_command_line(lab: Lab) -> None:
    shown = json.loads(program("patchctl", "inventory", "-o", "json", cwd=lab.workspace))
    rings = {host["name"]: host["ring"] for host in shown["hosts"]}
    assert rings == {host.name: host.ring for host in lab.hosts()}
    text = program("patchctl", "inventory", "show", "canary-1", cwd=lab.workspace)
    assert "group canary" in text
    program("patchctl", "inventory", "list", "--limit", "wbe", cwd=lab.workspace, code=2)


# --- readings that are kept ---------------------------------------------------------------------


def test_a_kept_reading_is_the_same_and_ends_with_an_edit(tmp_path: Path) -> None:
    root = tmp_path / "fleet"
    program("patchctl", "init", "fleet", cwd=tmp_path)
    (root / "inventory").mkdir(exist_ok=True)
    hosts = root / "inventory" / "zz.yml"
    hosts.write_text("staging: {hosts: {n1.example: {w: 22:00, f: 1.5, v: !unsafe '{{ x }}'}}}\n")
    (root / ".patchctl").mkdir(mode=0o700, exist_ok=True)

    def listed() -> dict[str, object]:
        parsed: dict[str, object] = json.loads(
            program("patchctl", "inventory", "export", "--list", cwd=root)
        )
        return parsed

    first = listed()
    (cached,) = (root / ".patchctl" / "cache").iterdir()
    before = cached.stat().st_mtime_ns
    assert listed() == first
    assert cached.stat().st_mtime_ns == before
    hosts.write_text(hosts.read_text().replace("n1.example", "n2.example"))
    assert "n2.example" in json.dumps(listed())
    assert "n1.example" not in json.dumps(listed())


def test_a_program_is_asked_each_time(tmp_path: Path) -> None:
    root = tmp_path / "fleet"
    program("patchctl", "init", "fleet", cwd=tmp_path)
    (root / ".patchctl").mkdir(mode=0o700, exist_ok=True)
    executable(
        root / "inventory" / "dyn",
        f'{SCRIPT}echo x >>{tmp_path}/asked\necho \'{{"staging": {{"hosts": ["d1"]}}}}\'\n',
    )
    for number in (1, 2):
        program("patchctl", "inventory", "list", cwd=root)
        assert (tmp_path / "asked").read_text().count("x") >= number
    assert not (root / ".patchctl" / "cache").exists()
