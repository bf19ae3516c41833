"""Inventory plugins of clouds: all text from them is data and is never run."""

import importlib.metadata
import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hatchling.builders.wheel import WheelBuilder

from patchctl.cli.app import main
from patchctl.lab.handle import Lab

PLUGIN = """\
DOCUMENTATION = '''
name: field_cloud
short_description: Machines of a file, in the manner of a cloud
description: [As the name says]
extends_documentation_fragment: [constructed]
options:
  plugin: {description: Its name, required: true}
  machines: {description: Name to what is said of it, required: true, type: dict}
'''
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable


def untrusted(value):
    # As an answer over the network: text that nobody vouched for.
    import json
    return json.loads(json.dumps(value))


class InventoryModule(BaseInventoryPlugin, Constructable):
    NAME = "field_cloud"

    def parse(self, inventory, loader, path, cache=True):
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        for name, said in untrusted(self.get_option("machines")).items():
            host = inventory.add_host(name)
            for key, value in said.items():
                inventory.set_variable(host, key, value)
            self._set_composite_vars(self.get_option("compose"), said, host, strict=True)
            self._add_host_to_keyed_groups(self.get_option("keyed_groups"), said, host, True)
            self._add_host_to_composed_groups(self.get_option("groups"), said, host, True)
"""


@pytest.fixture
def cloud(lab: Lab, workspace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The lab's first hosts as machines of a cloud, with hostile text about one of them."""
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "field_cloud.py").write_text(PLUGIN)
    monkeypatch.setenv("ANSIBLE_INVENTORY_PLUGINS", str(plugins))
    inventory = workspace / "inventory"
    old = yaml.safe_load((inventory / "hosts.yml").read_text())["all"]
    (inventory / "hosts.yml").unlink()
    (inventory / "group_vars").mkdir()
    (inventory / "group_vars" / "all.yml").write_text(yaml.safe_dump(old["vars"]))
    evil = f"{{{{ lookup('pipe', 'touch {tmp_path}/templated') }}}}"
    address = old["children"]["staging"]["hosts"]["staging-1"]["ansible_host"]
    second = old["children"]["staging"]["hosts"]["staging-2"]["ansible_host"]
    machines = {
        "i-01": {"ip": address, "tags": {"ring": "staging", "role": "web", "note": evil}},
        "i-02": {"ip": second, "tags": {"ring": "canary", "role": "db"}, "exposure": "internet"},
        "i-03": {"ip": second, "tags": {"ring": "canary", "role": "db"}, "ansible_user": evil},
    }
    compose = {
        "ansible_host": "ip",
        "patch_ring": "tags.ring",
        "patch_exposure": "exposure | default('internal')",
    }
    (inventory / "field.yml").write_text(
        yaml.safe_dump(
            {
                "plugin": "field_cloud",
                "machines": machines,
                "compose": compose,
                "keyed_groups": [{"key": "tags.role", "prefix": "role"}],
            }
        )
    )
    return workspace


