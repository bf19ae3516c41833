"""The built wheel, installed without the checkout and run from `/`."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from patchctl import __version__
from patchctl.lab.handle import Lab

ROOT = Path(__file__).parents[2]
SHIPPED = {"src/patchctl": "patchctl", "roles": "patchctl/_content/roles",
           "playbooks": "patchctl/_content/playbooks"}  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by the backend itself: pip's isolated builds need a package index."""
    folder = tmp_path_factory.mktemp("dist")
    return Path(next(iter(WheelBuilder(str(ROOT)).build(directory=str(folder)))))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a new environment with the wheel in it.

    A path file makes it use the dependencies of the running environment, so that neither a network
    nor half a minute is needed. Path files in a folder that was added by a path file are not read:
    so the checkout, which the running environment has by such a file, is not there.
    """
    root = tmp_path_factory.mktemp("clean")
    venv.create(root, with_pip=False, symlinks=True)
    programs = root / "bin"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    pip += ["--python", str(programs / "python")]
    subprocess.run([*pip, "install", "-qq", "--no-deps", "--no-index", str(wheel)], check=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(root)}))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    for name in ("ansible-playbook", "ansible-inventory"):
        body = Path(sys.executable).with_name(name).read_text().split("\n", 1)[1]
        program = programs / name
        program.write_text(f"#!{programs / 'python'}\n{body}")
        program.chmod(0o755)
    return programs


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program from `/`, with nothing of the running environment but the path to system
    programs."""
    return subprocess.run(
        command, cwd="/", capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        env={"PATH": os.defpath, "LC_ALL": "C.UTF-8", **environment},
    )  # fmt: skip


def test_the_wheel_has_every_file_of_program_roles_and_playbooks(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        f"{target}/{path.relative_to(ROOT / source)}"
        for source, target in SHIPPED.items()
        for path in (ROOT / source).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in inside if name.startswith("patchctl/")} == wanted
    assert any(name.endswith("/licenses/LICENSE") for name in inside)


def test_it_runs_without_the_checkout(installed: Path) -> None:
    done = run(installed / "patchctl", "--version")
    assert (done.returncode, done.stdout) == (0, f"patchctl {__version__}\n"), done.stderr
    done = run(
        installed / "python", "-c",
        "import patchctl.wiring.workspace, patchctl.adapters.content as c, sys;"
        " print(c.root(), *sys.path, sep='\\n')",
    )  # fmt: skip
    content, *path = done.stdout.splitlines()
    assert Path(content).is_relative_to(installed.parent), done.stderr
    assert str(ROOT / "src") not in path


def test_its_playbooks_find_their_roles(installed: Path, tmp_path: Path) -> None:
    content = next(installed.parent.glob("lib/python*/site-packages/patchctl/_content"))
    playbooks = sorted((content / "playbooks").glob("*.yml"))
    assert len(playbooks) == len(list((ROOT / "playbooks").glob("*.yml")))
    done = run(
        installed / "ansible-playbook", "--syntax-check", "-i", "localhost,", *playbooks,
        HOME=str(tmp_path), ANSIBLE_ROLES_PATH=str(content / "roles"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert all(f"playbook: {playbook}" in done.stdout for playbook in playbooks)


def test_it_reads_an_inventory(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "patchctl.yml").touch()
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory/hosts.ini").write_text("[staging]\nweb1\n")
    done = run(
        installed / "patchctl", "-C", tmp_path, "inventory", "list", "-o", "json",
        HOME=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [(it["name"], it["ring"]) for it in json.loads(done.stdout)["hosts"]] == [
        ("web1", "staging")
    ]


@pytest.mark.lab
def test_it_discovers_a_host(installed: Path, lab: Lab, workspace: Path) -> None:
    host = lab.hosts()[0].name
    done = run(
        installed / "patchctl", "-C", workspace, "discover", "--limit", host, "-o", "json",
        HOME=os.environ.get("HOME", "/root"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["hosts"]
    assert (row["name"], row["status"]) == (host, "ok")
    assert row["packages"] > 100
