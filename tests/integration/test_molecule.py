"""Run each role's molecule scenario: a host of its own, plain ansible-playbook, then checks."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from patchctl.lab.handle import Lab

ROOT = Path(__file__).parents[2]
SCENARIOS = sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))


# Whatever the package manager of a host is, these do the same.
OTHERS = ("connection", "hook")
BOTH = tuple(name for name in SCENARIOS if name not in OTHERS)


@pytest.mark.lab
@pytest.mark.parametrize(
    ("scenario", "image"),
    [
        *[(name, "debian") for name in SCENARIOS],
        *[pytest.param(name, "rpm", marks=pytest.mark.managers) for name in BOTH],
    ],
)
def test_scenario(lab: Lab, scenario: str, image: str) -> None:
    # The lab is only asked for: where none can be had there is a reason to tell.
    binaries = Path(sys.executable).parent
    done = subprocess.run(
        [str(binaries / "molecule"), "test", "-s", scenario],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}", "NO_COLOR": "1"}
        | {"PATCHCTL_MOLECULE_IMAGE": image},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert re.search(rf"{scenario}\s*: .*failed=0", done.stdout)


def test_every_role_has_a_scenario() -> None:
    assert {f"patch_{name}" for name in SCENARIOS} == {
        path.name for path in ROOT.glob("roles/patch_*")
    }
