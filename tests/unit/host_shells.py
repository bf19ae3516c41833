"""Run the library of the host scripts in each shell that may be /bin/sh on a host."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROLES = Path(__file__).parents[2] / "roles"
LIBRARY = ROLES / "patch_transaction/files"
RULES = ROLES / "patch_connection/files/host_rules.sh"
# What only one package manager knows, for the rules.
HOSTS = sorted((ROLES / "patch_connection/files").glob("host_[!r]*.sh"))
SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}

# scripts/install brings them, so that CI skips nothing.
shells = pytest.mark.parametrize(
    "shell",
    [
        pytest.param(
            command,
            id=name,
            marks=pytest.mark.skipif(
                shutil.which(name) is None and "CI" not in os.environ, reason=f"no {name}"
            ),
        )
        for name, command in SHELLS.items()
    ],
)


def ask(shell: list[str], command: str, given: str = "") -> tuple[int, list[str]]:
    """Run a command together with the rules; return exit code and lines."""
    rules = "".join(path.read_text() for path in (RULES, *HOSTS))
    text = f"set -u\n{rules}\n{command}\n"
    done = subprocess.run(
        [*shell, "-c", text], input=given, capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()