@pytest.mark.lab
def test_a_plugins_words_are_read_and_never_templated(
    cloud: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def asked(*words: str, code: int = 0) -> Any:
        assert main(["-C", str(cloud), *words, "-o", "json"]) == code
        return json.loads(capsys.readouterr().out)

    listed = asked("inventory", "list")
    assert listed["rings"] == {"staging": 1, "canary": 2, "production": 0}
    machines = yaml.safe_load((cloud / "inventory" / "field.yml").read_text())["machines"]
    addresses = {name: said["ip"] for name, said in machines.items()}
    assert {host["name"]: host["address"] for host in listed["hosts"]} == addresses
    assert asked("inventory", "show", "i-01")["variables"]["tags"]["role"] == "web"
    findings = asked("inventory", "lint", code=1)["findings"]
    assert [finding["hosts"] for finding in findings if finding["rule"] == "duplicate-address"] == [
        ["i-02", "i-03"]
    ]
    report = asked("doctor", code=1)
    checks = {(check["subject"], check["name"]): check for check in report["checks"]}
    for name in ("i-01", "i-02"):
        assert checks[name, "host-key"]["status"] == "ok", checks[name, "host-key"]
        assert checks[name, "answer"]["status"] == "ok"
    assert "fail" in [check["status"] for (name, _), check in checks.items() if name == "i-03"]
    assert main(["-C", str(cloud), "inventory", "export", "--list"]) == 0
    exported = json.loads(capsys.readouterr().out)["_meta"]["hostvars"]["i-01"]
    assert set(exported["tags"]["note"]) == {"__ansible_unsafe"}
    assert not (tmp_path / "templated").exists()


# --- a real one ---------------------------------------------------------------------------------

ROOT = Path(__file__).parents[2]
# The collection comes with PyPI's `ansible`; flask carries moto's server.
PACKAGES = ("ansible", "boto3", "moto[ec2]", "flask", "flask-cors")
SERVER = """\
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()  # until it is ended
"""
MACHINES = """\
import json, sys
import boto3
ec2 = boto3.client("ec2", endpoint_url=sys.argv[1], region_name="us-east-1")
for tags in json.loads(sys.argv[2]):
    ec2.run_instances(
        ImageId="ami-12c6146b", MinCount=1, MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance",
                            "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}],
    )
"""
KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_EC2_METADATA_DISABLED": "true"}
CONFIGURATION = {
    "plugin": "amazon.aws.aws_ec2",
    "regions": ["us-east-1"],
    "hostnames": ["tag:Name"],
    "strict": True,
    # The lab's hosts stand in for the machines: their addresses are in a tag.
    "compose": {"ansible_host": "tags.address", "patch_exposure": "tags.exposure"},
    "keyed_groups": [{"key": "tags.ring", "separator": ""}, {"key": "tags.role", "prefix": "role"}],
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment with patchctl, Ansible's collections and moto.

    A path file makes it use the packages of the running environment.
    """
    root = tmp_path_factory.mktemp("cloud")
    wheel = next(iter(WheelBuilder(str(ROOT)).build(directory=str(root / "dist"))))
    venv.create(root, with_pip=False, symlinks=True)
    programs = root / "bin"
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(root)}))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    constraints = root / "constraints.txt"
    constraints.write_text(f"ansible-core=={importlib.metadata.version('ansible-core')}\n")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    pip += ["--python", str(programs / "python"), "install", "-qq"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True)
    subprocess.run([*pip, "-c", str(constraints), *PACKAGES], check=True)
    for name in ("ansible-playbook", "ansible-inventory"):
        body = Path(sys.executable).with_name(name).read_text().split("\n", 1)[1]
        program = programs / name
        program.write_text(f"#!{programs / 'python'}\n{body}")
        program.chmod(0o755)
    return programs


@pytest.fixture
def endpoint(installed: Path) -> Iterator[str]:
    """A cloud on this machine's own address only."""
    with subprocess.Popen(
        [installed / "python", "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.kill()  # it holds nothing, and its threads need not end in order


@pytest.mark.lab
@pytest.mark.proof
def test_machines_of_the_real_ec2_plugin_are_hosts_like_others(
    installed: Path, endpoint: str, workspace: Path
) -> None:
    outside = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    environment = {**outside, **KEYS, "PATH": os.defpath}
    inventory = workspace / "inventory"
    old = yaml.safe_load((inventory / "hosts.yml").read_text())["all"]
    (inventory / "hosts.yml").unlink()
    (inventory / "group_vars").mkdir()
    (inventory / "group_vars" / "all.yml").write_text(yaml.safe_dump(old["vars"]))
    (inventory / "site.aws_ec2.yml").write_text(
        yaml.safe_dump({**CONFIGURATION, "endpoint_url": endpoint})
    )
    first, second = (
        old["children"][ring]["hosts"][f"{ring}-1"]["ansible_host"]
        for ring in ("staging", "production")
    )
    machines = [
        {"Name": "web-1", "ring": "staging", "role": "web", "address": first},
        {"Name": "web-2", "ring": "production", "role": "web", "address": second},
        {"Name": "My VM (old)", "ring": "production", "role": "db", "address": second},
    ]
    told = json.dumps([{**machine, "exposure": "internet"} for machine in machines])
    python = installed / "python"
    subprocess.run([python, "-c", MACHINES, endpoint, told], env=environment, check=True)

    def asked(*words: str, code: int = 0) -> Any:
        done = subprocess.run(
            [installed / "patchctl", "-q", "-C", workspace, *words, "-o", "json"],
            env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    listed = asked("inventory", "list")
    assert {host["name"]: (host["ring"], host["address"]) for host in listed["hosts"]} == {
        "web-1": ("staging", first),
        "web-2": ("production", second),
    }
    assert [row["name"] for row in listed["left_out"]] == ["My VM (old)"]
    snapshot = asked("discover")
    assert [host["status"] for host in snapshot["hosts"]] == ["ok", "ok"]
